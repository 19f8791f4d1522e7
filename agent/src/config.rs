//! The agent's configuration: one TOML file, every key with its default here.

mod check;
mod load;

use std::path::PathBuf;

pub use check::ConfigError;
pub use load::{LoadError, Overrides};

use cabinwatch_shared::model::Cohort;
use serde::{Deserialize, Serialize};

pub use crate::pipeline::timekeeping::TrustRule;

/// Everything that can be set. `deploy/agent.toml` shows it with comments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The aircraft's registration. There is no sensible default.
    pub tail: String,
    /// Window length in seconds.
    pub window_seconds: u32,
    /// How long after its end a window stays open for late events, in seconds.
    pub lateness_seconds: u32,
    /// Events dated further ahead of the clock than this are refused, in seconds.
    pub max_future_seconds: u32,
    /// The store.
    pub store: StoreConfig,
    /// Where events come from.
    pub sources: SourcesConfig,
    /// The link to the ground.
    pub link: LinkConfig,
    /// Which models are taken.
    pub model: ModelConfig,
    /// When the clock is believed.
    pub clock: ClockConfig,
    /// Logging.
    pub log: LogConfig,
    /// What the running agent tells other processes.
    pub service: ServiceConfig,
}

/// The SQLite file and its limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// The database.
    pub path: PathBuf,
    /// A transaction is committed when it holds this many events…
    pub group_events: u32,
    /// …or when its first event has waited this long, in milliseconds.
    pub group_millis: u32,
    /// This many bytes of the file are kept free, so that a disk that others fill does not stop the counting.
    pub reserve_bytes: u64,
    /// While nothing can be written, events are counted in memory until they take this many bytes.
    pub hold_bytes: u32,
    /// Most distinct fault keys in one window; failures of further ones count as `OTHER`. At most 256.
    pub max_fault_keys: u16,
    /// Stored events of closed windows are kept up to this many bytes…
    pub events_max_bytes: u64,
    /// …and this many seconds.
    pub events_max_age_seconds: u64,
    /// Closed windows, as `cabinwatch-agent windows` shows them, are kept as long and up to this many bytes.
    pub windows_max_bytes: u64,
    /// Unsent frames are kept up to this many bytes…
    pub outbox_max_bytes: u64,
    /// …this many seconds…
    pub outbox_max_age_seconds: u64,
    /// …and this many frames.
    pub outbox_max_frames: u64,
}

/// Where events come from. Every list may be empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourcesConfig {
    /// Unix datagram socket for JSON events; empty for none.
    pub event_socket: PathBuf,
    /// Unix datagram sockets that take syslog messages.
    pub syslog_sockets: Vec<PathBuf>,
    /// UDP addresses that take syslog messages; loopback only.
    pub syslog_udp: Vec<String>,
    /// Log files to follow.
    pub tail: Vec<PathBuf>,
    /// Folders of EDR CSV files to replay once.
    pub replay: Vec<ReplayConfig>,
    /// Rule files in place of the built-in rules.
    pub rules: Vec<PathBuf>,
    /// Spool folder of `cabinwatch-agent record`, read when the daemon starts and then every second.
    pub spool: PathBuf,
    /// Longest line or datagram, in bytes.
    pub max_line_bytes: u32,
}

/// One folder of EDR files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayConfig {
    /// A file or a folder.
    pub path: PathBuf,
    /// How many times faster than it happened; 0 for as fast as it goes.
    pub speed: f64,
}

/// The link to the ground.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkConfig {
    /// `mqtt://host:port` or `mqtts://host:port`; empty for no link.
    pub broker: String,
    /// User name at the broker; empty for none.
    pub user: String,
    /// File that holds the password.
    pub password_file: PathBuf,
    /// PEM file with the authority that signed the broker's certificate; empty for the system's.
    pub ca_file: PathBuf,
    /// PEM file with the agent's own certificate and its chain; empty for none.
    pub client_certificate: PathBuf,
    /// PEM file with that certificate's private key.
    pub client_key: PathBuf,
    /// Whether the connection is kept or made now and then.
    pub mode: LinkMode,
    /// In `scheduled` mode: seconds from one contact to the next.
    pub every_seconds: u32,
    /// In `scheduled` mode: a window that raises a new alarm is a reason to connect at once.
    pub wake_on_alarm: bool,
    /// Seconds without a packet after which one is sent to see whether the line still holds.
    pub keep_alive_seconds: u16,
    /// First wait before connecting again, in milliseconds; doubles, with jitter, up to the next.
    pub backoff_min_millis: u64,
    /// Longest wait, in milliseconds.
    pub backoff_max_millis: u64,
    /// A backlog is sent at most this fast, in bytes a second; live frames do not wait for it.
    pub drain_bytes_per_second: u32,
    /// Most bytes of frames in one message, before compression.
    pub message_bytes: u32,
    /// Frames the ground has not acknowledged after this many seconds are sent again.
    pub resend_seconds: u64,
    /// A client that gets nothing done for this many seconds is thrown away and built anew.
    pub stuck_seconds: u64,
}

