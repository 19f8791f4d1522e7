//! The schema: what each table holds, and by what it is spread and ordered. `docs/adr/0009-cassandra-tables.md` says
//! why.

use crate::tables::names::Names;

/// Written to `schema_info`; raised with every change a reader must know of.
pub(super) const SCHEMA_VERSION: i64 = 4;

pub(super) const INDEX: &str = "window_index";
pub(super) const BY_KEY: &str = "anomalies_by_key";
pub(super) const BUCKETS: &str = "buckets";
pub(super) const LOSSES: &str = "losses";
pub(super) const STREAM_STARTS: &str = "stream_starts";
pub(super) const MODEL_REPORTS: &str = "model_reports";
pub(super) const SET_ASIDE: &str = "set_aside";
pub(super) const AWAITED: &str = "awaited_models";
pub(super) const AIRCRAFT: &str = "aircraft";
pub(super) const STREAMS: &str = "streams";
pub(super) const GAPS: &str = "gaps";
pub(super) const MODELS: &str = "models";
pub(super) const SCHEMA_INFO: &str = "schema_info";

/// How long a row of a table lives, and how it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// As `tables.ttl_days` says.
    History,
    /// For ever: it is what the ground works with.
    State,
    /// For ever, too; and what is deleted may be forgotten within the hour, because nothing false comes of a deleted
    /// row that comes back.
    Churning,
}

/// A column's name and type.
pub(super) type Column = (&'static str, &'static str);

/// A table: its columns, and its primary key.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub name: String,
    pub columns: Vec<Column>,
    pub key: &'static str,
    pub life: Life,
}

/// A column that a table of an earlier schema lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Added {
    /// The last schema without it.
    pub after: i64,
    pub table: &'static str,
    pub column: Column,
}

/// The columns by which earlier schemas differ from ours; an older schema than any of these can't be brought to it.
pub(super) const ADDED: &[Added] = &[Added { after: 3, table: STREAMS, column: NEWEST }];

/// The partition of what is spread by hour and aircraft.
const HOUR: &[Column] = &[("hour", "timestamp"), SHARD];
/// The partition of what is spread by day and aircraft.
const DAY: &[Column] = &[("day", "date"), SHARD];
const SHARD: Column = ("shard", "tinyint");
/// The newest frame that an aircraft has told of.
const NEWEST: Column = ("newest", "bigint static");
/// What a frame leaves behind besides its window.
const FRAME: &[Column] = &[("tail", "text"), ("stream", "text"), ("seq", "bigint")];

/// A run of a stream's frames.
const RUN: &[Column] =
    &[("tail", "text"), ("stream", "text"), ("first_seq", "bigint"), ("last_seq", "bigint")];

/// The columns of [`crate::tables::TableRow`].
const ROW: &[Column] = &[
    ("tail", "text"),
    ("fault_key", "text"),
    ("start_time", "timestamp"),
    ("end_time", "timestamp"),
    ("fail", "bigint"),
    ("success", "bigint"),
    ("total", "bigint"),
    ("fail_rate", "double"),
    ("mean_rate", "double"),
    ("std_rate", "double"),
    ("z_score", "double"),
    ("anomaly_z", "int"),
    ("anomaly_iforest", "int"),
    ("anomaly_combined", "int"),
    ("edr_point", "text"),
    ("description", "text"),
    ("z_status", "text"),
    ("iforest_score", "double"),
    ("model_version", "bigint"),
];

/// A table's name, life and primary key, and groups of its columns.
type Own = (&'static str, Life, &'static str, &'static [&'static [Column]]);

