//! What can go wrong with the tables.

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_tls::TlsError;

/// Why the tables can't be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum TablesError {
    /// The URL is none, or of a kind this program has no tables for.
    #[error("tables URL: {0}; expected sqlite:///path/to/tables.db or cassandra://host[:port]/keyspace")]
    Url(String),
    /// A configured table name that is no plain identifier.
    #[error(
        "tables.{setting} = \"{name}\": a table's name is 1 to 48 letters, digits or '_', does not start with a digit, is not one the ground uses itself, and differs from the others'"
    )]
    Name {
        /// The setting.
        setting: &'static str,
        /// The name.
        name: String,
    },
    /// A setting of the tables that can't be used.
    #[error("setting `{setting}`: {message}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// A file for TLS can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There are no tables yet, and they are not made on the way.
    #[error("there are no tables in {place}: make them with `cabinwatch-ground tables init`")]
    NotMade {
        /// The database.
        place: String,
    },
    /// The database is there but can't be opened.
    #[error("cannot open the tables in {place}: {message}")]
    Open {
        /// The database.
        place: String,
        /// What the system said.
        message: String,
    },
    /// There is a table of this name that is none of ours.
    #[error("table {table} in {place}: {message}; give our tables another name or place")]
    Foreign {
        /// The database.
        place: String,
        /// The table.
        table: String,
        /// What is otherwise.
        message: String,
    },
    /// The database is damaged.
    #[error(
        "the tables in {place} are damaged ({message}); move the file away (a new one is made) or restore a copy"
    )]
    Corrupt {
        /// The database.
        place: String,
        /// What is damaged.
        message: String,
    },
    /// The database was made by another release.
    #[error("the tables in {place} have schema {found}; this program reads schema {expected}")]
    Schema {
        /// The database.
        place: String,
        /// Its schema.
        found: i64,
        /// Ours.
        expected: i64,
    },
    /// The database was made by an earlier release, and can be brought to this one.
    #[error(
        "the tables in {place} have schema {found}, of an earlier release; to bring them to schema {expected}, {remedy}"
    )]
    Outdated {
        /// The database.
        place: String,
        /// Its schema.
        found: i64,
        /// Ours.
        expected: i64,
        /// What to do.
        remedy: &'static str,
    },
    /// An operation failed; it may work later.
    #[error("the tables in {place}: cannot {action}: {message}")]
    Failed {
        /// The database.
        place: String,
        /// What was tried.
        action: &'static str,
        /// What the database said.
        message: String,
    },
    /// A value that no column can hold.
    #[error("cannot store {what}: {value} is beyond what a column holds")]
    Value {
        /// What.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// The database's client needs a runtime that the system does not give.
    #[error("cannot start the threads of the tables' client: {0}")]
    Threads(#[from] std::io::Error),
    /// Another bundle is already known under the same version.
    #[error(
        "model version {} is already known with other bytes; versions only go up, so retrain to get the next one",
        .0.0
    )]
    ModelConflict(ModelVersion),
}

impl TablesError {
    /// Whether it is the call or the configuration that is wrong.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Url(_) | Self::Name { .. } | Self::Setting { .. } | Self::Tls(_))
    }
}
