//! How a model does on its own training rows: not a proof, but what a person looks at before publishing it.

use std::collections::BTreeSet;

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::rate::Rate;
use cabinwatch_shared::zscore::{ZScore, ZStatus};
use serde::Serialize;

use super::{RATES, Training, linear_percentile, sorted_scores};
use crate::history::{Aggregates, ArchiveSummary, ReadSummary};

const PERCENTILES: [u8; 9] = [0, 1, 5, 25, 50, 75, 95, 99, 100];

/// The summary of a training run; `evaluation.json` holds it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The model's version.
    pub model_version: ModelVersion,
    /// Rows trained on: windows and fault keys with at least one failure.
    pub rows: u64,
    /// Fault keys.
    pub keys: u64,
    /// Fault keys that can get a z score: at least two rows that differ.
    pub keys_with_z: u64,
    /// Windows with at least one row.
    pub windows: u64,
    /// Rows the z score calls anomalies.
    pub anomaly_z: u64,
    /// Rows the forest calls anomalies.
    pub anomaly_iforest: u64,
    /// Rows both call anomalies.
    pub anomaly_both: u64,
    /// The z score's threshold.
    pub z_threshold: f64,
    /// The forest's offset.
    pub forest_offset: f64,
    /// Trees.
    pub trees: u16,
    /// Rows each tree was grown from.
    pub max_samples: u32,
    /// Percentiles of the forest's scores over the training rows.
    pub score_percentiles: Vec<Percentile>,
    /// How reading the files went.
    pub history: ReadSummary,
    /// How reading the window archive went, if there was one to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<ArchiveSummary>,
}

/// One percentile of the scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentile {
    /// Which, 0 to 100.
    pub percent: u8,
    /// The score there.
    pub score: f64,
}

impl Evaluation {
    /// Scores the training rows.
    #[must_use]
    pub fn of(aggregates: &Aggregates, training: &Training, version: ModelVersion, z_threshold: f64) -> Self {
        let (mut anomaly_z, mut anomaly_iforest, mut anomaly_both) = (0, 0, 0);
        let mut rows_of_rate = vec![0_u64; RATES];
        let mut windows = BTreeSet::new();
        for row in aggregates.rows() {
            windows.insert(row.window.start());
            let Some(rate) = row.counts.rate() else { continue };
            let z = ZScore::of(rate, training.statistics.get(row.key_place)).is_anomaly(z_threshold);
            let forest = training.score(rate).is_some_and(|score| score.is_anomaly(training.offset));
            anomaly_z += u64::from(z);
            anomaly_iforest += u64::from(forest);
            anomaly_both += u64::from(z && forest);
            rows_of_rate[usize::from(rate.hundredths())] += 1;
        }
        let can_score = |statistics| {
            Rate::from_hundredths(0)
                .is_some_and(|any| ZScore::of(any, Some(statistics)).status() == ZStatus::Scored)
        };
        Self {
            model_version: version,
            rows: aggregates.rows().len() as u64,
            keys: aggregates.keys().len() as u64,
            keys_with_z: training.statistics.iter().filter(|statistics| can_score(statistics)).count() as u64,
            windows: windows.len() as u64,
            anomaly_z,
            anomaly_iforest,
            anomaly_both,
            z_threshold,
            forest_offset: training.offset,
            trees: training.forest.shape.trees,
            max_samples: training.forest.shape.max_samples,
            score_percentiles: percentiles(training, &rows_of_rate),
            history: aggregates.summary.clone(),
            archive: aggregates.archive.clone(),
        }
    }
}

fn percentiles(training: &Training, rows_of_rate: &[u64]) -> Vec<Percentile> {
    let sorted = sorted_scores(&training.scores, rows_of_rate);
    let percentile = |percent: u8| {
        linear_percentile(&sorted, f64::from(percent)).map(|score| Percentile { percent, score })
    };
    PERCENTILES.into_iter().filter_map(percentile).collect()
}
