//! The ground's configuration: one TOML file, every key with its default here.

mod load;

use std::path::PathBuf;

pub use load::{ConfigError, ENVIRONMENT_PREFIX, Flag, load};
use serde::{Deserialize, Serialize};

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
    /// Logging.
    pub log: LogConfig,
}

/// EDR files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryConfig {
    /// Where they lie: `file:///dir`.
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
}

/// Training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrainConfig {
    /// Files of this many days, by the date in their names.
    pub days: u32,
    /// Trees in the forest.
    pub n_estimators: u32,
    /// Rows each tree sees.
    pub max_samples: MaxSamples,
    /// Share of the training rows the forest shall call anomalies.
    pub contamination: Contamination,
    /// Seed of the forest.
    pub random_state: u64,
}

/// `"auto"` is the smaller of 256 and the number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MaxSamples {
    /// A number of rows.
    Rows(u32),
    /// A share of all rows.
    Share(f64),
    /// `"auto"`.
    Auto(Auto),
}

/// `"auto"` puts the offset at -0.5; a share puts it at that quantile of the training scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Contamination {
    /// A share above 0 and at most 0.5.
    Share(f64),
    /// `"auto"`.
    Auto(Auto),
}

/// The word `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    /// `"auto"`.
    Auto,
}

/// Batch detection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetectConfig {
    /// A z score above this is an anomaly.
    pub z_threshold: f64,
}

/// The model folder and how bundles are signed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Where `zscore_stats.csv` and the bundle lie.
    pub dir: PathBuf,
    /// The private key bundles are signed with; made by `keygen`. Empty: a key of the model folder's own, made on
    /// first use.
    pub signing_key: PathBuf,
    /// Which aircraft a bundle is for.
    pub cohort: String,
    /// For how many days a bundle may be activated.
    pub valid_days: u32,
}

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

/// The mail report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailConfig {
    /// Where mail goes: `file:///dir` writes `.eml` files.
    pub url: String,
    /// Language of the report.
    pub language: Language,
    /// Sender.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
    /// Copies.
    pub cc: Vec<String>,
    /// Blind copies.
    pub bcc: Vec<String>,
}

/// Languages of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    En,
    /// Turkish.
    Tr,
}

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
    /// PEM file with the authority that signed the broker's certificate; empty for the system's.
    pub ca_file: PathBuf,
}

/// Ingest from the aircraft.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestConfig {
    /// This process's name at the broker; the broker keeps its messages under it while it is away.
    pub client_id: String,
    /// Folder of the window archive: `file:///dir`; empty for none.
    pub archive: String,
    /// Most messages stored in one transaction.
    pub group_messages: u32,
}

/// Logging, always to stderr.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// JSON lines instead of text.
    pub json: bool,
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
        }
    }
}

impl Default for RetrainConfig {
    fn default() -> Self {
        Self {
            days: 30,
            n_estimators: 100,
            max_samples: MaxSamples::Auto(Auto::Auto),
            contamination: Contamination::Auto(Auto::Auto),
            random_state: 42,
        }
    }
}

impl Default for DetectConfig {
    fn default() -> Self {
        Self { z_threshold: cabinwatch_shared::zscore::DEFAULT_THRESHOLD }
    }
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self { dir: PathBuf::new(), signing_key: PathBuf::new(), cohort: "fleet".to_owned(), valid_days: 90 }
    }
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

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            language: Language::En,
            from: "cabinwatch@localhost".to_owned(),
            to: vec!["operations@localhost".to_owned()],
            cc: Vec::new(),
            bcc: Vec::new(),
        }
    }
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            url: "mqtt://127.0.0.1:1883".to_owned(),
            user: String::new(),
            password_file: PathBuf::new(),
            ca_file: PathBuf::new(),
        }
    }
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self { client_id: "cabinwatch-ingest".to_owned(), archive: String::new(), group_messages: 256 }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), json: false }
    }
}
