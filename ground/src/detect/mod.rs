//! Batch detection: scores what was counted in EDR files, with the same code the aircraft run.

use std::collections::BTreeMap;

use cabinwatch_shared::model::{Model, ModelVersion};
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use serde::Serialize;

use crate::history::{Aggregates, ReadSummary};
use crate::tables::{ScoredRow, ScoredWindow, Table, WindowVersion};

/// What a run of detection found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DetectSummary {
    /// The model that scored.
    pub model_version: ModelVersion,
    /// Start of the first window; none without a window.
    pub from: Option<UnixSeconds>,
    /// End of the last window.
    pub until: Option<UnixSeconds>,
    /// Windows with at least one attempt.
    pub windows: u64,
    /// Of these, windows with at least one failure.
    pub windows_with_failures: u64,
    /// Scored rows.
    pub rows: u64,
    /// Rows of each of the six tables.
    pub tables: BTreeMap<&'static str, u64>,
    /// How reading the files went.
    pub history: ReadSummary,
}

/// The model's windows are of another length than the run's, so their rates cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the model was trained on windows of {model} s, this run counts windows of {run} s; retrain, or set history.window_seconds to {model}"
)]
pub struct WindowLengthDiffers {
    /// The model's, in seconds.
    pub model: u32,
    /// This run's, in seconds.
    pub run: u32,
}

/// Scores every row. `z_threshold` takes the place of the one in the model: it is the setting of whoever runs
/// detection. `version` says whether the windows take the place of what is stored.
///
/// # Errors
/// When the model is for windows of another length.
pub fn score(
    aggregates: &Aggregates,
    model: &Model<'_>,
    z_threshold: f64,
    version: WindowVersion,
) -> Result<Vec<ScoredWindow>, WindowLengthDiffers> {
    let (ours, theirs) = (aggregates.window_length().as_seconds(), model.header().window_seconds);
    if ours != theirs {
        return Err(WindowLengthDiffers { model: theirs, run: ours });
    }
    let mut windows: BTreeMap<UnixSeconds, ScoredWindow> = BTreeMap::new();
    let empty = |window| ScoredWindow {
        tail: Tail::fleet(),
        window,
        model: model.header().version,
        version,
        rows: Vec::new(),
        points: Vec::new(),
    };
    for row in aggregates.rows() {
        let mut verdict = model.score(row.key, row.counts);
        verdict.alarms.z = verdict.z.is_anomaly(z_threshold);
        let scored = ScoredRow {
            edr_point: row.key.edr_point.to_owned(),
            description: row.key.description.to_owned(),
            counts: row.counts,
            verdict,
        };
        windows.entry(row.window.start()).or_insert_with(|| empty(row.window)).rows.push(scored);
    }
    for point in aggregates.successes() {
        let window = windows.entry(point.window.start()).or_insert_with(|| empty(point.window));
        window.points.push((point.edr_point.to_owned(), point.success));
    }
    Ok(windows.into_values().collect())
}

impl DetectSummary {
    /// Sums up scored windows.
    #[must_use]
    pub fn of(windows: &[ScoredWindow], model: ModelVersion, history: &ReadSummary) -> Self {
        let rows = || windows.iter().flat_map(|window| &window.rows);
        let of_table = |table: Table| {
            let held = rows().filter(|row| table.holds(row.verdict.alarms)).count() as u64;
            (table.as_str(), held)
        };
        Self {
            model_version: model,
            from: windows.iter().map(|window| window.window.start()).min(),
            until: windows.iter().map(|window| window.window.end()).max(),
            windows: windows.len() as u64,
            windows_with_failures: windows.iter().filter(|window| !window.rows.is_empty()).count() as u64,
            rows: rows().count() as u64,
            tables: Table::ALL.into_iter().map(of_table).collect(),
            history: history.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
