//! The model folder and how bundles are signed.

use std::path::PathBuf;

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
    pub cohort: String,
    /// For how many days a bundle may be activated.
    pub valid_days: u32,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self { dir: PathBuf::new(), signing_key: PathBuf::new(), cohort: "fleet".to_owned(), valid_days: 90 }
    }
}
