//! Apache Cassandra, for a ground that more than one machine serves.
//!
//! There are no transactions, so everything is written in an order that a crash at any point leaves right: what a
//! frame brings first, and only when all of it is stored, that the frame is stored. Write times come from what is
//! written, so that a replay changes nothing and an older value never takes the place of a newer one.
//! `docs/adr/0009-cassandra-tables.md` has the reasoning.

mod address;
mod bind;
mod buckets;
mod calendar;
mod cluster;
mod connect;
mod decode;
mod fleet;
mod init;
mod plan;
mod records;
mod rows;
mod runtime;
mod schema;
mod set_aside;
mod stream_log;
mod streams;
mod windows;

use std::ops::Range;

use address::Address;
use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::rate::Rate;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use calendar::{Calendar, Kind};
use cluster::{Cluster, Fault};
use fleet::Fleet;
pub use init::InitStep;
use plan::Plan;
use records::Records;
use rows::RowReader;
use runtime::DriverRuntime;
use set_aside::SetAsideStore;
use streams::Streams;
use windows::WindowStatements;

use super::names::Names;
use super::{
    AircraftRecord, Batch, GapRecord, KnownModel, KnownVersion, LossRecord, ModelReportRecord, Query,
    RateQuery, ScoredWindow, SetAside, StoreOutcome, StreamStartRecord, StreamState, Table, TableRow, Tables,
    TablesError, Totals,
};
use crate::config::TablesConfig;

/// Tables in one keyspace.
#[derive(Debug)]
pub(super) struct CassandraTables {
    /// What this is, for errors.
    place: String,
    store: Store,
    /// Last, so that it outlives the session.
    runtime: DriverRuntime,
}

/// Everything that works on a session.
#[derive(Debug)]
struct Store {
    cluster: Cluster,
    calendar: Calendar,
    windows: WindowStatements,
    rows: RowReader,
    records: Records,
    set_aside: SetAsideStore,
    fleet: Fleet,
    streams: Streams,
}

/// Makes keyspace and tables where they are not there yet, and says what was done.
pub(super) fn init(url: &str, config: &TablesConfig) -> Result<Vec<InitStep>, TablesError> {
    let (address, names) = (Address::parse(url)?, Names::check(config)?);
    let runtime = DriverRuntime::start()?;
    runtime.wait(async {
        let cluster = Cluster::new(connect::connect(&address, config).await?, &address.keyspace);
        let steps = init::init(&cluster, &address, config, &names).await;
        steps.map_err(|fault| fault.at(&address.to_string(), "make the tables"))
    })
}

impl CassandraTables {
    /// Opens tables that are there.
    pub fn open(url: &str, config: &TablesConfig) -> Result<Self, TablesError> {
        let (address, names) = (Address::parse(url)?, Names::check(config)?);
        let runtime = DriverRuntime::start()?;
        let store = runtime.wait(async {
            let cluster = Cluster::new(connect::connect(&address, config).await?, &address.keyspace);
            let store = Store::open(cluster, &address, &names).await;
            store.map_err(|fault| fault.at(&address.to_string(), "prepare for work"))
        })?;
        Ok(Self { place: address.to_string(), store, runtime })
    }

    fn wait<T>(
        &self,
        action: &'static str,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, TablesError> {
        self.runtime.wait(work).map_err(|fault| fault.at(&self.place, action))
    }
}

impl Store {
    async fn open(cluster: Cluster, address: &Address, names: &Names) -> Result<Self, Fault> {
        init::check(&cluster, address, names).await?;
        Ok(Self {
            calendar: Calendar::prepare(&cluster).await?,
            windows: WindowStatements::prepare(&cluster, names).await?,
            rows: RowReader::prepare(&cluster, names).await?,
            records: Records::prepare(&cluster).await?,
            set_aside: SetAsideStore::prepare(&cluster).await?,
            fleet: Fleet::prepare(&cluster).await?,
            streams: Streams::prepare(&cluster).await?,
            cluster,
        })
    }

    async fn replace(&mut self, windows: &[Plan], out: &mut StoreOutcome) -> Result<(), Fault> {
        let times = windows.iter().map(|plan| (Kind::Rows, plan.start));
        self.calendar.note(&self.cluster, times).await?;
        windows::replace(&self.cluster, &self.windows, windows, out).await
    }

    /// What can't be stored is found before anything is written; progress comes last, after all it speaks for.
    async fn commit(&mut self, batch: &Batch, out: &mut StoreOutcome) -> Result<(), Fault> {
        let windows = batch.windows.iter().map(Plan::of).collect::<Result<Vec<_>, _>>()?;
        let records = self.records.puts(batch)?;
        let mut aircraft = Vec::new();
        for item in &batch.aircraft {
            aircraft.push(self.fleet.puts(&self.cluster, item)?);
        }
        self.calendar.note(&self.cluster, Records::times(batch)).await?;
        self.cluster.send_all(records).await?;
        self.cluster.send_partitions(aircraft).await?;
        self.replace(&windows, out).await?;
        out.set_aside_dropped += self.set_aside.store(&self.cluster, batch).await?;
        out.streams = self.streams.store(&self.cluster, &batch.progress).await?;
        Ok(())
    }
}

