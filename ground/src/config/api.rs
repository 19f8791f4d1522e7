//! The scoring API.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use axum::http::HeaderName;
use serde::{Deserialize, Serialize};

use super::listen;

/// The scoring API of `serve`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// Where `serve` listens: `PORT` on this machine, or `ADDRESS:PORT`.
    pub listen: String,
    /// File of named keys, `name:key` a line; empty for the one in the environment only.
    pub keys_file: PathBuf,
    /// PEM file of the server's certificate and the chain up to its authority; empty for no TLS.
    pub tls_certificate_file: PathBuf,
    /// PEM file of that certificate's key.
    pub tls_key_file: PathBuf,
    /// Header in which a proxy names who it has let in to the pages; empty for no such proxy.
    pub user_header: String,
    /// The addresses of those proxies. What others say in that header counts nothing.
    pub trusted_proxies: Vec<IpAddr>,
    /// Connections at a time; more wait.
    pub max_connections: u32,
    /// Events a key may have scored in a second.
    pub events_per_second: u32,
    /// Largest body of `POST /event`, and longest line of `POST /events`, in bytes.
    pub max_event_bytes: u32,
    /// Largest body of `POST /events`, in bytes.
    pub max_batch_bytes: u32,
    /// Most lines of `POST /events`.
    pub max_batch_events: u32,
    /// How long a connection may lie idle before the next request is there, in seconds.
    pub idle_timeout_seconds: u32,
    /// How long a request's body may take to arrive, in seconds.
    pub body_timeout_seconds: u32,
    /// File that takes a JSON line for each anomaly; empty for standard output.
    pub audit_file: PathBuf,
    /// Size in MiB at which a new audit file is begun.
    pub audit_file_mib: u32,
    /// Audit files that are kept, the current one included.
    pub audit_files: u32,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: "8000".to_owned(),
            keys_file: PathBuf::new(),
            tls_certificate_file: PathBuf::new(),
            tls_key_file: PathBuf::new(),
            user_header: String::new(),
            trusted_proxies: Vec::new(),
            max_connections: 512,
            events_per_second: 100_000,
            max_event_bytes: 64 << 10,
            max_batch_bytes: 4 << 20,
            max_batch_events: 10_000,
            idle_timeout_seconds: 30,
            body_timeout_seconds: 30,
            audit_file: PathBuf::new(),
            audit_file_mib: 64,
            audit_files: 8,
        }
    }
}

impl ApiConfig {
    /// The address to listen on.
    ///
    /// # Errors
    /// What it must be.
    pub fn address(&self) -> Result<SocketAddr, &'static str> {
        listen::address(&self.listen)
    }

    /// The header in which a proxy names who it has let in, if there is one.
    ///
    /// # Errors
    /// What it must be.
    pub fn user_header(&self) -> Result<Option<HeaderName>, &'static str> {
        let header = Some(&self.user_header).filter(|name| !name.is_empty());
        let header = header.map(|name| name.parse()).transpose();
        header.map_err(|_| "must be the name of a header, such as X-Forwarded-User")
    }

    /// The settings of this section that have bounds: whether each is within them, and what it must be.
    pub(super) fn checks(&self) -> [(&'static str, bool, &'static str); 13] {
        let (listen, header) = (self.address(), self.user_header());
        let (no_header, no_proxies) = (self.user_header.is_empty(), self.trusted_proxies.is_empty());
        [
            ("api.listen", listen.is_ok(), listen.err().unwrap_or_default()),
            ("api.user_header", header.is_ok(), header.err().unwrap_or_default()),
            ("api.user_header", no_header || !no_proxies, "is believed of nobody: set api.trusted_proxies"),
            ("api.trusted_proxies", no_proxies || !no_header, "has nothing to say: set api.user_header"),
            ("api.max_connections", (1..=65_536).contains(&self.max_connections), "must be 1 to 65536"),
            (
                "api.events_per_second",
                (1..=100_000_000).contains(&self.events_per_second),
                "must be 1 to 100000000",
            ),
            (
                "api.max_event_bytes",
                (1024..=1 << 20).contains(&self.max_event_bytes),
                "must be 1024 to 1048576",
            ),
            (
                "api.max_batch_bytes",
                (1024..=64 << 20).contains(&self.max_batch_bytes),
                "must be 1024 to 67108864",
            ),
            (
                "api.max_batch_events",
                (1..=1_000_000).contains(&self.max_batch_events),
                "must be 1 to 1000000",
            ),
            (
                "api.idle_timeout_seconds",
                (1..=3600).contains(&self.idle_timeout_seconds),
                "must be 1 to 3600",
            ),
            (
                "api.body_timeout_seconds",
                (1..=3600).contains(&self.body_timeout_seconds),
                "must be 1 to 3600",
            ),
            ("api.audit_file_mib", (1..=65_536).contains(&self.audit_file_mib), "must be 1 to 65536"),
            ("api.audit_files", (1..=1000).contains(&self.audit_files), "must be 1 to 1000"),
        ]
    }
}
