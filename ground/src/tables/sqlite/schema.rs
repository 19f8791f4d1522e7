//! The schema, and the names in it.

use rusqlite::{Connection, TransactionBehavior};

use crate::tables::TableRow;
use crate::tables::names::Names;

/// Written to `user_version`; raised with every change a reader must know of.
pub(super) const SCHEMA_VERSION: i64 = 2;

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
    use crate::config::TablesConfig;
    use crate::tables::Table;

    #[test]
    fn the_schema_has_the_columns_of_a_row_in_their_order() {
        let mut connection = Connection::open_in_memory().expect("a database");
        create(&mut connection, &Names::check(&TablesConfig::default()).expect("names")).expect("created");
        for table in Table::ALL {
            let statement = connection.prepare(&format!("SELECT * FROM {table}")).expect("a table");
            assert!(statement.column_names().eq(TableRow::COLUMNS));
        }
    }
}
