//! What the types of the settings do not rule out.

use std::net::SocketAddr;

use cabinwatch_shared::model::PublicKey;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::wire::MAX_MESSAGE_BYTES;

use super::{ClockConfig, Config, LinkConfig, LogConfig, ModelConfig, SourcesConfig, StoreConfig};
use crate::pipeline::clock::parse_boot_id;

/// A setting that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("setting `{key}` {problem}")]
pub struct ConfigError {
    /// Its dotted key.
    pub key: &'static str,
    /// What is wrong, and what would be right.
    pub problem: String,
}

type Checked = Result<(), ConfigError>;

fn demand(holds: bool, key: &'static str, problem: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { Err(ConfigError { key, problem: problem.into() }) }
}

fn between(key: &'static str, value: impl Into<u64>, least: u64, most: u64) -> Checked {
    let value = value.into();
    demand(
        (least..=most).contains(&value),
        key,
        format!("is {value}, but must be a number from {least} to {most}"),
    )
}

impl Config {
    /// Checks every setting.
    ///
    /// # Errors
    /// The first setting that makes no sense.
    pub fn check(&self) -> Checked {
        let tail = if self.tail.is_empty() {
            "is not set: give the aircraft's registration, e.g. tail = \"TC-JJA\"".to_owned()
        } else {
            format!("is {:?}, but a registration is 1 to 16 letters, digits or '-'", self.tail)
        };
        demand(self.tail.parse::<Tail>().is_ok(), "tail", tail)?;
        between("window_seconds", self.window_seconds, 1, 86_400)?;
        between("lateness_seconds", self.lateness_seconds, 0, 86_400)?;
        between("max_future_seconds", self.max_future_seconds, 0, 86_400)?;
        self.store.check()?;
        self.sources.check()?;
        self.link.check()?;
        self.model.check()?;
        self.clock.check()?;
        self.log.check()
    }
}

impl StoreConfig {
    /// Room for two frames of the greatest length and more.
    const LEAST_BYTES: u64 = 256 << 10;
    const MOST_BYTES: u64 = 1 << 40;
    const MOST_SECONDS: u64 = 100 * 366 * 86_400;

    fn check(&self) -> Checked {
        demand(!self.path.as_os_str().is_empty(), "store.path", "is empty: name a file")?;
        between("store.group_events", self.group_events, 1, 65_536)?;
        between("store.group_millis", self.group_millis, 1, 60_000)?;
        between("store.reserve_bytes", self.reserve_bytes, 0, 256 << 20)?;
        between("store.hold_bytes", self.hold_bytes, 1 << 10, 64 << 20)?;
        between("store.max_fault_keys", self.max_fault_keys, 1, 256)?;
        between("store.events_max_bytes", self.events_max_bytes, Self::LEAST_BYTES, Self::MOST_BYTES)?;
        between("store.events_max_age_seconds", self.events_max_age_seconds, 1, Self::MOST_SECONDS)?;
        between("store.windows_max_bytes", self.windows_max_bytes, Self::LEAST_BYTES, Self::MOST_BYTES)?;
        between("store.outbox_max_bytes", self.outbox_max_bytes, Self::LEAST_BYTES, Self::MOST_BYTES)?;
        between("store.outbox_max_age_seconds", self.outbox_max_age_seconds, 1, Self::MOST_SECONDS)?;
        between("store.outbox_max_frames", self.outbox_max_frames, 1, 1 << 32)
    }
}

impl SourcesConfig {
    fn check(&self) -> Checked {
        between("sources.max_line_bytes", self.max_line_bytes, 64, 1 << 20)?;
        for address in &self.syslog_udp {
            let problem =
                || format!("holds {address:?}, but may only hold loopback addresses like \"127.0.0.1:5514\"");
            let loopback = address.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback());
            demand(loopback, "sources.syslog_udp", problem())?;
        }
        for replay in &self.replay {
            let problem = format!("has speed {}, but a speed is 0 or more", replay.speed);
            demand(replay.speed.is_finite() && replay.speed >= 0.0, "sources.replay", problem)?;
        }
        Ok(())
    }
}

