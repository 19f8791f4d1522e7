//! From file, environment and flags to a configuration that makes sense.

use std::path::Path;

use cabinwatch_settings::{Layers, Origin, Setting, SettingsError};

use super::{Config, Contamination, MaxSamples};

/// `CABINWATCH_GROUND__TABLES__URL` sets `tables.url`.
pub const ENVIRONMENT_PREFIX: &str = "CABINWATCH_GROUND";

/// Longest name that becomes part of a topic or a client's identity.
const MAX_NAME_BYTES: usize = 64;
const MAX_GROUP: u32 = 16_384;
/// Twenty years, the longest that Cassandra knows.
const MAX_TTL_DAYS: u32 = 7_300;
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// A flag, the setting it sets, and its value if it was given.
pub type Flag = (&'static str, &'static str, Option<String>);

/// Why there is no configuration. Each is a mistake of the caller's.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A layer can't be read, or holds what is no setting.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A value of the right type that makes no sense.
    #[error("setting `{key}` from {origin}: {message}")]
    Value {
        /// The setting.
        key: &'static str,
        /// Where its value came from.
        origin: Origin,
        /// What it must be.
        message: String,
    },
}

/// Lays file, environment variables and flags over the defaults, and checks what comes out. Returns also where each
/// value came from.
///
/// # Errors
/// Names the setting that is unknown or makes no sense, and where it stands.
pub fn load(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
    flags: &[Flag],
) -> Result<(Config, Vec<Setting>), ConfigError> {
    let mut layers =
        Layers::over(&Config::default())?.with_open("retrain.max_samples").with_open("retrain.contamination");
    if let Some(file) = file {
        layers = layers.file(file)?;
    }
    layers = layers.environment(ENVIRONMENT_PREFIX, variables)?;
    for (flag, key, value) in flags {
        layers = layers.flag(flag, key, value.as_deref())?;
    }
    let (config, settings) = layers.load::<Config>()?;
    if let Some((key, message)) = wrong(&config) {
        let setting = settings.iter().find(|setting| setting.key == key);
        let origin = setting.map_or(Origin::Default, |setting| setting.origin.clone());
        return Err(ConfigError::Value { key, origin, message: message.to_owned() });
    }
    Ok((config, settings))
}

/// The first setting that makes no sense, and what it must be.
fn wrong(config: &Config) -> Option<(&'static str, &'static str)> {
    let share = |share: f64, most: f64| share > 0.0 && share <= most;
    let samples_ok = match config.retrain.max_samples {
        MaxSamples::Rows(rows) => rows > 0,
        MaxSamples::Share(part) => share(part, 1.0),
        MaxSamples::Auto(_) => true,
    };
    let contamination_ok = match config.retrain.contamination {
        Contamination::Share(part) => share(part, 0.5),
        Contamination::Auto(_) => true,
    };
    let threshold = config.detect.z_threshold;
    let metrics = config.metrics.address();
    let checks = [
        ("history.window_seconds", config.history.window_seconds > 0, "must be at least 1"),
        ("history.newest_files", config.history.newest_files > 0, "must be at least 1"),
        ("history.max_line_bytes", config.history.max_line_bytes >= 64, "must be at least 64"),
        ("history.timeout_seconds", config.history.timeout_seconds > 0, "must be at least 1"),
        ("history.prefix", is_name(&config.history.prefix), NAME),
        ("retrain.days", config.retrain.days > 0, "must be at least 1"),
        ("retrain.n_estimators", (1..=10_000).contains(&config.retrain.n_estimators), "must be 1 to 10000"),
        (
            "retrain.max_samples",
            samples_ok,
            "must be \"auto\", a number of rows, or a share above 0 and at most 1.0",
        ),
        ("retrain.contamination", contamination_ok, "must be \"auto\" or a share above 0 and at most 0.5"),
        ("detect.z_threshold", threshold.is_finite() && threshold > 0.0, "must be a number above 0"),
        ("model.valid_days", config.model.valid_days > 0, "must be at least 1"),
        ("tables.ttl_days", config.tables.ttl_days <= MAX_TTL_DAYS, "must be at most 7300"),
        ("tables.connect_timeout_seconds", config.tables.connect_timeout_seconds > 0, "must be at least 1"),
        ("tables.request_timeout_seconds", config.tables.request_timeout_seconds > 0, "must be at least 1"),
        ("ingest.client_id", is_empty_or_name(&config.ingest.client_id), NAME),
        ("ingest.share", is_empty_or_name(&config.ingest.share), NAME),
        (
            "mail.dashboard_url",
            config.mail.has_good_dashboard_url(),
            "must be empty or an address such as https://cabinwatch.example:8000, without login and query",
        ),
        ("mail.timeout_seconds", (1..=3600).contains(&config.mail.timeout_seconds), "must be 1 to 3600"),
        ("mail.accept_seconds", (1..=3600).contains(&config.mail.accept_seconds), "must be 1 to 3600"),
        ("mail.spool_mails", (1..=10_000).contains(&config.mail.spool_mails), "must be 1 to 10000"),
        ("mail.spool_days", (1..=365).contains(&config.mail.spool_days), "must be 1 to 365"),
        ("mail.retry_seconds", config.mail.retry_seconds <= 3600, "must be 0 to 3600"),
        (
            "ingest.group_messages",
            (1..=MAX_GROUP).contains(&config.ingest.group_messages),
            "must be 1 to 16384",
        ),
        ("metrics.listen", metrics.is_ok(), metrics.err().unwrap_or_default()),
        (
            "log.level",
            LEVELS.contains(&config.log.level.as_str()),
            "must be error, warn, info, debug or trace",
        ),
    ];
    let mut checks = checks.into_iter().chain(config.api.checks());
    checks.find(|(_, ok, _)| !ok).map(|(key, _, message)| (key, message))
}

