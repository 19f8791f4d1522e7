//! Reading rows of windows.

use std::collections::{BTreeMap, HashMap};
use std::future::ready;
use std::ops::Range;
use std::pin::pin;

use cabinwatch_shared::rate::{Counts, Rate};
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::Alarms;
use futures::stream::{Stream, StreamExt, TryStreamExt};
use scylla::DeserializeRow;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;

use super::bind::Bind;
use super::buckets::{Span, day, partitions, shard};
use super::calendar::{Calendar, Kind};
use super::cluster::{Cluster, Fault, Request};
use super::decode::{self, time};
use super::schema::INDEX;
use crate::tables::names::{Names, WINDOWS};
use crate::tables::{Query, RateQuery, Table, TableRow, Totals, limits, text};

/// Days of an aircraft that are looked at side by side for its newest windows.
const DAYS_AT_ONCE: usize = 4;

/// The statements that read rows of windows.
#[derive(Debug)]
pub(super) struct RowReader {
    anomalies: Vec<(Table, TableReader)>,
    windows: TableReader,
    recent: PreparedStatement,
    points: PreparedStatement,
    counts: PreparedStatement,
}

#[derive(Debug)]
struct TableReader {
    of_all: PreparedStatement,
    of_tail: PreparedStatement,
}

#[derive(Debug, DeserializeRow)]
struct StoredRow {
    tail: String,
    start_time: CqlTimestamp,
    end_time: CqlTimestamp,
    edr_point: String,
    description: String,
    fail: i64,
    success: i64,
    fail_rate: f64,
    mean_rate: Option<f64>,
    std_rate: Option<f64>,
    z_score: Option<f64>,
    z_status: String,
    iforest_score: Option<f64>,
    anomaly_z: i32,
    anomaly_iforest: i32,
    model_version: i64,
}

const STORED_ROW: &str = "tail, start_time, end_time, edr_point, description, fail, success, fail_rate, mean_rate, \
                          std_rate, z_score, z_status, iforest_score, anomaly_z, anomaly_iforest, model_version";

impl StoredRow {
    fn decode(self) -> Result<TableRow, Fault> {
        Ok(TableRow {
            tail: decode::tail(&self.tail)?,
            start: time(self.start_time),
            end: time(self.end_time),
            counts: Counts {
                fail: decode::count("fail", self.fail)?,
                success: decode::count("success", self.success)?,
            },
            fail_rate: self.fail_rate,
            mean_rate: self.mean_rate,
            std_rate: self.std_rate,
            z_score: self.z_score,
            z_status: text::read_z_status(&self.z_status).ok_or_else(|| Fault::column("z_status"))?,
            iforest_score: self.iforest_score,
            alarms: Alarms { z: self.anomaly_z != 0, forest: self.anomaly_iforest != 0 },
            model_version: decode::model_version(self.model_version)?,
            edr_point: self.edr_point,
            description: self.description,
        })
    }
}

impl TableReader {
    async fn prepare(cluster: &Cluster, table: &str) -> Result<Self, Fault> {
        let of_all = format!("SELECT {STORED_ROW} FROM {{}}.\"{table}\" WHERE hour = ? AND shard = ?");
        let of_tail = format!("{of_all} AND tail = ?");
        Ok(Self { of_all: cluster.prepare(&of_all).await?, of_tail: cluster.prepare(&of_tail).await? })
    }

