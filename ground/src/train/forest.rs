//! Grows an isolation forest on all cores.

use cabinwatch_shared::forest::MAX_FEATURES;
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::grow::grow;
use super::pack::{ForestParts, PackError, Tree, pack};
use crate::config::{MaxSamples, RetrainConfig};

/// What `"auto"` makes of `max_samples`, at most.
const AUTO_SAMPLES: usize = 256;

/// Rows to train on: so many features each, one row behind the other.
#[derive(Clone, Copy, Debug)]
pub struct TrainingRows<'a> {
    features: usize,
    values: &'a [f32],
}

impl<'a> TrainingRows<'a> {
    /// Takes rows; their number is that of the values by that of the features.
    ///
    /// # Errors
    /// When there is no row, the last one is not whole, a value is not finite, or there are more features than a
    /// forest can have.
    pub fn new(features: usize, values: &'a [f32]) -> Result<Self, TrainError> {
        if features == 0 || features > MAX_FEATURES || !values.len().is_multiple_of(features) {
            return Err(TrainError::Features(features));
        }
        if values.is_empty() {
            return Err(TrainError::NoRows);
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(TrainError::NotFinite { row: at / features, feature: at % features }),
            None => Ok(Self { features, values }),
        }
    }

    /// How many values a row has.
    #[must_use]
    pub const fn features(&self) -> usize {
        self.features
    }

    /// How many rows there are.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "there is always a row")]
    pub const fn len(&self) -> usize {
        self.values.len() / self.features
    }

    pub(super) fn value(&self, row: usize, feature: usize) -> f32 {
        self.values.get(row * self.features + feature).copied().unwrap_or(f32::NAN)
    }
}

/// How a forest is grown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForestSettings {
    /// Trees; at least one.
    pub trees: usize,
    /// Rows each tree sees; at least one.
    pub max_samples: usize,
    /// Seed.
    pub random_state: u64,
}

impl ForestSettings {
    /// The settings of the configuration for so many rows.
    ///
    /// # Errors
    /// When a number makes no sense.
    pub fn from_config(config: &RetrainConfig, rows: usize) -> Result<Self, TrainError> {
        if config.n_estimators == 0 || config.n_estimators > u32::from(u16::MAX) {
            return Err(TrainError::Estimators(config.n_estimators));
        }
        let max_samples = match config.max_samples {
            MaxSamples::Auto(_) => rows.min(AUTO_SAMPLES),
            MaxSamples::Rows(0) => return Err(TrainError::MaxSamples("0".to_owned())),
            // scikit-learn, too, takes all rows where there are fewer than asked for.
            MaxSamples::Rows(wanted) => rows.min(wanted as usize),
            MaxSamples::Share(share) if share > 0.0 && share <= 1.0 => {
                ((share * rows as f64) as usize).max(1)
            }
            MaxSamples::Share(share) => return Err(TrainError::MaxSamples(share.to_string())),
        };
        let (trees, random_state) = (config.n_estimators as usize, config.random_state);
        Ok(Self { trees, max_samples: max_samples.max(1), random_state })
    }
}

/// Why there is no forest.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// Nothing to train on.
    #[error("there is nothing to train on: in all that was read there is no failure")]
    NoRows,
    /// Rows of a width that does not fit.
    #[error("rows of {0} features do not fit: a forest has 1 to {MAX_FEATURES}, and every row as many")]
    Features(usize),
    /// A value that is no number.
    #[error("feature {feature} of row {row} is not a finite number")]
    NotFinite {
        /// The row, from 0.
        row: usize,
        /// The feature, from 0.
        feature: usize,
    },
    /// A number of trees out of range.
    #[error("retrain.n_estimators is {0}; it must be 1 to 65535")]
    Estimators(u32),
    /// A sample size out of range.
    #[error(
        "retrain.max_samples is {0}; it must be \"auto\", a whole number from 1, or a share above 0 and up to 1.0"
    )]
    MaxSamples(String),
    /// A contamination out of range.
    #[error("retrain.contamination is {0}; it must be \"auto\" or a share above 0 and at most 0.5")]
    Contamination(f64),
    /// The trees do not fit the layout.
    #[error(transparent)]
    Pack(#[from] PackError),
}

impl TrainError {
    /// Whether it is a setting that is wrong, not the data.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Estimators(_) | Self::MaxSamples(_) | Self::Contamination(_))
    }
}

/// Grows a forest. Each tree draws from a ChaCha stream of its own: streams never meet, where neighbouring seeds
/// would let forests of neighbouring `random_state`s share trees.
///
/// # Errors
/// When the trees do not fit the layout.
pub fn grow_forest(rows: &TrainingRows<'_>, settings: &ForestSettings) -> Result<ForestParts, TrainError> {
    let max_samples = settings.max_samples.clamp(1, rows.len());
    let max_depth = (max_samples.max(2) as f64).log2().ceil() as u32;
    let grown: Vec<Tree> = (0..settings.trees as u64)
        .into_par_iter()
        .map(|tree| {
            let mut random = ChaCha8Rng::seed_from_u64(settings.random_state);
            random.set_stream(tree);
            let mut sample = index::sample(&mut random, rows.len(), max_samples).into_vec();
            grow(rows, &mut sample, max_depth, &mut random)
        })
        .collect();
    Ok(pack(&grown, rows.features(), max_samples as u32)?)
}
