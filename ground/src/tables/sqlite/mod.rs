//! The embedded implementation: one SQLite file.
//!
//! Write-ahead log with `synchronous=FULL`, so that what is acknowledged survives a power cut. One connection a
//! process writes; several processes take turns, each waiting a while for the others.

mod convert;
mod read;
mod schema;
mod write;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::rate::Rate;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use schema::SCHEMA_VERSION;

use super::names::{Names, WINDOWS};
use super::{
    AircraftRecord, Batch, GapRecord, KnownModel, KnownVersion, LossRecord, ModelReportRecord, Query,
    RateQuery, ScoredWindow, SetAside, StoreOutcome, StreamStartRecord, StreamState, Table, TableRow, Tables,
    TablesError, Totals,
};
use crate::config::TablesConfig;

/// How long a write waits for another process's.
const BUSY: Duration = Duration::from_secs(20);
/// Where that is asked for again and again.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(10);
/// Statements kept compiled: every INSERT and DELETE of a window, in seven tables, and some more.
const STATEMENTS: usize = 64;

/// What brings an earlier schema to ours.
const TO_UPDATE: &str = "start `ingest`, or run `cabinwatch-ground tables init`";

/// Whether a database is opened to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Made if it is not there.
    Write,
    /// It must be there.
    Read,
}

/// What went wrong inside: a database's failure still without its place, or a finished error.
#[derive(Debug)]
enum Fault {
    Sqlite(rusqlite::Error),
    Tables(TablesError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<TablesError> for Fault {
    fn from(error: TablesError) -> Self {
        Self::Tables(error)
    }
}

/// Tables in one SQLite file.
#[derive(Debug)]
pub(super) struct SqliteTables {
    path: PathBuf,
    names: Names,
    access: Access,
    connection: Connection,
}

impl SqliteTables {
    pub fn open(path: &Path, config: &TablesConfig, access: Access) -> Result<Self, TablesError> {
        let names = Names::check(config)?;
        let connection = connect(path, &names, access)?;
        Ok(Self { path: path.to_owned(), names, access, connection })
    }

    fn write(
        &mut self,
        action: &'static str,
        work: impl FnOnce(&Connection, &Names, &mut StoreOutcome) -> Result<(), Fault>,
    ) -> Result<StoreOutcome, TablesError> {
        let mut outcome = StoreOutcome::default();
        let done = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Fault::from)
            .and_then(|transaction| {
                work(&transaction, &self.names, &mut outcome)?;
                Ok(transaction.commit()?)
            });
        match done {
            Ok(()) => Ok(outcome),
            Err(Fault::Tables(error)) => Err(error),
            Err(Fault::Sqlite(error)) => {
                // After a failed sync nobody knows what the file holds: look again with a new connection.
                if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) {
                    self.connection = connect(&self.path, &self.names, self.access)?;
                }
                Err(place(&self.path, action, &error))
            }
        }
    }

    fn read<T>(&self, action: &'static str, result: rusqlite::Result<T>) -> Result<T, TablesError> {
        result.map_err(|error| place(&self.path, action, &error))
    }
}