impl LinkConfig {
    fn check(&self) -> Checked {
        let known_scheme = ["mqtt://", "mqtts://"].iter().any(|scheme| self.broker.starts_with(scheme));
        let problem =
            format!("is {:?}, but must be mqtt://HOST:PORT, mqtts://HOST:PORT or empty", self.broker);
        demand(self.broker.is_empty() || known_scheme, "link.broker", problem)?;
        between("link.every_seconds", self.every_seconds, 1, 86_400)?;
        between("link.keep_alive_seconds", self.keep_alive_seconds, 5, 3600)?;
        between("link.backoff_min_millis", self.backoff_min_millis, 1, 3_600_000)?;
        between("link.backoff_max_millis", self.backoff_max_millis, self.backoff_min_millis, 86_400_000)?;
        between("link.drain_bytes_per_second", self.drain_bytes_per_second, 1, u64::from(u32::MAX))?;
        between("link.message_bytes", self.message_bytes, 1024, MAX_MESSAGE_BYTES as u64)?;
        between("link.resend_seconds", self.resend_seconds, 1, 86_400)?;
        between("link.stuck_seconds", self.stuck_seconds, 1, 86_400)
    }
}

impl ModelConfig {
    fn check(&self) -> Checked {
        between("model.max_bytes", self.max_bytes, 1024, 256 << 20)?;
        between("model.max_keys", self.max_keys, 1, 1 << 20)?;
        between("model.trial_windows", self.trial_windows, 2, 100_000)?;
        between("model.trial_verdicts", self.trial_verdicts, 1, 1_000_000)?;
        between("model.trial_max_alarm_percent", self.trial_max_alarm_percent, 0, 100)?;
        between("model.trial_max_alone_percent", self.trial_max_alone_percent, 0, 100)?;
        for key in &self.trusted_keys {
            let problem = format!("holds {key:?}, but a public key is 64 hexadecimal digits");
            demand(public_key(key).is_some(), "model.trusted_keys", problem)?;
        }
        Ok(())
    }

    /// The keys whose signature is believed.
    #[must_use]
    pub fn public_keys(&self) -> Vec<PublicKey> {
        self.trusted_keys.iter().filter_map(|text| public_key(text)).collect()
    }
}

impl ClockConfig {
    fn check(&self) -> Checked {
        const MOST_SECONDS: u64 = 20 * 366 * 86_400;
        between("clock.parked_seconds", self.parked_seconds, 86_400, MOST_SECONDS)?;
        between("clock.steady_seconds", self.steady_seconds, 10, 86_400)?;
        between("clock.provisional_seconds", self.provisional_seconds, 0, 7 * 86_400)?;
        let problem = format!("is {:?}, but must be 32 hexadecimal digits or empty", self.boot_id);
        demand(self.boot_id.is_empty() || parse_boot_id(&self.boot_id).is_some(), "clock.boot_id", problem)
    }
}

impl LogConfig {
    fn check(&self) -> Checked {
        let problem = format!("is {:?}, but must be error, warn, info, debug or trace", self.level);
        demand(self.level.parse::<tracing::Level>().is_ok(), "log.level", problem)
    }
}

fn public_key(text: &str) -> Option<PublicKey> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes?.try_into().ok().filter(|_| rest.is_empty()).map(PublicKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> Config {
        Config { tail: "TC-JJA".to_owned(), ..Config::default() }
    }

    fn refused(change: impl FnOnce(&mut Config)) -> String {
        let mut config = valid();
        change(&mut config);
        config.check().expect_err("refused").to_string()
    }

    #[test]
    fn the_defaults_only_lack_a_tail() {
        assert_eq!(valid().check(), Ok(()));
        assert_eq!(Config::default().check().expect_err("refused").key, "tail");
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        assert!(refused(|config| config.tail = "TC/JJA".to_owned()).contains("`tail` is \"TC/JJA\""));
        assert!(refused(|config| config.window_seconds = 0).contains("`window_seconds` is 0"));
        assert!(refused(|config| config.store.max_fault_keys = 257).contains("from 1 to 256"));
        assert!(
            refused(|config| config.sources.syslog_udp = vec!["0.0.0.0:514".to_owned()]).contains("loopback")
        );
        assert!(refused(|config| config.link.broker = "http://x".to_owned()).contains("mqtt://"));
        assert!(refused(|config| config.link.backoff_max_millis = 1).contains("`link.backoff_max_millis`"));
        assert!(refused(|config| config.model.trial_windows = 1).contains("from 2 to"));
        assert!(refused(|config| config.model.trial_max_alarm_percent = 101).contains("from 0 to 100"));
        assert!(refused(|config| config.log.level = "loud".to_owned()).contains("`log.level`"));
    }

    #[test]
    fn a_public_key_is_64_hexadecimal_digits() {
        assert_eq!(
            public_key(&"0aF1".repeat(16)),
            Some(PublicKey([0x0a, 0xf1].repeat(16).try_into().expect("32")))
        );
        for text in ["", "0a", &"0g".repeat(32), &"0a".repeat(33), &format!("{}a", "0a".repeat(32))] {
            assert_eq!(public_key(text), None, "{text}");
        }
    }
}
