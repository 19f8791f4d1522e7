//! What the engine takes from the configuration.

use std::num::NonZeroU32;
use std::time::Duration;

use cabinwatch_shared::window::WindowLength;

use super::clock::parse_boot_id;
use super::counting::CountingLimits;
use super::timekeeping::ClockSettings;
use crate::config::{Config, ConfigError};
use crate::model::Demands;
use crate::store::{Limits, Retention};

/// Most keys in memory over all open windows: as many as seven windows full of keys have.
const KEYS_IN_MEMORY: usize = 4096;

/// Most keys that the database holds for its log: some 2 MiB as keys usually are, 9 MiB if each were as long as it may be.
/// Four times what memory holds, so that there is always something older to give than what is in use.
pub const KEYS_IN_FILE: u64 = 16_384;

/// What waits for a time of day may take one part in so many of what the log may hold.
const PROVISIONAL_SHARE: u64 = 8;

/// The engine's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long windows are.
    pub length: WindowLength,
    /// What events are judged by.
    pub counting: CountingLimits,
    /// A group is committed when it holds this many events…
    pub group_events: u64,
    /// …or when its first one has waited this long.
    pub group_wait: Duration,
    /// This much of the file is kept free.
    pub reserve_bytes: u64,
    /// While nothing can be written, events are counted until they take this many bytes of memory.
    pub hold_bytes: u64,
    /// How much the file may hold.
    pub retention: Retention,
    /// Which models are taken.
    pub demands: Demands,
    /// When the clock is believed.
    pub clock: ClockSettings,
}

impl Settings {
    /// Takes them from a configuration.
    ///
    /// # Errors
    /// When the configuration is not valid.
    pub fn from_config(config: &Config) -> Result<Self, ConfigError> {
        config.check()?;
        let store = &config.store;
        let length =
            NonZeroU32::new(config.window_seconds).map_or(WindowLength::FIVE_MINUTES, WindowLength::seconds);
        let history = |bytes| Limits { bytes, age_seconds: store.events_max_age_seconds, rows: u64::MAX };
        Ok(Self {
            length,
            counting: CountingLimits {
                lateness_seconds: config.lateness_seconds,
                max_future_seconds: config.max_future_seconds,
                keys: usize::from(store.max_fault_keys),
                keys_in_memory: KEYS_IN_MEMORY,
            },
            group_events: u64::from(store.group_events),
            group_wait: Duration::from_millis(u64::from(store.group_millis)),
            reserve_bytes: store.reserve_bytes,
            hold_bytes: store.hold_bytes.into(),
            retention: Retention {
                outbox: Limits {
                    bytes: store.outbox_max_bytes,
                    age_seconds: store.outbox_max_age_seconds,
                    rows: store.outbox_max_frames,
                },
                events: history(store.events_max_bytes),
                windows: history(store.windows_max_bytes),
                keys: KEYS_IN_FILE,
            },
            demands: Demands::from_config(config),
            clock: ClockSettings {
                trust: config.clock.trust,
                marks: config.clock.synchronised_files.clone(),
                boot: parse_boot_id(&config.clock.boot_id),
                parked: Duration::from_secs(config.clock.parked_seconds),
                steady: Duration::from_secs(config.clock.steady_seconds),
                provisional: Duration::from_secs(config.clock.provisional_seconds),
                provisional_bytes: store.events_max_bytes / PROVISIONAL_SHARE,
            },
        })
    }
}
