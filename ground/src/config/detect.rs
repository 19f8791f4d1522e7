//! Batch detection.

use serde::{Deserialize, Serialize};

/// Batch detection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetectConfig {
    /// A z score above this is an anomaly.
    pub z_threshold: f64,
}

impl Default for DetectConfig {
    fn default() -> Self {
        Self { z_threshold: cabinwatch_shared::zscore::DEFAULT_THRESHOLD }
    }
}
