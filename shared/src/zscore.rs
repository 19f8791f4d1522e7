//! The z score of a rate against its fault key's own history.

use serde::{Deserialize, Serialize};

use crate::rate::Rate;

/// The threshold of today's users: a rate more than three standard deviations above its mean.
pub const DEFAULT_THRESHOLD: f64 = 3.0;

/// Mean and spread of one key's rates over the training rows, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyStatistics {
    /// Rows (windows with at least one failure) the figures come from; at least one.
    pub samples: u64,
    /// Mean of `fail_rate`.
    pub mean_rate: f64,
    /// Sample standard deviation (n - 1) of `fail_rate`; absent for a single row.
    pub std_rate: Option<f64>,
}

/// Running sums of rates. Sums of whole hundredths are exact, so the statistics depend neither on the order of
/// the rows nor on how many threads read them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateSums {
    rows: u64,
    sum: u64,
    sum_of_squares: u128,
}

impl RateSums {
    /// Takes in one row.
    pub fn add(&mut self, rate: Rate) {
        let hundredths = u64::from(rate.hundredths());
        self.rows += 1;
        self.sum += hundredths;
        self.sum_of_squares += u128::from(hundredths * hundredths);
    }

    /// Takes in another run of rows.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.sum += other.sum;
        self.sum_of_squares += other.sum_of_squares;
    }

    /// The statistics; none without a row.
    #[must_use]
    pub fn statistics(&self) -> Option<KeyStatistics> {
        if self.rows == 0 {
            return None;
        }
        let rows = u128::from(self.rows);
        let sum = u128::from(self.sum);
        let mean_rate = self.sum as f64 / (100.0 * self.rows as f64);
        let std_rate = (self.rows > 1).then(|| {
            // n * sum(q^2) - sum(q)^2 is never negative, and zero exactly when all rows are alike.
            let scatter = rows * self.sum_of_squares - sum * sum;
            let variance = scatter as f64 / (rows * (rows - 1) * 10_000) as f64;
            libm::sqrt(variance)
        });
        Some(KeyStatistics { samples: self.rows, mean_rate, std_rate })
    }
}

/// A z score, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ZScore {
    /// `(fail_rate - mean_rate) / std_rate`.
    Scored(f64),
    /// No model, so nothing to compare with.
    NoModel,
    /// The model has no statistics of this key.
    UnseenKey,
    /// The statistics rest on a single row: no spread.
    TooFewSamples,
    /// All training rows had the same rate: no spread.
    ZeroVariance,
}

/// The status column: what stands in `z_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZStatus {
    /// There is a score.
    Scored,
    /// See [`ZScore::NoModel`].
    NoModel,
    /// See [`ZScore::UnseenKey`].
    UnseenKey,
    /// See [`ZScore::TooFewSamples`].
    TooFewSamples,
    /// See [`ZScore::ZeroVariance`].
    ZeroVariance,
}

impl ZStatus {
    /// The column's text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scored => "scored",
            Self::NoModel => "no_model",
            Self::UnseenKey => "unseen_key",
            Self::TooFewSamples => "too_few_samples",
            Self::ZeroVariance => "zero_variance",
        }
    }
}

impl ZScore {
    /// Scores a rate against its key's statistics.
    #[must_use]
    pub fn of(rate: Rate, statistics: Option<&KeyStatistics>) -> Self {
        match statistics {
            None => Self::UnseenKey,
            Some(KeyStatistics { std_rate: None, .. }) => Self::TooFewSamples,
            Some(KeyStatistics { std_rate: Some(std_rate), .. }) if *std_rate == 0.0 => Self::ZeroVariance,
            Some(KeyStatistics { mean_rate, std_rate: Some(std_rate), .. }) => {
                Self::Scored((rate.percent() - mean_rate) / std_rate)
            }
        }
    }

    /// The score, where there is one.
    #[must_use]
    pub const fn value(self) -> Option<f64> {
        match self {
            Self::Scored(score) => Some(score),
            _ => None,
        }
    }

    /// Why there is a score or none.
    #[must_use]
    pub const fn status(self) -> ZStatus {
        match self {
            Self::Scored(_) => ZStatus::Scored,
            Self::NoModel => ZStatus::NoModel,
            Self::UnseenKey => ZStatus::UnseenKey,
            Self::TooFewSamples => ZStatus::TooFewSamples,
            Self::ZeroVariance => ZStatus::ZeroVariance,
        }
    }

    /// One-sided: only a rate *above* its mean is a fault. A key without a score never is one.
    #[must_use]
    pub fn is_anomaly(self, threshold: f64) -> bool {
        matches!(self, Self::Scored(score) if score > threshold)
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn sums(hundredths: &[u16]) -> RateSums {
        let mut sums = RateSums::default();
        hundredths.iter().for_each(|&value| sums.add(Rate::from_hundredths(value).expect("a rate")));
        sums
    }

    #[test]
    fn mean_and_sample_deviation() {
        let statistics = sums(&[100, 200, 300, 400]).statistics().expect("rows");
        assert_eq!(statistics.mean_rate, 2.5);
        assert_eq!(statistics.std_rate, Some(1.290_994_448_735_805_6));
    }

    #[test]
    fn a_single_row_has_no_deviation_and_no_score() {
        let statistics = sums(&[4200]).statistics().expect("a row");
        assert_eq!(statistics, KeyStatistics { samples: 1, mean_rate: 42.0, std_rate: None });
        let full = Rate::from_hundredths(Rate::FULL).expect("a rate");
        assert_eq!(ZScore::of(full, Some(&statistics)), ZScore::TooFewSamples);
        assert!(!ZScore::of(full, Some(&statistics)).is_anomaly(DEFAULT_THRESHOLD));
    }

    #[test]
    fn equal_rows_have_exactly_no_variance() {
        let statistics = sums(&[3333; 1000]).statistics().expect("rows");
        assert_eq!(statistics.std_rate, Some(0.0));
        assert_eq!(
            ZScore::of(Rate::from_hundredths(9999).expect("a rate"), Some(&statistics)),
            ZScore::ZeroVariance
        );
    }

    #[test]
    fn the_threshold_is_strict_and_one_sided() {
        assert!(!ZScore::Scored(3.0).is_anomaly(3.0));
        assert!(ZScore::Scored(3.000_000_1).is_anomaly(3.0));
        assert!(!ZScore::Scored(-9.0).is_anomaly(3.0));
        assert!(!ZScore::UnseenKey.is_anomaly(3.0));
    }

    proptest! {
        #[test]
        fn merging_gives_what_one_pass_gives(left in prop::collection::vec(0_u16..=10_000, 0..50), right in prop::collection::vec(0_u16..=10_000, 0..50)) {
            let mut merged = sums(&left);
            merged.merge(&sums(&right));
            let all: Vec<u16> = left.iter().chain(&right).copied().collect();
            prop_assert_eq!(merged, sums(&all));
        }

        #[test]
        fn agrees_with_the_textbook_formula(values in prop::collection::vec(0_u16..=10_000, 2..200)) {
            let statistics = sums(&values).statistics().expect("rows");
            let rates: Vec<f64> = values.iter().map(|&value| f64::from(value) / 100.0).collect();
            let mean = rates.iter().sum::<f64>() / rates.len() as f64;
            let variance = rates.iter().map(|rate| (rate - mean) * (rate - mean)).sum::<f64>() / (rates.len() - 1) as f64;
            prop_assert!((statistics.mean_rate - mean).abs() <= 1e-9);
            prop_assert!((statistics.std_rate.expect("two rows") - variance.sqrt()).abs() <= 1e-9);
        }
    }
}
