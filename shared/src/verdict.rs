//! What the detectors say of one row.

use serde::{Deserialize, Serialize};

use crate::forest::ForestScore;
use crate::zscore::{KeyStatistics, ZScore};

/// Which detectors call a row an anomaly. Two bits on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Alarms {
    /// The z score is above its threshold (`anomaly_z`).
    pub z: bool,
    /// The forest's score is below its offset (`anomaly_iforest`).
    pub forest: bool,
}

impl Alarms {
    /// Any detector (`anomaly_combined`).
    #[must_use]
    pub const fn any(self) -> bool {
        self.z || self.forest
    }

    /// Both detectors: what a report calls confirmed.
    #[must_use]
    pub const fn confirmed(self) -> bool {
        self.z && self.forest
    }

    /// The two bits: 1 for z, 2 for the forest.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.z as u8 | (self.forest as u8) << 1
    }

    /// Reads the two bits; higher ones belong to detectors yet to come and are ignored.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self { z: bits & 1 != 0, forest: bits & 2 != 0 }
    }
}

/// The scores of one row and what follows from them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The key's statistics, where the model has them.
    pub statistics: Option<KeyStatistics>,
    /// The z score, or why there is none.
    pub z: ZScore,
    /// The forest's score; none without a model or without an attempt.
    pub forest: Option<ForestScore>,
    /// Which detectors alarm.
    pub alarms: Alarms,
}

impl Verdict {
    /// What can be said of a row without a model: nothing.
    pub const UNSCORED: Self = Self {
        statistics: None,
        z: ZScore::NoModel,
        forest: None,
        alarms: Alarms { z: false, forest: false },
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarm_bits_come_back() {
        for bits in 0..4 {
            assert_eq!(Alarms::from_bits(bits).bits(), bits);
        }
        assert_eq!(Alarms::from_bits(0xfc), Alarms::default());
    }
}
