//! The model folder and how bundles are signed.

use std::path::PathBuf;

use cabinwatch_shared::model::Cohort;
use serde::{Deserialize, Serialize};

/// The model folder and how bundles are signed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Where `zscore_stats.csv` and the bundle lie.
    pub dir: PathBuf,
    /// The private key bundles are signed with; made by `keygen`. Empty: a key of the model folder's own, made on
    /// first use.
    pub signing_key: PathBuf,
    /// Which aircraft a bundle is for.
    pub cohort: Cohort,
    /// For how many days a bundle may be activated.
    pub valid_days: u32,
    /// `promote` wants this many aircraft at least that have passed the model's trial…
    pub promote_min_aircraft: u32,
    /// …and this share of the cohort's, in percent.
    pub promote_min_passed_percent: u8,
    /// It refuses when more than this share has rolled the model back or refused it, in percent.
    pub promote_max_failed_percent: u8,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::new(),
            signing_key: PathBuf::new(),
            cohort: Cohort::fleet(),
            valid_days: 90,
            promote_min_aircraft: 1,
            promote_min_passed_percent: 80,
            promote_max_failed_percent: 0,
        }
    }
}
