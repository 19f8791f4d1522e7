//! Ingest from the aircraft.

use serde::{Deserialize, Serialize};

/// Ingest from the aircraft.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestConfig {
    /// This process's name at the broker; the broker keeps its messages under it while it is away.
    pub client_id: String,
    /// Folder of the window archive: `file:///dir` or `hdfs://host:port/dir`; empty for none.
    pub archive: String,
    /// Most messages stored in one transaction.
    pub group_messages: u32,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self { client_id: "cabinwatch-ingest".to_owned(), archive: String::new(), group_messages: 256 }
    }
}
