//! Training.

use serde::{Deserialize, Serialize};

/// Training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrainConfig {
    /// Files of this many days, by the date in their names.
    pub days: u32,
    /// Trees in the forest.
    pub n_estimators: u32,
    /// Rows each tree sees.
    pub max_samples: MaxSamples,
    /// Share of the training rows the forest shall call anomalies.
    pub contamination: Contamination,
    /// Seed of the forest.
    pub random_state: u64,
    /// Window archive to train on, instead of EDR files or beside them; empty for none.
    pub archive: String,
}

impl Default for RetrainConfig {
    fn default() -> Self {
        Self {
            days: 30,
            n_estimators: 100,
            max_samples: MaxSamples::Auto(Auto::Auto),
            contamination: Contamination::Auto(Auto::Auto),
            random_state: 42,
            archive: String::new(),
        }
    }
}

/// `"auto"` is the smaller of 256 and the number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MaxSamples {
    /// A number of rows.
    Rows(u32),
    /// A share of all rows.
    Share(f64),
    /// `"auto"`.
    Auto(Auto),
}

/// `"auto"` puts the offset at -0.5; a share puts it at that quantile of the training scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Contamination {
    /// A share above 0 and at most 0.5.
    Share(f64),
    /// `"auto"`.
    Auto(Auto),
}

/// The word `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    /// `"auto"`.
    Auto,
}