/// The tables of the ground's own, beside those that hold rows of windows.
const OWN: &[Own] = &[
    (
        INDEX,
        Life::History,
        "(tail, day), start_time",
        &[&[
            ("tail", "text"),
            ("day", "date"),
            ("start_time", "timestamp"),
            ("end_time", "timestamp"),
            ("model_version", "bigint"),
            ("version", "bigint"),
            ("digest", "bigint"),
            ("points", "frozen<map<text, bigint>>"),
        ]],
    ),
    (
        BY_KEY,
        Life::History,
        "(fault_key, day), start_time, tail, edr_point, description",
        &[&[("day", "date")], ROW],
    ),
    (BUCKETS, Life::State, "kind, bucket", &[&[("kind", "text"), ("bucket", "timestamp")]]),
    (
        LOSSES,
        Life::History,
        "(day, shard), tail, until_time, stream, seq",
        &[
            DAY,
            FRAME,
            &[
                ("until_time", "timestamp"),
                ("reason", "text"),
                ("lost", "bigint"),
                ("since_time", "timestamp"),
            ],
        ],
    ),
    (
        STREAM_STARTS,
        Life::History,
        "(day, shard), tail, at_time, stream, seq",
        &[DAY, FRAME, &[("at_time", "timestamp"), ("cause", "text")]],
    ),
    (
        MODEL_REPORTS,
        Life::History,
        "(day, shard), tail, at_time, stream, seq",
        &[
            DAY,
            FRAME,
            &[
                ("at_time", "timestamp"),
                ("model_version", "bigint"),
                ("outcome", "text"),
                ("cause", "text"),
                ("back_to", "bigint"),
                ("trial_windows", "bigint"),
                ("trial_rows", "bigint"),
                ("trial_alarms", "bigint"),
                ("trial_quiet", "bigint"),
                ("trial_new_alarms", "bigint"),
            ],
        ],
    ),
    (
        SET_ASIDE,
        Life::History,
        "tail, stream, seq, digest",
        &[
            FRAME,
            &[
                ("digest", "text"),
                ("reason", "text"),
                ("model_version", "bigint"),
                ("message", "text"),
                ("at_time", "timestamp"),
                ("size", "int"),
                ("bytes", "blob"),
            ],
        ],
    ),
    (
        AWAITED,
        Life::Churning,
        "scope, model_version, tail",
        &[&[("scope", "text"), ("model_version", "bigint"), ("tail", "text"), ("noted", "timestamp")]],
    ),
    (
        AIRCRAFT,
        Life::State,
        "tail",
        &[&[
            ("tail", "text"),
            ("last_contact", "timestamp"),
            ("online", "boolean"),
            ("release", "text"),
            ("model_version", "bigint"),
            ("stream", "text"),
            ("cohort", "text"),
            ("next_contact", "timestamp"),
        ]],
    ),
    (
        STREAMS,
        Life::Churning,
        "(tail, stream), first_seq",
        &[
            &[
                ("oldest", "bigint static"),
                NEWEST,
                ("settled", "bigint static"),
                ("updated", "timestamp static"),
            ],
            RUN,
        ],
    ),
    (GAPS, Life::State, "(tail, stream), first_seq", &[RUN, &[("noticed", "timestamp")]]),
    (
        MODELS,
        Life::State,
        "model_version",
        &[&[("model_version", "bigint"), ("cohort", "text"), ("bundle", "blob")]],
    ),
    (SCHEMA_INFO, Life::State, "name", &[&[("name", "text"), ("version", "bigint")]]),
];

/// All tables; `schema_info` last, so that where it is, the others are.
pub(super) fn definitions(names: &Names) -> Vec<Definition> {
    let rows = names.row_tables().map(|name| Definition {
        name: name.to_owned(),
        columns: [HOUR, ROW].concat(),
        key: "(hour, shard), tail, start_time, edr_point, description",
        life: Life::History,
    });
    let own = OWN.iter().map(|&(name, life, key, columns)| Definition {
        name: name.to_owned(),
        columns: columns.concat(),
        key,
        life,
    });
    rows.chain(own).collect()
}

impl Definition {
    /// The statement that makes it; `{}` stands for the keyspace.
    pub fn create(&self, ttl_days: u32) -> String {
        let columns: Vec<_> = self.columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
        let mut options = Vec::new();
        if self.life == Life::History && ttl_days > 0 {
            options.push(format!("default_time_to_live = {}", self.ttl_seconds(ttl_days)));
            // Files of one age go as a whole when their rows' time is over. Some thirty of them are kept.
            let days = (ttl_days / 30).max(1);
            options.push(format!(
                "compaction = {{'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'DAYS', \
                 'compaction_window_size': {days}}}"
            ));
        }
        if self.life == Life::Churning {
            options.push("gc_grace_seconds = 3600".to_owned());
        }
        let options =
            if options.is_empty() { String::new() } else { format!(" WITH {}", options.join(" AND ")) };
        format!(
            "CREATE TABLE IF NOT EXISTS {{}}.\"{}\" ({}, PRIMARY KEY ({})){options}",
            self.name,
            columns.join(", "),
            self.key
        )
    }

    /// What `default_time_to_live` is to be.
    pub fn ttl_seconds(&self, ttl_days: u32) -> i32 {
        let seconds = i64::from(ttl_days) * 86_400;
        if self.life == Life::History { i32::try_from(seconds).unwrap_or(i32::MAX) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::TablesConfig;
    use crate::tables::TableRow;

    fn all() -> Vec<Definition> {
        definitions(&Names::check(&TablesConfig::default()).expect("names"))
    }

    #[test]
    fn tables_of_rows_have_the_columns_of_a_row() {
        assert!(ROW.iter().map(|(name, _)| *name).eq(TableRow::COLUMNS));
    }

    #[test]
    fn no_table_has_a_column_twice() {
        for definition in all() {
            let names: BTreeSet<_> = definition.columns.iter().map(|(name, _)| *name).collect();
            assert_eq!(names.len(), definition.columns.len(), "{definition:?}");
        }
    }

    #[test]
    fn no_two_tables_share_a_name_and_anomaly_tables_can_have_none_of_the_grounds_own() {
        for definition in &all() {
            let same = all().iter().filter(|other| other.name == definition.name).count();
            assert_eq!(same, 1, "{}", definition.name);
        }
        for (own, ..) in OWN {
            let config = TablesConfig { iforest_all: (*own).to_owned(), ..TablesConfig::default() };
            assert!(Names::check(&config).is_err(), "{own}");
        }
    }

    #[test]
    fn only_history_has_an_end() {
        for definition in all() {
            let ends = definition.create(30).contains("default_time_to_live = 2592000");
            assert_eq!(ends, definition.life == Life::History, "{}", definition.name);
            assert!(!definition.create(0).contains("default_time_to_live"));
        }
    }
}
