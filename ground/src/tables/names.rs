//! What tables are called.

use super::{Table, TablesError};
use crate::config::TablesConfig;

/// All scored rows, anomalous or not.
pub(super) const WINDOWS: &str = "windows";

/// What both SQLite and Cassandra take for a table, with room to spare.
const MAX_NAME_BYTES: usize = 48;

/// Tables of the ground's own in one database or the other, whose names no anomaly table may have.
const OWN: [&str; 16] = [
    WINDOWS,
    "window_index",
    "points",
    "anomalies_by_key",
    "buckets",
    "aircraft",
    "streams",
    "received",
    "losses",
    "gaps",
    "stream_starts",
    "model_reports",
    "set_aside",
    "awaited_models",
    "models",
    "schema_info",
];

/// What the six anomaly tables are called in a database. Plain identifiers, so they can stand in a statement.
#[derive(Clone, Debug)]
pub(super) struct Names([String; 6]);

impl Names {
    pub fn check(config: &TablesConfig) -> Result<Self, TablesError> {
        let names = Table::ALL.map(|table| configured(config, table).to_owned());
        for (place, (table, name)) in Table::ALL.iter().zip(&names).enumerate() {
            let taken = names[..place].iter().map(String::as_str).chain(OWN);
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

/// Whether a name needs no quotes in a statement and belongs to no database itself.
pub(super) fn is_identifier(name: &str) -> bool {
    let starts_well = name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    let reserved = name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"));
    starts_well
        && !reserved
        && name.len() <= MAX_NAME_BYTES
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Result<Names, TablesError> {
        Names::check(&TablesConfig { iforest_all: name.to_owned(), ..TablesConfig::default() })
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
