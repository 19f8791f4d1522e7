//! The schema, and the names in it.

use rusqlite::{Connection, TransactionBehavior};

use crate::tables::TableRow;
use crate::tables::names::Names;

/// Written to `user_version`; raised with every change a reader must know of.
pub(super) const SCHEMA_VERSION: i64 = 5;

/// What brings a database from a schema to the next one, with the number of the former. Tables that are new in the next
/// need no step.
const STEPS: [(i64, &str); 1] = [(4, "ALTER TABLE streams ADD COLUMN newest INTEGER NOT NULL DEFAULT 0")];

/// A table of the ground's own: its name, groups of columns, and its primary key.
type Own = (&'static str, &'static [&'static str], &'static str);

const WINDOW: &str = "tail TEXT NOT NULL, start_time TEXT NOT NULL";
const STREAM: &str = "tail TEXT NOT NULL, stream TEXT NOT NULL";
const RUN: &str = "first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL";
const FRAME: &str = "tail TEXT NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL";

/// The tables beside those that hold rows of windows.
const OWN: [Own; 9] = [
    (
        "window_index",
        &[WINDOW, "end_time TEXT NOT NULL, model_version INTEGER NOT NULL, version INTEGER NOT NULL"],
        "tail, start_time",
    ),
    ("points", &[WINDOW, "edr_point TEXT NOT NULL, success INTEGER NOT NULL"], "tail, start_time, edr_point"),
    (
        "aircraft",
        &[
            "tail TEXT NOT NULL, last_contact TEXT, online INTEGER, release TEXT, model_version INTEGER",
            "stream TEXT, cohort TEXT, next_contact TEXT",
        ],
        "tail",
    ),
    (
        "streams",
        &[
            STREAM,
            "committed INTEGER NOT NULL, settled INTEGER NOT NULL, updated TEXT NOT NULL",
            "newest INTEGER NOT NULL DEFAULT 0",
        ],
        "tail, stream",
    ),
    ("received", &[STREAM, RUN], "tail, stream, first_seq"),
    ("gaps", &[STREAM, RUN, "noticed TEXT NOT NULL"], "tail, stream, first_seq"),
    (
        "losses",
        &[
            FRAME,
            "reason TEXT NOT NULL, lost INTEGER NOT NULL",
            "since_time TEXT NOT NULL, until_time TEXT NOT NULL",
        ],
        "tail, stream, seq",
    ),
    ("stream_starts", &[FRAME, "cause TEXT NOT NULL, at_time TEXT NOT NULL"], "tail, stream, seq"),
    (
        "model_reports",
        &[
            FRAME,
            "model_version INTEGER NOT NULL, outcome TEXT NOT NULL, at_time TEXT NOT NULL, cause TEXT",
            "back_to INTEGER, trial_windows INTEGER, trial_rows INTEGER, trial_alarms INTEGER",
            "trial_quiet INTEGER, trial_new_alarms INTEGER",
        ],
        "tail, stream, seq",
    ),
];

/// Those with large values, which SQLite keeps better in tables with a row id. By it, what was set aside has an order.
const WITH_ROW_ID: &str = "
CREATE TABLE IF NOT EXISTS set_aside (
    tail TEXT NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL, digest TEXT NOT NULL, reason TEXT NOT NULL,
    model_version INTEGER, message TEXT NOT NULL, at_time TEXT NOT NULL, bytes BLOB NOT NULL,
    UNIQUE (tail, stream, seq, digest)
);
-- What waits for a model is asked for every few seconds, and there may be much that does not.
CREATE INDEX IF NOT EXISTS set_aside_awaiting ON set_aside (model_version) WHERE model_version IS NOT NULL;
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
    model_version INTEGER NOT NULL";
const ROW_KEY: &str = "tail, start_time, edr_point, description";

/// The schema version a database has; none for a new one.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    // In one transaction: between two, another process may make the tables.
    let transaction = connection.unchecked_transaction()?;
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let objects: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok((version != 0 || objects != 0).then_some(version))
}

/// Whether [`create`] can bring a database of this schema to ours.
pub(super) fn can_step_from(version: i64) -> bool {
    STEPS.iter().any(|(from, _)| *from == version)
}

/// Brings the tables of an earlier schema to ours, and makes those that are not there yet: all of them in a new database,
/// renamed ones in an old one.
pub(super) fn create(connection: &mut Connection, names: &Names) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Asked again: another process may have done it meanwhile.
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for (_, step) in STEPS.iter().filter(|(from, _)| version > 0 && *from >= version) {
        transaction.execute_batch(step)?;
    }
    let rows = names.row_tables().map(|table| (table, ROW_COLUMNS.to_owned(), ROW_KEY));
    let own = OWN.iter().map(|(name, columns, key)| (*name, columns.join(", "), *key));
    for (table, columns, key) in rows.chain(own) {
        transaction.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS \"{table}\" ({columns}, PRIMARY KEY ({key})) WITHOUT ROWID"
        ))?;
    }
    transaction.execute_batch(WITH_ROW_ID)?;
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

    fn created() -> Connection {
        let mut connection = Connection::open_in_memory().expect("a database");
        create(&mut connection, &Names::check(&TablesConfig::default()).expect("names")).expect("created");
        connection
    }

    #[test]
    fn the_schema_has_the_columns_of_a_row_in_their_order() {
        let connection = created();
        for table in Table::ALL {
            let statement = connection.prepare(&format!("SELECT * FROM {table}")).expect("a table");
            assert!(statement.column_names().eq(TableRow::COLUMNS));
        }
    }

    #[test]
    fn anomaly_tables_can_have_no_name_of_the_grounds_own() {
        let connection = created();
        let mut tables =
            connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").expect("SQL");
        let tables = tables.query_map([], |row| row.get::<_, String>(0)).expect("tables");
        let anomalies = Table::ALL.map(Table::as_str);
        for own in tables.map(|name| name.expect("a name")).filter(|name| !anomalies.contains(&name.as_str()))
        {
            let config = TablesConfig { iforest_all: own.clone(), ..TablesConfig::default() };
            assert!(Names::check(&config).is_err(), "{own}");
        }
    }
}
