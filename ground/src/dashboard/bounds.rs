//! How sure a rate is: few attempts say little.

use cabinwatch_shared::rate::Counts;

/// The two-sided 95 % point of the normal distribution.
const NORMAL_95: f64 = 1.959_963_984_540_054;

/// Between what the true rate lies, in percent, with 95 % confidence: Wilson's score interval, which holds also for
/// few attempts and for rates near 0 and 100 %. None without an attempt.
pub(super) fn wilson(counts: Counts) -> Option<(f64, f64)> {
    let attempts = counts.total();
    if attempts == 0 {
        return None;
    }
    let (n, share) = (attempts as f64, counts.fail as f64 / attempts as f64);
    let z2 = NORMAL_95 * NORMAL_95;
    let centre = share + z2 / (2.0 * n);
    let half = NORMAL_95 * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    let percent = |share: f64| (100.0 * share).clamp(0.0, 100.0);
    Some((percent((centre - half) / scale), percent((centre + half) / scale)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rounded(fail: u64, success: u64) -> Option<(f64, f64)> {
        let two = |value: f64| (value * 100.0).round() / 100.0;
        wilson(Counts { fail, success }).map(|(low, high)| (two(low), two(high)))
    }

    /// Values of `statsmodels.stats.proportion.proportion_confint(..., method="wilson")`.
    #[test]
    fn the_bounds_are_wilsons() {
        assert_eq!(rounded(0, 0), None);
        assert_eq!(rounded(61, 39), Some((51.20, 69.98)));
        assert_eq!(rounded(0, 10), Some((0.0, 27.75)));
        assert_eq!(rounded(1, 0), Some((20.65, 100.0)));
        assert_eq!(rounded(5, 95), Some((2.15, 11.18)));
    }

    proptest! {
        #[test]
        fn the_rate_lies_between_its_bounds(fail in 0_u64..1 << 53, success in 0_u64..1 << 53) {
            prop_assume!(fail + success > 0);
            let (low, high) = wilson(Counts { fail, success }).expect("there are attempts");
            let rate = 100.0 * fail as f64 / (fail + success) as f64;
            prop_assert!(0.0 <= low && low <= rate + 1e-9 && rate - 1e-9 <= high && high <= 100.0);
        }
    }
}
