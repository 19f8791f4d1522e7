//! What support wants to know of a database, a damaged one too: nothing here stops at the first thing that is wrong.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Row};

use super::StoreError;

/// How long to wait for whoever has locked the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
/// The tables, and which column dates a row.
const TABLES: [(&str, Option<&str>); 8] = [
    ("stream", None),
    ("outbox", Some("created")),
    ("keys", None),
    ("events", Some("stored")),
    ("checkpoint", None),
    ("windows", Some("start")),
    ("models", Some("activated")),
    ("model_memory", None),
];

/// What a database is like.
#[derive(Debug)]
pub struct Examination {
    /// `user_version`.
    pub schema: Result<i64, StoreError>,
    /// Size of a page, pages, and free ones among them. This and what follows is none where not even the schema's number
    /// can be read.
    pub pages: Option<Result<[i64; 3], StoreError>>,
    /// How changes are logged: `wal`.
    pub journal_mode: Option<Result<String, StoreError>>,
    /// What the check found: one `ok`, or what is wrong.
    pub check: Option<Result<Vec<String>, StoreError>>,
    /// The tables.
    pub tables: Vec<(&'static str, Result<TableFacts, StoreError>)>,
}

/// A table. Instants are Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFacts {
    /// Its rows.
    pub rows: i64,
    /// The oldest; none where rows have no date, or there are none.
    pub oldest: Option<i64>,
    /// The newest.
    pub newest: Option<i64>,
}

impl Examination {
    /// Examines a database beside whoever writes it. The check reads the whole file, for as long as `patience` allows.
    ///
    /// # Errors
    /// When the file is missing, can't be opened, or is locked.
    pub fn of(path: &Path, patience: Duration) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing(path.to_owned()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let schema = number(&connection, "PRAGMA user_version");
        if let Err(error) = schema {
            // Every other question would only wait as long.
            return if is_locked(&error) { Err(error) } else { Ok(Self::beginning(Err(error))) };
        }
        let tables = TABLES.iter().map(|(table, date)| (*table, table_facts(&connection, table, *date)));
        let mode = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0));
        Ok(Self {
            pages: Some(pages(&connection)),
            journal_mode: Some(mode.map_err(StoreError::from)),
            tables: tables.collect(),
            check: Some(check(&connection, patience)),
            ..Self::beginning(schema)
        })
    }

    /// Nothing but the schema's number, or why there is not even that.
    const fn beginning(schema: Result<i64, StoreError>) -> Self {
        Self { schema, pages: None, journal_mode: None, check: None, tables: Vec::new() }
    }
}

fn is_locked(error: &StoreError) -> bool {
    let StoreError::Sqlite(error) = error else { return false };
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn number(connection: &Connection, sql: &str) -> Result<i64, StoreError> {
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

fn pages(connection: &Connection) -> Result<[i64; 3], StoreError> {
    Ok([
        number(connection, "PRAGMA page_size")?,
        number(connection, "PRAGMA page_count")?,
        number(connection, "PRAGMA freelist_count")?,
    ])
}

fn table_facts(connection: &Connection, table: &str, date: Option<&str>) -> Result<TableFacts, StoreError> {
    let date = date.unwrap_or("NULL");
    let sql = format!("SELECT count(*), min({date}), max({date}) FROM {table}");
    let facts =
        |row: &Row<'_>| Ok(TableFacts { rows: row.get(0)?, oldest: row.get(1)?, newest: row.get(2)? });
    Ok(connection.query_row(&sql, [], facts)?)
}

/// `PRAGMA quick_check`, interrupted when it takes too long: while it reads, the agent's log can't be shortened.
fn check(connection: &Connection, patience: Duration) -> Result<Vec<String>, StoreError> {
    let interrupt = connection.get_interrupt_handle();
    let (done, wait) = sync_channel::<()>(0);
    let watchdog = thread::spawn(move || {
        if wait.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            interrupt.interrupt();
        }
    });
    let mut statement = connection.prepare("PRAGMA quick_check(20)")?;
    let found: Result<_, rusqlite::Error> = statement.query_map([], |row| row.get(0))?.collect();
    drop(done);
    // It has nothing to say.
    let _ = watchdog.join();
    Ok(found?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::pipeline::tests::{Agent, FAIL};

    const PATIENCE: Duration = Duration::from_secs(60);

    fn rows(found: &Examination, table: &str) -> Option<i64> {
        let (_, facts) = found.tables.iter().find(|(name, _)| *name == table)?;
        facts.as_ref().ok().map(|facts| facts.rows)
    }

    #[test]
    fn a_sound_database_is_described() {
        let mut agent = Agent::start();
        agent.events(&[(0, "DHCP", "no address", FAIL)]);
        agent.commit();
        let found = Examination::of(&agent.path(), PATIENCE).expect("read");
        assert_eq!(found.check.expect("checked").expect("read"), ["ok"]);
        assert_eq!(found.schema.as_ref().ok(), Some(&1));
        assert_eq!(found.journal_mode.expect("asked").expect("read"), "wal");
        let found = Examination { schema: Ok(1), check: None, journal_mode: None, ..found };
        assert_eq!(
            (rows(&found, "events"), rows(&found, "outbox"), rows(&found, "stream")),
            (Some(1), Some(1), Some(1))
        );
    }

    #[test]
    fn a_damaged_one_tells_what_it_still_can() {
        let mut agent = Agent::start();
        agent.stop_folded();
        let path = agent.path();
        let mut bytes = fs::read(&path).expect("there");
        bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0xa5);
        fs::write(&path, bytes).expect("written");
        let found = Examination::of(&path, PATIENCE).expect("opens");
        assert_eq!(found.schema.ok(), Some(1));
        assert!(found.tables.iter().any(|(_, facts)| facts.is_err()));
        fs::write(&path, b"no database at all, and long enough to be told from one").expect("written");
        assert!(Examination::of(&path, PATIENCE).expect("opens").schema.is_err());
    }

    #[test]
    fn one_that_is_locked_or_missing_is_told_at_once() {
        let mut agent = Agent::start();
        agent.stop();
        let other = Connection::open(agent.path()).expect("opens");
        other.pragma_update(None, "locking_mode", "EXCLUSIVE").expect("set");
        other.execute("UPDATE stream SET changes = changes + 1", []).expect("locked");
        assert!(is_locked(&Examination::of(&agent.path(), PATIENCE).expect_err("locked")));
        let missing = agent.folder.path().join("none.db");
        assert!(matches!(Examination::of(&missing, PATIENCE), Err(StoreError::Missing(_))));
    }
}
