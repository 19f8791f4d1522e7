//! Training: statistics of every fault key, an isolation forest over all rates, and the signed bundle of both.
//!
//! [`Training::of`] computes everything from counted rows; [`folder::ModelFolder::write`] puts it into a model folder.
//! Nothing here depends on the order of rows or the number of threads, and the forest only on its `random_state`.

mod bundle;
pub mod evaluation;
pub mod folder;
mod forest;
mod grow;
pub mod hand_overs;
pub mod import;
pub mod keys;
mod pack;
mod quantile;
mod reseal;
mod stats_csv;

pub use bundle::{BundleError, BundleParts, BundleSettings, bundle, seal};
pub use evaluation::Evaluation;
pub use forest::{ForestSettings, TrainError, TrainingRows, grow_forest};
pub use keys::{KeyError, SigningPair};
pub use pack::{ForestParts, PackError};
pub use quantile::linear_percentile;
pub use reseal::{reseal, same_model};

use cabinwatch_shared::forest::{AUTO_OFFSET, Forest, ForestScore};
use cabinwatch_shared::rate::Rate;
use cabinwatch_shared::zscore::{KeyStatistics, RateSums};
use rayon::prelude::*;

use crate::config::{Contamination, RetrainConfig};
use crate::history::{AggregateRow, Aggregates};

/// How many different rates there are: 0.00 % to 100.00 %.
const RATES: usize = Rate::FULL as usize + 1;

/// What training computed.
#[derive(Clone, Debug)]
pub struct Training {
    /// Statistics of every key of the aggregates, in their order.
    pub statistics: Vec<KeyStatistics>,
    /// The forest over `fail_rate`.
    pub forest: ForestParts,
    /// A score below this is an anomaly.
    pub offset: f64,
    /// The score of every rate that occurs, by its hundredths of a percent.
    scores: Vec<Option<ForestScore>>,
}

impl Training {
    /// Trains on all rows.
    ///
    /// # Errors
    /// When there is no row, or a forest with these settings cannot be grown.
    pub fn of(aggregates: &Aggregates, config: &RetrainConfig) -> Result<Self, TrainError> {
        let rates: Vec<Rate> = aggregates.rows().filter_map(|row| row.counts.rate()).collect();
        let values: Vec<f32> = rates.iter().map(|rate| rate.percent() as f32).collect();
        let settings = ForestSettings::from_config(config, values.len())?;
        let forest = grow_forest(&TrainingRows::new(1, &values)?, &settings)?;
        let mut rows_of_rate = vec![0_u64; RATES];
        rates.iter().for_each(|rate| rows_of_rate[usize::from(rate.hundredths())] += 1);
        let scores = scores(&forest, &rows_of_rate)?;
        let offset = match config.contamination {
            Contamination::Auto(_) => AUTO_OFFSET,
            Contamination::Share(share) => offset(share, &scores, &rows_of_rate)?,
        };
        Ok(Self { statistics: statistics(aggregates), forest, offset, scores })
    }

    /// The forest's score of a rate that occurs in the training rows.
    #[must_use]
    pub fn score(&self, rate: Rate) -> Option<ForestScore> {
        self.scores.get(usize::from(rate.hundredths())).copied().flatten()
    }
}

fn statistics(aggregates: &Aggregates) -> Vec<KeyStatistics> {
    let mut sums = vec![RateSums::default(); aggregates.keys().len()];
    for AggregateRow { key_place, counts, .. } in aggregates.rows() {
        if let (Some(sums), Some(rate)) = (sums.get_mut(key_place), counts.rate()) {
            sums.add(rate);
        }
    }
    // Every key has a row: it is known from nowhere else.
    sums.iter().filter_map(RateSums::statistics).collect()
}

fn scores(forest: &ForestParts, rows_of_rate: &[u64]) -> Result<Vec<Option<ForestScore>>, TrainError> {
    let (forest, _) = Forest::open(forest.shape, &forest.bytes).map_err(PackError::from)?;
    let score = |(hundredths, rows): (usize, &u64)| {
        let rate = Rate::from_hundredths(hundredths as u16).filter(|_| *rows > 0)?;
        Some(forest.score(&[rate.percent() as f32]))
    };
    Ok(rows_of_rate.par_iter().enumerate().map(score).collect())
}

fn offset(share: f64, scores: &[Option<ForestScore>], rows_of_rate: &[u64]) -> Result<f64, TrainError> {
    if !(share > 0.0 && share <= 0.5) {
        return Err(TrainError::Contamination(share));
    }
    linear_percentile(&sorted_scores(scores, rows_of_rate), 100.0 * share).ok_or(TrainError::NoRows)
}

/// The scores that occur, each with how many rows have it, from the lowest on.
fn sorted_scores(scores: &[Option<ForestScore>], rows_of_rate: &[u64]) -> Vec<(f64, u64)> {
    let mut sorted: Vec<(f64, u64)> = scores
        .iter()
        .zip(rows_of_rate)
        .filter_map(|(score, rows)| score.map(|score| (score.0, *rows)))
        .collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    sorted
}

#[cfg(test)]
mod tests;