const NAME: &str = "must be 1 to 64 ASCII letters, digits, '-', '_' or '.'";

/// Names end up in topics and file names, where other characters mean something.
fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_empty_or_name(text: &str) -> bool {
    text.is_empty() || is_name(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn from_file(text: &str) -> Result<Config, String> {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        let loaded = load(Some(file.path()), [], &[]);
        loaded.map(|(config, _)| config).map_err(|error| {
            let error = error.to_string();
            assert!(error.contains(&file.path().display().to_string()), "{error}");
            error
        })
    }

    /// `deploy/ground.toml` states every setting with its default.
    #[test]
    fn the_sample_states_every_setting_with_its_default() {
        let sample = include_str!("../../../deploy/ground.toml");
        assert_eq!(from_file(sample), Ok(Config::default()));
        let stated: toml::Table = sample.parse().expect("TOML");
        let defaults = toml::Table::try_from(Config::default()).expect("a table");
        for (section, settings) in &defaults {
            for key in settings.as_table().expect("sections only").keys() {
                let there = stated.get(section).and_then(|section| section.get(key)).is_some();
                assert!(there, "{section}.{key} is missing from deploy/ground.toml");
            }
        }
    }

    #[test]
    fn environment_and_flags_override_the_file_and_are_named() {
        let variables = [
            ("CABINWATCH_GROUND__RETRAIN__CONTAMINATION".to_owned(), "0.1".to_owned()),
            ("CABINWATCH_GROUND_CONFIG".to_owned(), "not a setting".to_owned()),
        ];
        let flags = [
            ("--tables", "tables.url", Some("sqlite:///a.db".to_owned())),
            ("--days", "retrain.days", Some("7".to_owned())),
            ("--mail", "mail.url", None),
        ];
        let (config, settings) = load(None, variables, &flags).expect("valid");
        assert_eq!(config.retrain.contamination, Contamination::Share(0.1));
        assert_eq!((config.tables.url.as_str(), config.retrain.days), ("sqlite:///a.db", 7));
        let origin = |key: &str| {
            let setting = settings.iter().find(|setting| setting.key == key);
            setting.map(|setting| setting.origin.to_string())
        };
        assert_eq!(origin("tables.url").as_deref(), Some("--tables"));
        assert_eq!(
            origin("retrain.contamination").as_deref(),
            Some("$CABINWATCH_GROUND__RETRAIN__CONTAMINATION")
        );
        assert_eq!(origin("mail.url").as_deref(), Some("default"));
    }

    #[test]
    fn values_that_make_no_sense_name_the_setting_and_its_file() {
        for (text, key) in [
            ("[history]\nwindow_seconds = 0", "history.window_seconds"),
            ("[retrain]\nmax_samples = 1.5", "retrain.max_samples"),
            ("[retrain]\nmax_samples = \"most\"", "retrain.max_samples"),
            ("[retrain]\ncontamination = 0.9", "retrain.contamination"),
            ("[detect]\nz_threshold = nan", "detect.z_threshold"),
            ("[model]\ncohort = \"a/b\"", "model.cohort"),
            ("[mail]\nstarttls = \"maybe\"", "mail.starttls"),
            ("[mail]\ntimeout_seconds = 0", "mail.timeout_seconds"),
            ("[mail]\ndashboard_url = \"cabinwatch.example\"", "mail.dashboard_url"),
            ("[mail]\ndashboard_url = \"javascript:alert(1)\"", "mail.dashboard_url"),
            ("[mail]\ndashboard_url = \"https://x/?a=b\"", "mail.dashboard_url"),
            ("[ingest]\ngroup_messages = 0", "ingest.group_messages"),
            ("[ingest]\nshare = \"a/b\"", "ingest.share"),
            ("[ingest]\nclient = \"x\"", "ingest.client"),
            ("[tables]\nttl_days = 7301", "tables.ttl_days"),
            ("[tables]\nconsistency = \"one\"", "tables.consistency"),
            ("[metrics]\nlisten = \"localhost\"", "metrics.listen"),
            ("[api]\nlisten = \"\"", "api.listen"),
            ("[api]\nmax_connections = 0", "api.max_connections"),
            ("[api]\nuser_header = \"X User\"", "api.user_header"),
            ("[api]\nuser_header = \"X-User\"", "api.user_header"),
            ("[api]\ntrusted_proxies = [\"10.0.0.7\"]", "api.trusted_proxies"),
            ("[api]\nmax_batch_bytes = 4294967295", "api.max_batch_bytes"),
            ("[log]\nlevel = \"loud\"", "log.level"),
        ] {
            let error = from_file(text).expect_err(text);
            assert!(error.contains(&format!("`{key}`")), "{text}: {error}");
        }
    }
}
