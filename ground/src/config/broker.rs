//! The MQTT broker.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The MQTT broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BrokerConfig {
    /// `mqtt://host:port` or `mqtts://host:port`.
    pub url: String,
    /// User name; empty for none.
    pub user: String,
    /// File that holds the password.
    pub password_file: PathBuf,
    /// PEM file with the authority that signed the broker's certificate; empty for those in the file that the
    /// environment variable `SSL_CERT_FILE` names, else the system's.
    pub ca_file: PathBuf,
    /// PEM file with the ground's own certificate and its chain; empty for none.
    pub client_certificate: PathBuf,
    /// PEM file with that certificate's private key.
    pub client_key: PathBuf,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            url: "mqtt://127.0.0.1:1883".to_owned(),
            user: String::new(),
            password_file: PathBuf::new(),
            ca_file: PathBuf::new(),
            client_certificate: PathBuf::new(),
            client_key: PathBuf::new(),
        }
    }
}
