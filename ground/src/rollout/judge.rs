//! Whether a model may go on to another cohort.

use super::{Numbers, Rollout};
use crate::config::ModelConfig;

/// What a cohort must show before its model goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// So many aircraft at least must have passed the trial…
    pub min_aircraft: u32,
    /// …and this share of the cohort's, in percent.
    pub min_passed_percent: u8,
    /// At most this share may have rolled it back or refused it, in percent.
    pub max_failed_percent: u8,
}

/// Why a model should not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// Aircraft were better off without it.
    #[error("{failed} of {aircraft} aircraft rolled it back or refused it; at most {allowed} % may")]
    Failed {
        /// So many did.
        failed: usize,
        /// Of so many.
        aircraft: usize,
        /// The limit in percent.
        allowed: u8,
    },
    /// Not enough aircraft to tell.
    #[error(
        "{passed} of {aircraft} aircraft have passed its trial; it takes {share} % of them, and {least} at least"
    )]
    TooFew {
        /// So many did.
        passed: usize,
        /// Of so many.
        aircraft: usize,
        /// The share it takes, in percent.
        share: u8,
        /// The number it takes.
        least: u32,
    },
}

impl Rules {
    /// What the configuration says; one aircraft at least, since none proves nothing.
    #[must_use]
    pub fn from_config(config: &ModelConfig) -> Self {
        Self {
            min_aircraft: config.promote_min_aircraft.max(1),
            min_passed_percent: config.promote_min_passed_percent,
            max_failed_percent: config.promote_max_failed_percent,
        }
    }

    /// Judges a rollout.
    ///
    /// # Errors
    /// The gravest objection.
    pub fn judge(&self, rollout: &Rollout) -> Result<(), Objection> {
        let Numbers { aircraft, passed, rolled_back, refused, .. } = rollout.numbers();
        let failed = rolled_back + refused;
        if failed * 100 > usize::from(self.max_failed_percent) * aircraft {
            return Err(Objection::Failed { failed, aircraft, allowed: self.max_failed_percent });
        }
        let enough = passed * 100 >= usize::from(self.min_passed_percent) * aircraft;
        if !enough || passed < self.min_aircraft as usize {
            let (share, least) = (self.min_passed_percent, self.min_aircraft);
            return Err(Objection::TooFew { passed, aircraft, share, least });
        }
        Ok(())
    }
}