fn connect(path: &Path, names: &Names, access: Access) -> Result<Connection, TablesError> {
    let flags = match access {
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let cannot = |error: &rusqlite::Error| match place(path, "open it", error) {
        TablesError::Failed { place, message, .. } => TablesError::Open { place, message },
        other => other,
    };
    let open = || -> rusqlite::Result<(Connection, Option<i64>)> {
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let version = schema::version(&connection)?;
        Ok((connection, version))
    };
    let (mut connection, version) = open().map_err(|error| cannot(&error))?;
    let wrong =
        |found| TablesError::Schema { place: path.display().to_string(), found, expected: SCHEMA_VERSION };
    match (version, access) {
        (Some(version), Access::Write) if schema::can_step_from(version) => {}
        (Some(found), Access::Read) if schema::can_step_from(found) => {
            let (place, expected) = (path.display().to_string(), SCHEMA_VERSION);
            return Err(TablesError::Outdated { place, found, expected, remedy: TO_UPDATE });
        }
        (Some(version), _) if version != SCHEMA_VERSION => return Err(wrong(version)),
        (None, Access::Read) => return Err(wrong(0)),
        _ => {}
    }
    if access == Access::Write {
        let prepare = |connection: &mut Connection| -> rusqlite::Result<()> {
            use_write_ahead_log(connection)?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            schema::create(connection, names)
        };
        prepare(&mut connection).map_err(|error| cannot(&error))?;
    }
    Ok(connection)
}

/// SQLite itself does not wait for other connections here: they could be waiting for this one.
fn use_write_ahead_log(connection: &Connection) -> rusqlite::Result<()> {
    let until = Instant::now() + BUSY;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if is_busy(&error) && Instant::now() < until => thread::sleep(BETWEEN_ATTEMPTS),
            done => return done,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// Says where a database's failure happened.
fn place(path: &Path, action: &'static str, error: &rusqlite::Error) -> TablesError {
    let (place, message) = (path.display().to_string(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => TablesError::Corrupt { place, message },
        _ => TablesError::Failed { place, action, message },
    }
}

impl Tables for SqliteTables {
    fn replace(&mut self, windows: &[ScoredWindow]) -> Result<StoreOutcome, TablesError> {
        self.write("store windows", |connection, names, outcome| {
            windows.iter().try_for_each(|window| write::replace(connection, names, window, outcome))
        })
    }

    fn commit(&mut self, batch: &Batch) -> Result<StoreOutcome, TablesError> {
        self.write("store frames", |connection, names, outcome| {
            write::batch(connection, names, batch, outcome)
        })
    }

    fn rows(&self, table: Table, query: &Query) -> Result<Vec<TableRow>, TablesError> {
        self.read("read rows", read::rows(&self.connection, self.names.of(table), query))
    }

    fn scored_rows(&self, query: &Query) -> Result<Vec<TableRow>, TablesError> {
        self.read("read rows", read::rows(&self.connection, WINDOWS, query))
    }

    fn totals(&self, table: Option<Table>, query: &Query) -> Result<Totals, TablesError> {
        let name = table.map_or(WINDOWS, |table| self.names.of(table));
        self.read("count rows", read::totals(&self.connection, name, query))
    }

    fn recent_rates(&self, query: &RateQuery<'_>) -> Result<Vec<(UnixSeconds, Rate)>, TablesError> {
        self.read("read rates", read::recent_rates(&self.connection, query))
    }

    fn has_worked(
        &self,
        tail: &Tail,
        edr_point: &str,
        starts: Range<UnixSeconds>,
    ) -> Result<bool, TablesError> {
        self.read("read windows", read::has_worked(&self.connection, tail, edr_point, starts))
    }

    fn losses(&self, query: &Query) -> Result<Vec<LossRecord>, TablesError> {
        self.read("read losses", read::losses(&self.connection, query))
    }

    fn gaps(&self, query: &Query) -> Result<Vec<GapRecord>, TablesError> {
        self.read("read gaps", read::gaps(&self.connection, query))
    }

    fn stream_starts(&self, query: &Query) -> Result<Vec<StreamStartRecord>, TablesError> {
        self.read("read stream starts", read::stream_starts(&self.connection, query))
    }

    fn model_reports(&self, query: &Query) -> Result<Vec<ModelReportRecord>, TablesError> {
        self.read("read model reports", read::model_reports(&self.connection, query))
    }

    fn set_aside(&self, query: &Query) -> Result<Vec<SetAside>, TablesError> {
        self.read("read what was set aside", read::set_aside(&self.connection, query))
    }

    fn awaited_models(&self) -> Result<Vec<ModelVersion>, TablesError> {
        self.read("read what was set aside", read::awaited_models(&self.connection))
    }

    fn awaiting_model(&self, version: ModelVersion, limit: u32) -> Result<Vec<SetAside>, TablesError> {
        self.read("read what was set aside", read::awaiting_model(&self.connection, version, limit))
    }

    fn aircraft(&self) -> Result<Vec<AircraftRecord>, TablesError> {
        self.read("read the aircraft", read::aircraft(&self.connection))
    }

    fn streams(&self) -> Result<Vec<StreamState>, TablesError> {
        self.read("read the streams", read::streams(&self.connection))
    }

    fn put_model(&mut self, model: &KnownModel) -> Result<(), TablesError> {
        self.write("store a model", |connection, _, _| write::model(connection, model)).map(|_| ())
    }

    fn known_versions(&self) -> Result<Vec<KnownVersion>, TablesError> {
        self.read("read the models", read::known_versions(&self.connection))
    }

    fn model(&self, version: ModelVersion) -> Result<Option<KnownModel>, TablesError> {
        self.read("read a model", read::model(&self.connection, version))
    }
}

#[cfg(test)]
mod tests;
