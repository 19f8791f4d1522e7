//! The ground: ingest as a child process, and the rows it leaves in the database.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::process::Process;
use crate::program::ground;

/// The tables of anomalies.
pub const SIX_TABLES: [&str; 6] =
    ["combined_all", "combined_repeated", "zscore_all", "zscore_repeated", "iforest_all", "iforest_repeated"];

/// Failures of one key in one window of one aircraft: (tail, start, point, description).
pub type FaultId = (String, String, String, String);

/// What the ground's tables hold of what was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Failures by their identity.
    pub failures: BTreeMap<FaultId, i64>,
    /// Successes by (tail, window start, point); only points with any.
    pub successes: BTreeMap<(String, String, String), i64>,
    /// Lost events and frames by reason.
    pub losses: BTreeMap<String, i64>,
    /// Runs of frames that never came.
    pub gaps: i64,
    /// Frames and messages that were set aside.
    pub set_aside: i64,
    /// Streams: one for each database an agent had.
    pub streams: i64,
}

/// `cabinwatch-ground ingest` with a database of its own.
#[derive(Debug)]
pub struct Ground {
    folder: PathBuf,
    /// `cabinwatch-ground ingest`.
    pub ingest: Process,
}

impl Ground {
    /// An ingest process with a SQLite database of its own; nothing runs yet.
    ///
    /// # Panics
    /// When the configuration cannot be written.
    #[must_use]
    pub fn new(folder: &Path, broker: &str) -> Self {
        Self::with_access(folder, broker, "")
    }

    /// The same, for a broker that asks who we are: `access` is TOML with further keys of `[broker]`.
    ///
    /// # Panics
    /// When the configuration cannot be written.
    #[must_use]
    pub fn with_access(folder: &Path, broker: &str, access: &str) -> Self {
        let tables = format!("[tables]\nurl = \"sqlite://{}/tables.db\"\n", folder.display());
        Self::with_sections(folder, &format!("url = \"{broker}\"\n{access}{tables}"), "")
    }

    /// One with these sections `[tables]`, and these further keys of `[ingest]`.
    ///
    /// # Panics
    /// When the configuration cannot be written.
    #[must_use]
    pub fn with_tables(folder: &Path, broker: &str, tables: &str, ingest: &str) -> Self {
        Self::with_sections(folder, &format!("url = \"{broker}\"\n{tables}"), ingest)
    }

    fn with_sections(folder: &Path, broker_and_tables: &str, ingest: &str) -> Self {
        fs::create_dir_all(folder).expect("the folder can be made");
        let ground = Self::in_folder(folder, "ingest.log");
        let config = format!(
            "[broker]\n{broker_and_tables}[model]\ndir = \"{0}/model\"\n\
             [ingest]\narchive = \"file://{0}/archive\"\n{ingest}",
            folder.display()
        );
        fs::write(ground.config(), config).expect("the configuration can be written");
        ground
    }

    fn in_folder(folder: &Path, log: &str) -> Self {
        let mut command = ground(["ingest", "--config"]);
        command.arg(folder.join("ground.toml"));
        Self { folder: folder.to_owned(), ingest: Process::new(command, &folder.join(log)) }
    }

    /// The same, sharing the messages with all others of the group `ground`.
    #[must_use]
    pub fn sharing(mut self) -> Self {
        self.ingest.add_arguments(&["--share", "ground"]);
        self
    }

    /// Another ingest process on the same configuration and database, with a log of its own; it does not run yet.
    #[must_use]
    pub fn another(&self, number: usize) -> Self {
        Self::in_folder(&self.folder, &format!("ingest-{number}.log"))
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.join("ground.toml")
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.folder.join("tables.db")
    }

    /// The database, to read; none while it does not exist yet.
    #[must_use]
    pub fn open(&self) -> Option<Connection> {
        let connection =
            Connection::open_with_flags(self.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        connection.busy_timeout(Duration::from_secs(10)).ok()?;
        Some(connection)
    }

    /// Failures by their identity.
    ///
    /// # Errors
    /// While the tables do not exist yet.
    pub fn failures(&self) -> rusqlite::Result<BTreeMap<FaultId, i64>> {
        let sql = "SELECT tail, start_time, edr_point, description, fail FROM windows";
        self.query(sql, |row| Ok(((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?), row.get(4)?)))
    }

    /// Successes by (tail, window start, point).
    ///
    /// # Errors
    /// While the tables do not exist yet.
    pub fn successes(&self) -> rusqlite::Result<BTreeMap<(String, String, String), i64>> {
        let sql = "SELECT tail, start_time, edr_point, success FROM points WHERE success > 0";
        self.query(sql, |row| Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?)))
    }

    /// Lost events and frames by reason.
    ///
    /// # Errors
    /// While the tables do not exist yet.
    pub fn losses(&self) -> rusqlite::Result<BTreeMap<String, i64>> {
        self.query("SELECT reason, sum(lost) FROM losses GROUP BY reason", |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    }

    /// All of it.
    ///
    /// # Errors
    /// While the tables do not exist yet.
    pub fn stored(&self) -> rusqlite::Result<Stored> {
        let count = |table| self.number(&format!("SELECT count(*) FROM {table}"));
        Ok(Stored {
            failures: self.failures()?,
            successes: self.successes()?,
            losses: self.losses()?,
            gaps: count("gaps")?,
            set_aside: count("set_aside")?,
            streams: count("streams")?,
        })
    }

    /// One number.
    ///
    /// # Errors
    /// While the tables do not exist yet.
    pub fn number(&self, sql: &str) -> rusqlite::Result<i64> {
        let connection = self.open().ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        connection.query_row(sql, [], |row| row.get(0))
    }

    fn query<K: Ord, V>(
        &self,
        sql: &str,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<(K, V)>,
    ) -> rusqlite::Result<BTreeMap<K, V>> {
        let connection = self.open().ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        let mut statement = connection.prepare(sql)?;
        statement.query_map([], read)?.collect()
    }
}
