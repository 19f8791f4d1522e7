//! The tables, and how a connection is set up. `docs/agent-store.md` describes each of them.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{StoreError, room};

/// The version in `user_version`. A file with a higher one belongs to a newer agent.
pub const SCHEMA_VERSION: i64 = 1;

/// How long a connection waits for a lock before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const TABLES: &str = "
CREATE TABLE stream (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    stream_id INTEGER NOT NULL,
    next_seq  INTEGER NOT NULL,
    committed INTEGER NOT NULL,
    changes   INTEGER NOT NULL,
    clock     INTEGER NOT NULL
) STRICT;
CREATE TABLE outbox (
    seq     INTEGER PRIMARY KEY,
    created INTEGER NOT NULL,
    frame   BLOB NOT NULL
) STRICT;
CREATE TABLE keys (
    id          INTEGER PRIMARY KEY,
    edr_point   TEXT NOT NULL,
    description TEXT NOT NULL,
    last_group  INTEGER NOT NULL,
    UNIQUE (edr_point, description)
) STRICT;
CREATE TABLE events (
    id     INTEGER PRIMARY KEY,
    stored INTEGER NOT NULL,
    body   BLOB NOT NULL
) STRICT;
CREATE TABLE checkpoint (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    through INTEGER NOT NULL,
    body    BLOB NOT NULL
) STRICT;
CREATE TABLE windows (
    id     INTEGER PRIMARY KEY,
    start  INTEGER NOT NULL,
    closed INTEGER NOT NULL,
    body   BLOB NOT NULL
) STRICT;
CREATE TABLE models (
    slot      INTEGER PRIMARY KEY CHECK (slot IN (1, 2)),
    version   INTEGER NOT NULL,
    activated INTEGER NOT NULL,
    bundle    BLOB NOT NULL
) STRICT;
CREATE TABLE model_memory (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    body BLOB NOT NULL
) STRICT;
CREATE TABLE room (
    id   INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;
";

/// Opens the one writing connection. A newer file is refused before anything of it is changed.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let open = |source| StoreError::Open { path: path.to_owned(), source };
    let connection = Connection::open(path).map_err(open)?;
    configure(&connection)?;
    check_version(&connection, path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A WAL that begins anew after 1 MiB keeps its index small; it gives space back after a burst.
    connection.pragma_update(None, "wal_autocheckpoint", 256)?;
    connection.pragma_update(None, "journal_size_limit", room::LOG_BYTES.cast_signed())?;
    Ok(connection)
}

/// Opens a connection that can't write.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    if !path.exists() {
        return Err(StoreError::Missing(path.to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    configure(&connection)?;
    check_version(&connection, path)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -256)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    // The files stay, so that the next start needs neither inodes nor room for them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// Refuses a newer file, and one that is not ours. Returns whether the tables exist.
pub(super) fn check_version(connection: &Connection, path: &Path) -> Result<bool, StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found });
    }
    if found == SCHEMA_VERSION {
        return Ok(true);
    }
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 { Ok(false) } else { Err(StoreError::Foreign(path.to_owned())) }
}

/// Makes the tables, within the caller's transaction.
pub(super) fn create(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch(TABLES)?;
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    Ok(())
}

/// Reads every page and checks that the trees hold together, and that the keys are those that their index knows.
pub(super) fn check_integrity(connection: &Connection) -> Result<(), StoreError> {
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(StoreError::Corrupt(verdict)) }
}
