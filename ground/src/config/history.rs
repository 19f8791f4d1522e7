//! EDR files.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// EDR files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryConfig {
    /// Where they lie: `file:///dir` or `hdfs://host:port/dir`.
    pub url: String,
    /// Files are named `<prefix>_YYMMDD_HHMMSS*.csv`.
    pub prefix: String,
    /// How many of the newest files are read when none is recent.
    pub newest_files: u32,
    /// Window length in seconds.
    pub window_seconds: u32,
    /// Longest line in bytes; a longer one is rejected.
    pub max_line_bytes: u32,
    /// Stop at the first row that can't be read, instead of counting and reporting it.
    pub strict: bool,
    /// How long one answer of HDFS may take, in seconds, for EDR files and the window archive alike.
    pub timeout_seconds: u32,
}

impl HistoryConfig {
    /// How long one answer of HDFS may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds as u64)
    }
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            prefix: "thy_wifi_edr".to_owned(),
            newest_files: 10,
            window_seconds: 300,
            max_line_bytes: 1 << 20,
            strict: false,
            timeout_seconds: 10,
        }
    }
}
