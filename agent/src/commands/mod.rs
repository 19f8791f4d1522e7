//! What the subcommands do. Each gathers its data in one function and prints it in another, to a writer it is given.

pub mod check_config;
pub mod diag;
mod error;
pub mod export;
pub mod model;
pub mod record;
pub mod rules_test;
pub mod run;
pub mod status;
mod table;
pub mod windows;

pub use error::CommandError;

use cabinwatch_shared::time::UnixMillis;

use crate::config::{Config, ConfigError};
use crate::pipeline::Settings;
use crate::pipeline::clock::{Clock, SystemClock};
use crate::pipeline::state::State;
use crate::store::{Reader, StoreError};

/// The database as the commands see it: a read-only connection, and the state as the agent would have it after a
/// restart at this moment.
pub struct Snapshot {
    /// The connection.
    pub reader: Reader,
    /// The state.
    pub state: State,
    /// The wall clock.
    pub now: UnixMillis,
}

impl Snapshot {
    /// Reads the database a configuration names, whether or not the agent runs.
    ///
    /// # Errors
    /// When there is none, or it can't be read.
    pub fn take(config: &Config, settings: &Settings) -> Result<Self, CommandError> {
        let path = &config.store.path;
        let failed = |source: StoreError| CommandError::store(path, source);
        let mut reader = Reader::open(path).map_err(failed)?;
        let state = reader.restore(
            |names, checkpoint| State::from_checkpoint(checkpoint, names, settings.length),
            |names, state, group| state.apply(names, group),
        );
        Ok(Self { state: state.map_err(failed)?, reader, now: SystemClock.wall() })
    }
}

/// The engine's settings of a configuration that was loaded, and so checked.
fn settings(config: &Config) -> Result<Settings, CommandError> {
    Settings::from_config(config).map_err(|error: ConfigError| CommandError::Config(error.into()))
}

#[cfg(test)]
mod tests;
