//! What operators are shown.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::listen;

/// What operators are shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Where `ingest` or `serve` answers `/healthz`, `/readyz` and `/metrics`: `PORT` on this machine, or `ADDRESS:PORT`; empty
    /// for nowhere. There is no default port: two processes on one machine would fight for it.
    pub listen: String,
    /// The file, or the folder for it, in which `detect` and `retrain` leave their metrics; empty for none.
    pub textfile: PathBuf,
}

impl MetricsConfig {
    /// The address to listen on; an error when `listen` names none.
    ///
    /// # Errors
    /// What it must be.
    pub fn address(&self) -> Result<Option<SocketAddr>, &'static str> {
        if self.listen.is_empty() {
            return Ok(None);
        }
        listen::address(&self.listen).map(Some)
    }
}
