//! The ground's configuration: one TOML file, every key with its default here.

mod api;
mod broker;
mod detect;
mod history;
mod ingest;
pub(crate) mod listen;
mod load;
mod log;
mod mail;
mod metrics;
mod model;
mod retrain;
mod tables;

pub use api::ApiConfig;
pub use broker::BrokerConfig;
pub use detect::DetectConfig;
pub use history::HistoryConfig;
pub use ingest::IngestConfig;
pub use load::{ConfigError, ENVIRONMENT_PREFIX, Flag, load};
pub use log::LogConfig;
pub use mail::{Language, MailConfig, StartTls};
pub use metrics::MetricsConfig;
pub use model::ModelConfig;
pub use retrain::{Auto, Contamination, MaxSamples, RetrainConfig};
use serde::{Deserialize, Serialize};
pub use tables::{Consistency, TablesConfig};

/// Everything that can be set. `deploy/ground.toml` shows it with comments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// EDR files.
    pub history: HistoryConfig,
    /// Training.
    pub retrain: RetrainConfig,
    /// Batch detection.
    pub detect: DetectConfig,
    /// The model folder and how bundles are signed.
    pub model: ModelConfig,
    /// The anomaly tables.
    pub tables: TablesConfig,
    /// The mail report.
    pub mail: MailConfig,
    /// The MQTT broker.
    pub broker: BrokerConfig,
    /// Ingest from the aircraft.
    pub ingest: IngestConfig,
    /// The scoring API.
    pub api: ApiConfig,
    /// What operators are shown.
    pub metrics: MetricsConfig,
    /// Logging.
    pub log: LogConfig,
}
