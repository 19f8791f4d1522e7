//! What operators are shown.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What operators are shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Where `ingest` answers `/healthz`, `/readyz` and `/metrics`: `PORT` on this machine, or `ADDRESS:PORT`; empty
    /// for nowhere. There is no default port: two ingest processes on one machine would fight for it.
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
        let port = self.listen.parse().map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        let address = port.or_else(|_| self.listen.parse());
        address.map(Some).map_err(|_| "must be a port, or an address with a port such as 0.0.0.0:9464")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_for_this_machine_only() {
        let address =
            |listen: &str| MetricsConfig { listen: listen.to_owned(), ..MetricsConfig::default() }.address();
        assert_eq!(address(""), Ok(None));
        assert_eq!(address("9464"), Ok(Some(SocketAddr::from(([127, 0, 0, 1], 9464)))));
        assert_eq!(address("0.0.0.0:9464"), Ok(Some(SocketAddr::from(([0, 0, 0, 0], 9464)))));
        assert_eq!(address("[::]:9464").expect("valid").map(|address| address.port()), Some(9464));
        for wrong in ["localhost", "localhost:80", "70000", "0.0.0.0", "http://127.0.0.1:1"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
