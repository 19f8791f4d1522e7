//! Counts of one row, and the failure rate with its exact rounding.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Failures of one fault key in one window, and the successes of its point in that window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Failed attempts.
    pub fail: u64,
    /// Successful attempts of the same point; all fault keys of a point share them.
    pub success: u64,
}

impl Counts {
    /// Attempts in all.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.fail.saturating_add(self.success)
    }

    /// `round_half_up(100 * fail / total, 2)`; no rate without an attempt.
    ///
    /// Computed on whole numbers, so that ties (12.345) round up as written and never by the accident of a
    /// binary fraction.
    #[must_use]
    pub const fn rate(self) -> Option<Rate> {
        let total = self.total() as u128;
        if total == 0 {
            return None;
        }
        let hundredths = (self.fail as u128 * 2 * Rate::FULL as u128 + total) / (2 * total);
        Some(Rate(hundredths as u16))
    }
}

/// A failure rate in hundredths of a percent: 0 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u16);

impl Rate {
    /// One hundred percent, in hundredths of a percent.
    pub const FULL: u16 = 10_000;

    /// A rate of that many hundredths of a percent; none above one hundred percent.
    #[must_use]
    pub const fn from_hundredths(hundredths: u16) -> Option<Self> {
        if hundredths <= Self::FULL { Some(Self(hundredths)) } else { None }
    }

    /// The rate in hundredths of a percent.
    #[must_use]
    pub const fn hundredths(self) -> u16 {
        self.0
    }

    /// The rate in percent: the double nearest to the two decimals, as a table or a CSV would hold it.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

/// Two decimals, no percent sign.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hundredths(fail: u64, success: u64) -> Option<u16> {
        Counts { fail, success }.rate().map(Rate::hundredths)
    }

    #[test]
    fn ties_round_up() {
        // 1 of 800 is 0.125 %, 7 of 160 is 4.375 %, 1 of 32 is 3.125 %.
        assert_eq!(hundredths(1, 799), Some(13));
        assert_eq!(hundredths(7, 153), Some(438));
        assert_eq!(hundredths(1, 31), Some(313));
    }

    #[test]
    fn the_ends_are_exact() {
        assert_eq!(hundredths(0, 0), None);
        assert_eq!(hundredths(0, 9), Some(0));
        assert_eq!(hundredths(9, 0), Some(Rate::FULL));
        assert_eq!(hundredths(u64::MAX, 0), Some(Rate::FULL));
        assert_eq!(hundredths(1, 2), Some(3333));
        assert_eq!(hundredths(2, 1), Some(6667));
    }

    proptest! {
        #[test]
        fn the_rounded_rate_is_within_half_a_hundredth(fail in 0_u64..1_000_000_000, success in 0_u64..1_000_000_000) {
            prop_assume!(fail + success > 0);
            let rate = Counts { fail, success }.rate().expect("there are attempts");
            let total = u128::from(fail + success);
            let twice_error = 2 * 10_000 * i128::from(fail) - 2 * i128::from(rate.hundredths()) * total as i128;
            // Half up: the exact value lies in [rate - 0.5, rate + 0.5) hundredths.
            prop_assert!(-(total as i128) <= twice_error && twice_error < total as i128);
        }
    }
}
