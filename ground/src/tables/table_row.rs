//! A row as the tables hold it, column by column.

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::Alarms;
use cabinwatch_shared::zscore::ZStatus;

use super::{Cell, ScoredRow, ScoredWindow};

/// One row of an anomaly table, or of `windows`. What a column's value is, `docs/tables.md` says.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRow {
    /// The aircraft.
    pub tail: Tail,
    /// First second of the window.
    pub start: UnixSeconds,
    /// First second after the window.
    pub end: UnixSeconds,
    /// Where in the journey.
    pub edr_point: String,
    /// What failed.
    pub description: String,
    /// Failures and successes; `total` follows from them.
    pub counts: Counts,
    /// In percent, rounded to two decimals.
    pub fail_rate: f64,
    /// Mean of the key's rates in training, in percent.
    pub mean_rate: Option<f64>,
    /// Their sample standard deviation, in percent.
    pub std_rate: Option<f64>,
    /// Standard deviations above the mean.
    pub z_score: Option<f64>,
    /// Why there is a z score or none.
    pub z_status: ZStatus,
    /// The forest's `score_samples`.
    pub iforest_score: Option<f64>,
    /// Which detectors alarm.
    pub alarms: Alarms,
    /// The model the scores come from; 0 for none.
    pub model_version: ModelVersion,
}

impl TableRow {
    /// The columns, in the order of the tables and of every export.
    pub const COLUMNS: [&'static str; 19] = [
        "tail",
        "fault_key",
        "start_time",
        "end_time",
        "fail",
        "success",
        "total",
        "fail_rate",
        "mean_rate",
        "std_rate",
        "z_score",
        "anomaly_z",
        "anomaly_iforest",
        "anomaly_combined",
        "edr_point",
        "description",
        "z_status",
        "iforest_score",
        "model_version",
    ];

    /// The row a scored row becomes; none where nothing was attempted, which no stored row is.
    #[must_use]
    pub fn of(window: &ScoredWindow, row: &ScoredRow) -> Option<Self> {
        let statistics = row.verdict.statistics;
        Some(Self {
            tail: window.tail.clone(),
            start: window.window.start(),
            end: window.window.end(),
            edr_point: row.edr_point.clone(),
            description: row.description.clone(),
            counts: row.counts,
            fail_rate: row.counts.rate()?.percent(),
            mean_rate: statistics.map(|statistics| statistics.mean_rate),
            std_rate: statistics.and_then(|statistics| statistics.std_rate),
            z_score: row.verdict.z.value(),
            z_status: row.verdict.z.status(),
            iforest_score: row.verdict.forest.map(|score| score.0),
            alarms: row.verdict.alarms,
            model_version: window.model,
        })
    }

    /// The row's fault key.
    #[must_use]
    pub fn key(&self) -> FaultKey<'_> {
        FaultKey { edr_point: &self.edr_point, description: &self.description }
    }

    /// The values of [`Self::COLUMNS`].
    #[must_use]
    pub fn cells(&self) -> [Cell; 19] {
        let flag = |alarm: bool| Cell::Integer(i64::from(alarm));
        [
            Cell::text(&self.tail),
            Cell::text(self.key()),
            Cell::text(self.start),
            Cell::text(self.end),
            Cell::count(self.counts.fail),
            Cell::count(self.counts.success),
            Cell::count(self.counts.total()),
            Cell::Real(self.fail_rate),
            Cell::real(self.mean_rate),
            Cell::real(self.std_rate),
            Cell::real(self.z_score),
            flag(self.alarms.z),
            flag(self.alarms.forest),
            flag(self.alarms.any()),
            Cell::text(&self.edr_point),
            Cell::text(&self.description),
            Cell::text(self.z_status.as_str()),
            Cell::real(self.iforest_score),
            Cell::Integer(i64::from(self.model_version.0)),
        ]
    }
}
