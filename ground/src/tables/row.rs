//! What the tables hold: scored rows.

use std::fmt;

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::{Alarms, Verdict};
use cabinwatch_shared::window::Window;
use cabinwatch_shared::wire::FrameSeq;

/// One fault key in one window of one aircraft, scored. Its identity is (tail, window start, point, description).
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredRow {
    /// Where in the journey.
    pub edr_point: String,
    /// What failed.
    pub description: String,
    /// Failures, and the point's successes.
    pub counts: Counts,
    /// Scores and alarms.
    pub verdict: Verdict,
}

impl ScoredRow {
    /// The row's fault key.
    #[must_use]
    pub fn key(&self) -> FaultKey<'_> {
        FaultKey { edr_point: &self.edr_point, description: &self.description }
    }
}

/// Which of two writes of one window is the newer: the higher one stays, whichever comes last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WindowVersion(pub i64);

impl WindowVersion {
    /// Of a window that an aircraft sent: the end of the window in microseconds, and the frame's number on top, so
    /// that a replay of the same frame has the same version wherever and whenever it happens.
    #[must_use]
    pub fn of_frame(end: UnixSeconds, seq: FrameSeq) -> Self {
        let seq = i64::try_from(seq.0).unwrap_or(i64::MAX);
        Self(end.0.saturating_mul(1_000_000).saturating_add(seq))
    }

    /// Of windows that a batch run made: the run's time, since a later run has read more.
    #[must_use]
    pub fn of_run(at: UnixSeconds) -> Self {
        Self(at.0.saturating_mul(1_000_000))
    }
}

/// One window of one aircraft with all its rows: the unit that is stored, and replaced, as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredWindow {
    /// The aircraft; [`Tail::fleet`] for EDR files, which do not tell.
    pub tail: Tail,
    /// The window.
    pub window: Window,
    /// The model the verdicts come from; 0 for none.
    pub model: ModelVersion,
    /// Whether it takes the place of what is stored.
    pub version: WindowVersion,
    /// Rows with at least one failure.
    pub rows: Vec<ScoredRow>,
    /// Successful attempts by point, also of points where nothing failed.
    pub points: Vec<(String, u64)>,
}

/// The six anomaly tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Any alarm.
    CombinedAll,
    /// Both alarms.
    CombinedRepeated,
    /// The z score alarms.
    ZscoreAll,
    /// The z score alarms and the forest confirms.
    ZscoreRepeated,
    /// The forest alarms.
    IforestAll,
    /// The forest alarms and the z score confirms.
    IforestRepeated,
}

impl Table {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::CombinedAll,
        Self::CombinedRepeated,
        Self::ZscoreAll,
        Self::ZscoreRepeated,
        Self::IforestAll,
        Self::IforestRepeated,
    ];

    /// The documented name; what it is called in a database can be configured.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CombinedAll => "combined_all",
            Self::CombinedRepeated => "combined_repeated",
            Self::ZscoreAll => "zscore_all",
            Self::ZscoreRepeated => "zscore_repeated",
            Self::IforestAll => "iforest_all",
            Self::IforestRepeated => "iforest_repeated",
        }
    }

    /// Whether a row with these alarms belongs in the table.
    #[must_use]
    pub const fn holds(self, alarms: Alarms) -> bool {
        match self {
            Self::CombinedAll => alarms.any(),
            Self::CombinedRepeated | Self::ZscoreRepeated | Self::IforestRepeated => alarms.confirmed(),
            Self::ZscoreAll => alarms.z,
            Self::IforestAll => alarms.forest,
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_holds_what_its_name_says() {
        let held = |z, forest| {
            Table::ALL
                .into_iter()
                .filter(|table| table.holds(Alarms { z, forest }))
                .map(Table::as_str)
                .collect::<Vec<_>>()
        };
        assert_eq!(held(false, false), Vec::<&str>::new());
        assert_eq!(held(true, false), ["combined_all", "zscore_all"]);
        assert_eq!(held(false, true), ["combined_all", "iforest_all"]);
        assert_eq!(held(true, true).len(), 6);
    }
}
