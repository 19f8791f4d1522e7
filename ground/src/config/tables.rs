//! The anomaly tables.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The anomaly tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TablesConfig {
    /// Where they are: `sqlite:///path.db` or `cassandra://host[:port][,host...]/keyspace`.
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
    /// Cassandra: days after which rows go by themselves; 0 keeps them.
    pub ttl_days: u32,
    /// Cassandra: copies in each datacenter, `dc1=3,dc2=3`; empty for three in the local one, or as many as it has
    /// nodes. For `tables init`.
    pub replication: String,
    /// Cassandra: the datacenter to talk to; empty for any.
    pub datacenter: String,
    /// Cassandra: how many copies a write or read waits for.
    pub consistency: Consistency,
    /// Cassandra: user name; empty for none.
    pub user: String,
    /// Cassandra: file that holds the password.
    pub password_file: PathBuf,
    /// Cassandra: whether to speak TLS. A certificate must name its node's IP address.
    pub tls: bool,
    /// Cassandra: PEM file with the authority that signed the nodes' certificates; empty for the system's.
    pub ca_file: PathBuf,
    /// Cassandra: PEM file with a certificate of our own, for nodes that ask for one; empty for none.
    pub certificate_file: PathBuf,
    /// Cassandra: PEM file with its private key.
    pub key_file: PathBuf,
    /// Cassandra: seconds to wait for a connection.
    pub connect_timeout_seconds: u32,
    /// Cassandra: seconds to wait for an answer.
    pub request_timeout_seconds: u32,
}

/// How many copies a write or a read waits for: always so many that a read sees what was written before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// Most of the copies in the local datacenter.
    #[default]
    LocalQuorum,
    /// Most of all copies.
    Quorum,
    /// Every copy.
    All,
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
            ttl_days: 0,
            replication: String::new(),
            datacenter: String::new(),
            consistency: Consistency::default(),
            user: String::new(),
            password_file: PathBuf::new(),
            tls: false,
            ca_file: PathBuf::new(),
            certificate_file: PathBuf::new(),
            key_file: PathBuf::new(),
            connect_timeout_seconds: 5,
            request_timeout_seconds: 10,
        }
    }
}