impl Tables for CassandraTables {
    fn replace(&mut self, windows: &[ScoredWindow]) -> Result<StoreOutcome, TablesError> {
        let windows = windows.iter().map(Plan::of).collect::<Result<Vec<_>, _>>()?;
        let mut out = StoreOutcome::default();
        let Self { place, store, runtime } = self;
        let done = runtime.wait(store.replace(&windows, &mut out));
        done.map(|()| out).map_err(|fault| fault.at(place, "store windows"))
    }

    fn commit(&mut self, batch: &Batch) -> Result<StoreOutcome, TablesError> {
        let mut out = StoreOutcome::default();
        let Self { place, store, runtime } = self;
        let done = runtime.wait(store.commit(batch, &mut out));
        done.map(|()| out).map_err(|fault| fault.at(place, "store frames"))
    }

    fn rows(&self, table: Table, query: &Query) -> Result<Vec<TableRow>, TablesError> {
        let Store { cluster, calendar, rows, .. } = &self.store;
        self.wait("read rows", rows.rows(cluster, calendar, Some(table), query))
    }

    fn scored_rows(&self, query: &Query) -> Result<Vec<TableRow>, TablesError> {
        let Store { cluster, calendar, rows, .. } = &self.store;
        self.wait("read rows", rows.rows(cluster, calendar, None, query))
    }

    fn totals(&self, table: Option<Table>, query: &Query) -> Result<Totals, TablesError> {
        let Store { cluster, calendar, rows, .. } = &self.store;
        self.wait("count rows", rows.totals(cluster, calendar, table, query))
    }

    fn recent_rates(&self, query: &RateQuery<'_>) -> Result<Vec<(UnixSeconds, Rate)>, TablesError> {
        let Store { cluster, calendar, rows, .. } = &self.store;
        self.wait("read rates", rows.recent_rates(cluster, calendar, query))
    }

    fn has_worked(
        &self,
        tail: &Tail,
        edr_point: &str,
        starts: Range<UnixSeconds>,
    ) -> Result<bool, TablesError> {
        let Store { cluster, calendar, rows, .. } = &self.store;
        self.wait("read windows", rows.has_worked(cluster, calendar, tail, edr_point, starts))
    }

    fn losses(&self, query: &Query) -> Result<Vec<LossRecord>, TablesError> {
        let Store { cluster, calendar, records, .. } = &self.store;
        self.wait("read losses", records.losses(cluster, calendar, query))
    }

    fn gaps(&self, query: &Query) -> Result<Vec<GapRecord>, TablesError> {
        self.wait("read gaps", self.store.streams.gaps(&self.store.cluster, query))
    }

    fn stream_starts(&self, query: &Query) -> Result<Vec<StreamStartRecord>, TablesError> {
        let Store { cluster, calendar, records, .. } = &self.store;
        self.wait("read stream starts", records.stream_starts(cluster, calendar, query))
    }

    fn model_reports(&self, query: &Query) -> Result<Vec<ModelReportRecord>, TablesError> {
        let Store { cluster, calendar, records, .. } = &self.store;
        self.wait("read model reports", records.model_reports(cluster, calendar, query))
    }

    fn set_aside(&self, query: &Query) -> Result<Vec<SetAside>, TablesError> {
        self.wait("read what was set aside", self.store.set_aside.read(&self.store.cluster, query))
    }

    fn awaited_models(&self) -> Result<Vec<ModelVersion>, TablesError> {
        let Store { cluster, set_aside, .. } = &self.store;
        self.wait("read what was set aside", set_aside.awaited_models(cluster))
    }

    fn awaiting_model(&self, version: ModelVersion, limit: u32) -> Result<Vec<SetAside>, TablesError> {
        let Store { cluster, set_aside, .. } = &self.store;
        self.wait("read what was set aside", set_aside.awaiting_model(cluster, version, limit))
    }

    fn aircraft(&self) -> Result<Vec<AircraftRecord>, TablesError> {
        self.wait("read the aircraft", self.store.fleet.aircraft(&self.store.cluster))
    }

    fn streams(&self) -> Result<Vec<StreamState>, TablesError> {
        self.wait("read the streams", self.store.streams.all(&self.store.cluster))
    }

    fn put_model(&mut self, model: &KnownModel) -> Result<(), TablesError> {
        self.wait("store a model", self.store.fleet.add_model(&self.store.cluster, model))
    }

    fn known_versions(&self) -> Result<Vec<KnownVersion>, TablesError> {
        self.wait("read the models", self.store.fleet.versions(&self.store.cluster))
    }

    fn model(&self, version: ModelVersion) -> Result<Option<KnownModel>, TablesError> {
        self.wait("read a model", self.store.fleet.model(&self.store.cluster, version))
    }
}
