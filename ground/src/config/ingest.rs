//! Ingest from the aircraft.

use serde::{Deserialize, Serialize};

/// Ingest from the aircraft.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestConfig {
    /// This process's name at the broker; empty for `cabinwatch-ingest`, or a made-up one in a group.
    pub client_id: String,
    /// The group of ingest processes that share the aircraft's frames; empty where this is the only one.
    pub share: String,
    /// Folder of the window archive: `file:///dir` or `hdfs://host:port/dir`; empty for none.
    pub archive: String,
    /// Most messages stored in one transaction.
    pub group_messages: u32,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self { client_id: String::new(), share: String::new(), archive: String::new(), group_messages: 256 }
    }
}