    fn request(&self, Partition { hour, shard, tail }: Partition<'_>) -> Request<'_> {
        let mut values = vec![hour.into(), Bind::TinyInt(shard)];
        let statement = match tail {
            Some(tail) => {
                values.push(Bind::text(tail));
                &self.of_tail
            }
            None => &self.of_all,
        };
        Request::new(statement, values)
    }

    async fn read(&self, cluster: &Cluster, partition: Partition<'_>) -> Result<Vec<TableRow>, Fault> {
        let rows = cluster.read::<StoredRow>(self.request(partition)).await?;
        rows.into_iter().map(StoredRow::decode).collect()
    }

    /// Holds no more than a page at a time.
    async fn totals(
        &self,
        cluster: &Cluster,
        partition: Partition<'_>,
        query: &Query,
    ) -> Result<Totals, Fault> {
        let mut rows = pin!(cluster.stream::<StoredRow>(self.request(partition)).await?);
        let (mut totals, mut last) = (Totals::default(), None);
        while let Some(row) = rows.try_next().await? {
            let row = row.decode()?;
            if query.holds(row.start) {
                // Rows of a window come one after the other.
                let is_another = last.as_ref() != Some(&(row.start, row.tail.clone()));
                totals = totals.and(Totals::of(&row, u64::from(is_another)));
                last = Some((row.start, row.tail));
            }
        }
        Ok(totals)
    }
}

/// A partition of a table of rows, or of it what is an aircraft's.
#[derive(Clone, Copy)]
struct Partition<'q> {
    hour: UnixSeconds,
    shard: i8,
    tail: Option<&'q Tail>,
}

impl RowReader {
    pub async fn prepare(cluster: &Cluster, names: &Names) -> Result<Self, Fault> {
        let mut anomalies = Vec::new();
        for table in Table::ALL {
            anomalies.push((table, TableReader::prepare(cluster, names.of(table)).await?));
        }
        let recent = format!(
            "SELECT start_time, points FROM {{}}.{INDEX} WHERE tail = ? AND day = ? AND start_time <= ?
             ORDER BY start_time DESC LIMIT ?"
        );
        let points = format!(
            "SELECT points FROM {{}}.{INDEX} WHERE tail = ? AND day = ? AND start_time >= ? AND start_time < ?
             ORDER BY start_time DESC"
        );
        let counts = format!(
            "SELECT fail, success FROM {{}}.{WINDOWS} WHERE hour = ? AND shard = ? AND tail = ?
             AND start_time = ? AND edr_point = ? AND description = ?"
        );
        Ok(Self {
            anomalies,
            windows: TableReader::prepare(cluster, WINDOWS).await?,
            recent: cluster.prepare(&recent).await?,
            points: cluster.prepare(&points).await?,
            counts: cluster.prepare(&counts).await?,
        })
    }

    /// Rows of an anomaly table, or all scored rows. The newest hours are read first, and no more than are asked for.
    pub async fn rows(
        &self,
        cluster: &Cluster,
        calendar: &Calendar,
        table: Option<Table>,
        query: &Query,
    ) -> Result<Vec<TableRow>, Fault> {
        let (reader, tail) = (self.reader(table), query.tail.as_ref());
        let hours = calendar.buckets(cluster, Kind::Rows, query).await?;
        let reads = partitions(hours, tail).map(|partition| async move {
            let (hour, shard) = partition?;
            let rows = reader.read(cluster, Partition { hour, shard, tail }).await?;
            Ok::<_, Fault>((hour, rows))
        });
        let key = |row: &TableRow| (row.tail.clone(), row.edr_point.clone(), row.description.clone());
        decode::read_newest(reads, query, |row| row.start, key).await
    }

    fn reader(&self, table: Option<Table>) -> &TableReader {
        let reader = self.anomalies.iter().find(|(known, _)| Some(*known) == table);
        reader.map_or(&self.windows, |(_, reader)| reader)
    }

    /// See [`crate::tables::Tables::totals`].
    pub async fn totals(
        &self,
        cluster: &Cluster,
        calendar: &Calendar,
        table: Option<Table>,
        query: &Query,
    ) -> Result<Totals, Fault> {
        let (reader, tail) = (self.reader(table), query.tail.as_ref());
        let hours = calendar.buckets(cluster, Kind::Rows, query).await?;
        let reads = partitions(hours, tail).map(|partition| async move {
            let (hour, shard) = partition?;
            reader.totals(cluster, Partition { hour, shard, tail }, query).await
        });
        let reads = reads.buffer_unordered(decode::PARTITIONS_AT_ONCE);
        reads.try_fold(Totals::default(), async |sum, totals| Ok(sum.and(totals))).await
    }

