//! What can go wrong with the database.

use std::path::PathBuf;

use rusqlite::{ErrorCode, ffi};

use super::room;
use super::schema::SCHEMA_VERSION;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no file where a reader looked for one.
    #[error("there is no database at {}: has the agent run with this configuration?", .0.display())]
    Missing(PathBuf),
    /// The file can't be opened or made.
    #[error("cannot open the database {}: {source}; its folder must exist and be writable for this user", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A newer agent has written it.
    #[error("the database {} has schema {found}, this agent reads up to {SCHEMA_VERSION}: install the newer agent again, or move the file away to start anew", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
    },
    /// Some other program's database.
    #[error("{} is a database, but not this agent's: set `store.path` to another file", .0.display())]
    Foreign(PathBuf),
    /// Its contents contradict themselves.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// A damaged file could not be moved away.
    #[error("the damaged database {} cannot be set aside: {source}", path.display())]
    SetAside {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another agent runs on it.
    #[error("another agent holds {}: only one may run on a database", .0.display())]
    Busy(PathBuf),
    /// The file that keeps a second agent away can't be made.
    #[error("cannot make the lock file {}: {source}; its folder must exist and be writable for this user", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gives no random number for a new stream's name.
    #[error("the system gives no random number for the name of a new stream: {0}")]
    Random(String),
    /// Anything else SQLite reports.
    #[error("the database reports: {0}")]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // Only damage makes a row ours that breaks a rule of ours, or hides a table that was there.
            Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::Unknown,
            )
            // A value of another type than the one that was written.
            | None => Self::Corrupt(error.to_string()),
            Some(_) => Self::Sqlite(error),
        }
    }
}

impl StoreError {
    /// A value that no agent writes.
    pub(crate) fn garbled(what: &'static str) -> Self {
        Self::Corrupt(format!("{what} does not decode"))
    }

    /// Whether there is no room, on the disk or in the file. Then the change did not take place.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Sqlite(error) if room::is_full(error))
    }

    /// Whether the disk does not give back what was written.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        const READ_ERRORS: [i32; 3] =
            [ffi::SQLITE_IOERR_READ, ffi::SQLITE_IOERR_SHORT_READ, ffi::SQLITE_IOERR_CORRUPTFS];
        let Self::Sqlite(rusqlite::Error::SqliteFailure(error, _)) = self else { return false };
        READ_ERRORS.contains(&error.extended_code)
    }

    /// Whether only a new file helps.
    #[must_use]
    pub const fn is_corrupt(&self) -> bool {
        matches!(self, Self::Corrupt(_))
    }
}
