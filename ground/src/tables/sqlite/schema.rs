//! The schema, and the names in it.

use rusqlite::{Connection, TransactionBehavior};

use crate::config::TablesConfig;
use crate::tables::{Table, TableRow, TablesError};

/// Written to `user_version`; raised with every change a reader must know of.
pub(super) const SCHEMA_VERSION: i64 = 2;

/// All scored rows, anomalous or not.
pub(super) const WINDOWS: &str = "windows";

const MAX_NAME_BYTES: usize = 48;

/// Tables of the ground's own, whose names no anomaly table may have.
const OWN: [&str; 11] = [
    WINDOWS,
    "window_index",
    "points",
    "aircraft",
    "streams",
    "received",
    "losses",
    "gaps",
    "stream_starts",
    "model_reports",
    "models",
];

const OWN_TABLES: &str = "
CREATE TABLE IF NOT EXISTS window_index (
    tail TEXT NOT NULL, start_time TEXT NOT NULL, end_time TEXT NOT NULL, model_version INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (tail, start_time)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS points (
    tail TEXT NOT NULL, start_time TEXT NOT NULL, edr_point TEXT NOT NULL, success INTEGER NOT NULL,
    PRIMARY KEY (tail, start_time, edr_point)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS aircraft (
    tail TEXT PRIMARY KEY NOT NULL, last_contact TEXT, online INTEGER, release TEXT, model_version INTEGER,
    stream TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS streams (
    tail TEXT NOT NULL, stream TEXT NOT NULL, committed INTEGER NOT NULL, settled INTEGER NOT NULL,
    updated TEXT NOT NULL,
    PRIMARY KEY (tail, stream)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS received (
    tail TEXT NOT NULL, stream TEXT NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
    PRIMARY KEY (tail, stream, first_seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gaps (
    tail TEXT NOT NULL, stream TEXT NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
    noticed TEXT NOT NULL,
    PRIMARY KEY (tail, stream, first_seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS losses (
    tail TEXT NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL, reason TEXT NOT NULL,
    lost INTEGER NOT NULL, since_time TEXT NOT NULL, until_time TEXT NOT NULL,
    PRIMARY KEY (tail, stream, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stream_starts (
    tail TEXT NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL, cause TEXT NOT NULL, at_time TEXT NOT NULL,
    PRIMARY KEY (tail, stream, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS model_reports (
    tail TEXT NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL, model_version INTEGER NOT NULL,
    outcome TEXT NOT NULL, at_time TEXT NOT NULL,
    PRIMARY KEY (tail, stream, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS set_aside (
    tail TEXT NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL, digest TEXT NOT NULL, reason TEXT NOT NULL,
    model_version INTEGER, message TEXT NOT NULL, at_time TEXT NOT NULL, bytes BLOB NOT NULL,
    UNIQUE (tail, stream, seq, digest)
);
CREATE TABLE IF NOT EXISTS models (
    model_version INTEGER PRIMARY KEY NOT NULL, cohort TEXT NOT NULL, bundle BLOB NOT NULL
);
";

/// The columns of [`TableRow::COLUMNS`] with their types.
const ROW_COLUMNS: &str = "
    tail TEXT NOT NULL, fault_key TEXT NOT NULL, start_time TEXT NOT NULL, end_time TEXT NOT NULL,
    fail INTEGER NOT NULL, success INTEGER NOT NULL, total INTEGER NOT NULL, fail_rate REAL NOT NULL,
    mean_rate REAL, std_rate REAL, z_score REAL,
    anomaly_z INTEGER NOT NULL, anomaly_iforest INTEGER NOT NULL, anomaly_combined INTEGER NOT NULL,
    edr_point TEXT NOT NULL, description TEXT NOT NULL, z_status TEXT NOT NULL, iforest_score REAL,
    model_version INTEGER NOT NULL,
    PRIMARY KEY (tail, start_time, edr_point, description)";

/// What the six anomaly tables are called in this database. Plain identifiers, so they can stand in a statement.
#[derive(Clone, Debug)]
pub(super) struct Names([String; 6]);

impl Names {
    pub fn check(config: &TablesConfig) -> Result<Self, TablesError> {
        let names = Table::ALL.map(|table| configured(config, table).to_owned());
        for (place, (table, name)) in Table::ALL.iter().zip(&names).enumerate() {
            let taken = names[..place].iter().map(String::as_str).chain(OWN).chain(["set_aside"]);
            let unique = taken.into_iter().all(|other| !other.eq_ignore_ascii_case(name));
            if !(is_identifier(name) && unique) {
                return Err(TablesError::Name { setting: table.as_str(), name: name.clone() });
            }
        }
        Ok(Self(names))
    }

    pub fn of(&self, table: Table) -> &str {
        let [combined_all, combined_repeated, zscore_all, zscore_repeated, iforest_all, iforest_repeated] =
            &self.0;
        match table {
            Table::CombinedAll => combined_all,
            Table::CombinedRepeated => combined_repeated,
            Table::ZscoreAll => zscore_all,
            Table::ZscoreRepeated => zscore_repeated,
            Table::IforestAll => iforest_all,
            Table::IforestRepeated => iforest_repeated,
        }
    }

    /// Every table that holds rows of windows.
    pub fn row_tables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str).chain([WINDOWS])
    }
}

fn configured(config: &TablesConfig, table: Table) -> &str {
    match table {
        Table::CombinedAll => &config.combined_all,
        Table::CombinedRepeated => &config.combined_repeated,
        Table::ZscoreAll => &config.zscore_all,
        Table::ZscoreRepeated => &config.zscore_repeated,
        Table::IforestAll => &config.iforest_all,
        Table::IforestRepeated => &config.iforest_repeated,
    }
}

fn is_identifier(name: &str) -> bool {
    let starts_well = name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    let reserved = name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"));
    starts_well
        && !reserved
        && name.len() <= MAX_NAME_BYTES
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The schema version a database has; none for a new one.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok((version != 0 || objects != 0).then_some(version))
}

/// Makes the tables that are not there yet: all of them in a new database, renamed ones in an old one.
pub(super) fn create(connection: &mut Connection, names: &Names) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(OWN_TABLES)?;
    for table in names.row_tables() {
        transaction.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS \"{table}\" ({ROW_COLUMNS}) WITHOUT ROWID"
        ))?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// The columns of a row, for SELECT and INSERT.
pub(super) fn row_columns() -> String {
    TableRow::COLUMNS.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Result<Names, TablesError> {
        Names::check(&TablesConfig { iforest_all: name.to_owned(), ..TablesConfig::default() })
    }

    #[test]
    fn the_schema_has_the_columns_of_a_row_in_their_order() {
        let mut connection = Connection::open_in_memory().expect("a database");
        create(&mut connection, &Names::check(&TablesConfig::default()).expect("names")).expect("created");
        for table in Table::ALL {
            let statement = connection.prepare(&format!("SELECT * FROM {table}")).expect("a table");
            assert!(statement.column_names().eq(TableRow::COLUMNS));
        }
    }

    #[test]
    fn a_name_that_could_change_a_statement_is_refused() {
        assert!(named("wifi_anomalies_2").is_ok());
        for name in [
            "",
            "1st",
            "a b",
            "a\"; DROP TABLE points; --",
            "tablo_ğ",
            "sqlite_x",
            "SQLITE_X",
            &"a".repeat(49),
        ] {
            assert!(matches!(named(name), Err(TablesError::Name { setting: "iforest_all", .. })), "{name:?}");
        }
    }

    #[test]
    fn two_tables_of_one_name_are_refused() {
        assert!(named("Combined_All").is_err());
        assert!(named("points").is_err());
        assert!(named("set_aside").is_err());
    }
}
