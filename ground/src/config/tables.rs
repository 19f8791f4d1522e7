//! The anomaly tables.

use serde::{Deserialize, Serialize};

/// The anomaly tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TablesConfig {
    /// Where they are: `sqlite:///path.db`.
    pub url: String,
    /// Name of the table of rows with any alarm.
    pub combined_all: String,
    /// Name of the table of rows both detectors confirm.
    pub combined_repeated: String,
    /// Name of the table of z anomalies.
    pub zscore_all: String,
    /// Name of the table of z anomalies the forest confirms.
    pub zscore_repeated: String,
    /// Name of the table of forest anomalies.
    pub iforest_all: String,
    /// Name of the table of forest anomalies the z score confirms.
    pub iforest_repeated: String,
}

impl Default for TablesConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            combined_all: "combined_all".to_owned(),
            combined_repeated: "combined_repeated".to_owned(),
            zscore_all: "zscore_all".to_owned(),
            zscore_repeated: "zscore_repeated".to_owned(),
            iforest_all: "iforest_all".to_owned(),
            iforest_repeated: "iforest_repeated".to_owned(),
        }
    }
}