/// When there is a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkMode {
    /// Always, as far as the line allows: each window goes down when it closes.
    Kept,
    /// Now and then: connect, send what has gathered, hear what the ground has stored, leave.
    Scheduled,
}

/// Which models are taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// This aircraft's cohort.
    pub cohort: Cohort,
    /// Public keys (64 hexadecimal digits) whose signature is believed.
    pub trusted_keys: Vec<String>,
    /// Largest bundle, in bytes.
    pub max_bytes: u64,
    /// Most fault keys in a bundle.
    pub max_keys: u32,
    /// A new model is on trial for this many windows with at least one row…
    pub trial_windows: u32,
    /// …and this many verdicts (two for each row) that are no alarm with the model before it, the worst window's aside.
    pub trial_verdicts: u32,
    /// It is given up when more than this share of them are alarms with it, in percent.
    pub trial_max_alarm_percent: u8,
    /// The same of all verdicts where there is no model before it.
    pub trial_max_alone_percent: u8,
}

/// When the clock is believed; `docs/clock.md` says what follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClockConfig {
    /// `synchronised`: only when a mark says that it is; `plausible`: also when it shows a plausible time.
    pub trust: TrustRule,
    /// Files that are touched when the clock has been synchronised.
    pub synchronised_files: Vec<PathBuf>,
    /// How far the clock may be ahead of the newest time known at a start, in seconds: how long an aircraft is parked.
    pub parked_seconds: u64,
    /// A clock that was set while the agent runs is believed without a mark when it has stood for so many seconds.
    pub steady_seconds: u64,
    /// Events wait for a time of day for at most so many seconds.
    pub provisional_seconds: u64,
    /// The name of this boot, 32 hexadecimal digits, where the system hides it; empty to ask the system.
    pub boot_id: String,
}

/// What the running agent tells other processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceConfig {
    /// A small file for `status`, rewritten every few seconds, so only where files lie in memory; empty for none.
    pub live_file: PathBuf,
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

impl Default for Config {
    fn default() -> Self {
        Self {
            tail: String::new(),
            window_seconds: 300,
            lateness_seconds: 30,
            max_future_seconds: 600,
            store: StoreConfig::default(),
            sources: SourcesConfig::default(),
            link: LinkConfig::default(),
            model: ModelConfig::default(),
            clock: ClockConfig::default(),
            log: LogConfig::default(),
            service: ServiceConfig::default(),
        }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            path: "/var/lib/cabinwatch/agent.db".into(),
            group_events: 512,
            group_millis: 250,
            reserve_bytes: 1 << 20,
            hold_bytes: 512 << 10,
            max_fault_keys: 256,
            events_max_bytes: 16 << 20,
            events_max_age_seconds: 7 * 86_400,
            windows_max_bytes: 4 << 20,
            outbox_max_bytes: 16 << 20,
            outbox_max_age_seconds: 30 * 86_400,
            outbox_max_frames: 100_000,
        }
    }
}

impl Default for SourcesConfig {
    fn default() -> Self {
        Self {
            event_socket: "/run/cabinwatch/events.sock".into(),
            syslog_sockets: Vec::new(),
            syslog_udp: Vec::new(),
            tail: Vec::new(),
            replay: Vec::new(),
            rules: Vec::new(),
            spool: "/var/lib/cabinwatch/spool".into(),
            max_line_bytes: 8192,
        }
    }
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            broker: String::new(),
            user: String::new(),
            password_file: PathBuf::new(),
            ca_file: PathBuf::new(),
            client_certificate: PathBuf::new(),
            client_key: PathBuf::new(),
            mode: LinkMode::Kept,
            every_seconds: 5400,
            wake_on_alarm: true,
            keep_alive_seconds: 600,
            backoff_min_millis: 500,
            backoff_max_millis: 600_000,
            drain_bytes_per_second: 6_000,
            message_bytes: 64 << 10,
            resend_seconds: 120,
            stuck_seconds: 180,
        }
    }
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            cohort: Cohort::fleet(),
            trusted_keys: Vec::new(),
            max_bytes: 2 << 20,
            max_keys: 8192,
            trial_windows: 12,
            trial_verdicts: 60,
            trial_max_alarm_percent: 20,
            trial_max_alone_percent: 98,
        }
    }
}

impl Default for ClockConfig {
    fn default() -> Self {
        Self {
            trust: TrustRule::Plausible,
            synchronised_files: vec!["/run/systemd/timesync/synchronized".into()],
            parked_seconds: 2 * 365 * 86_400,
            steady_seconds: 600,
            provisional_seconds: 6 * 3600,
            boot_id: String::new(),
        }
    }
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self { live_file: "/run/cabinwatch/live.json".into() }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), json: false }
    }
}