    /// See [`crate::tables::Tables::recent_rates`].
    pub async fn recent_rates(
        &self,
        cluster: &Cluster,
        calendar: &Calendar,
        query: &RateQuery<'_>,
    ) -> Result<Vec<(UnixSeconds, Rate)>, Fault> {
        let recent = self.recent_windows(cluster, calendar, query).await?;
        let RateQuery { tail, key, .. } = *query;
        let reads = recent.into_iter().map(|(start, points)| async move {
            let values = vec![
                Span::Hour.of(start).into(),
                Bind::TinyInt(shard(tail)),
                Bind::text(tail),
                start.into(),
                Bind::text(key.edr_point),
                Bind::text(key.description),
            ];
            let rows = cluster.read::<(i64, i64)>(Request::new(&self.counts, values)).await?;
            // Without a row the key did not fail; whether the point was tried at all, the index knows.
            let quiet = (0, points.get(key.edr_point).copied().unwrap_or_default());
            let (fail, success) = rows.first().copied().unwrap_or(quiet);
            let counts =
                Counts { fail: decode::count("fail", fail)?, success: decode::count("success", success)? };
            Ok((start, counts.rate()))
        });
        let rates = cluster.side_by_side(reads).await?;
        Ok(rates.into_iter().filter_map(|(start, rate)| Some((start, rate?))).collect())
    }

    /// See [`crate::tables::Tables::has_worked`].
    pub async fn has_worked(
        &self,
        cluster: &Cluster,
        calendar: &Calendar,
        tail: &Tail,
        edr_point: &str,
        starts: Range<UnixSeconds>,
    ) -> Result<bool, Fault> {
        let hours = Query { since: Some(starts.start), until: Some(starts.end), ..Query::default() };
        let bounds = [starts.start, starts.end].map(limits::bound);
        let reads = days(cluster, calendar, &hours).await?.map(|first| async move {
            let [since, until] = bounds.map(Bind::from);
            let values = [Bind::text(tail), day(first?), since, until];
            cluster.read::<(HashMap<String, i64>,)>(Request::new(&self.points, values)).await
        });
        let mut reads = pin!(reads.buffered(DAYS_AT_ONCE));
        while let Some(windows) = reads.try_next().await? {
            if windows.iter().any(|(points,)| points.get(edr_point).is_some_and(|success| *success > 0)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The newest windows of an aircraft with what succeeded in them, in ascending order.
    async fn recent_windows(
        &self,
        cluster: &Cluster,
        calendar: &Calendar,
        query: &RateQuery<'_>,
    ) -> Result<BTreeMap<UnixSeconds, HashMap<String, i64>>, Fault> {
        let RateQuery { tail, until, windows, .. } = *query;
        let mut recent = BTreeMap::new();
        // Cassandra takes no limit of 0.
        if windows == 0 {
            return Ok(recent);
        }
        let after = UnixSeconds(until.0.saturating_add(1));
        let hours = Query { until: Some(after), ..Query::default() };
        let reads = days(cluster, calendar, &hours).await?.map(|first| async move {
            let limit = Bind::Int(i32::try_from(windows).unwrap_or(i32::MAX));
            let values = [Bind::text(tail), day(first?), limits::bound(until).into(), limit];
            cluster.read::<(CqlTimestamp, HashMap<String, i64>)>(Request::new(&self.recent, values)).await
        });
        let mut reads = pin!(reads.buffered(DAYS_AT_ONCE));
        while let Some(read) = reads.try_next().await? {
            recent.extend(read.into_iter().map(|(start, points)| (time(start), points)));
            if recent.len() >= windows as usize {
                break;
            }
        }
        while recent.len() > windows as usize {
            recent.pop_first();
        }
        Ok(recent)
    }
}

/// The days that hold windows of a time, the newest first.
async fn days(
    cluster: &Cluster,
    calendar: &Calendar,
    hours: &Query,
) -> Result<impl Stream<Item = Result<UnixSeconds, Fault>> + use<>, Fault> {
    let mut last_day = None;
    Ok(calendar.buckets(cluster, Kind::Rows, hours).await?.try_filter_map(move |hour| {
        let day = Span::Day.of(hour);
        ready(Ok((last_day.replace(day) != Some(day)).then_some(day)))
    }))
}
