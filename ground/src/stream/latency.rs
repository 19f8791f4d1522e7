//! How long answers took: a histogram of fixed size, true to 3 %.

use std::time::Duration;

/// Parts of each power of two.
const PARTS: u64 = 32;
const PART_BITS: u32 = PARTS.trailing_zeros();
/// Enough for every number of microseconds there is.
const BUCKETS: usize = ((u64::BITS - PART_BITS + 1) as usize) * PARTS as usize;

/// Counts durations by their microseconds.
#[derive(Clone, Debug)]
pub(super) struct Latencies {
    buckets: Box<[u64]>,
    count: u64,
    longest: Duration,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS].into_boxed_slice(), count: 0, longest: Duration::ZERO }
    }
}

impl Latencies {
    pub fn add(&mut self, took: Duration) {
        if let Some(bucket) = self.buckets.get_mut(bucket(took.as_micros() as u64)) {
            *bucket += 1;
        }
        self.count += 1;
        self.longest = self.longest.max(took);
    }

    /// The duration that so many percent do not exceed; none before the first.
    pub fn percentile(&self, percent: u64) -> Option<Duration> {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut below = 0;
        let bucket = self.buckets.iter().position(|count| {
            below += count;
            below >= rank
        })?;
        Some(Duration::from_micros(upper(bucket)).min(self.longest))
    }

    pub const fn longest(&self) -> Duration {
        self.longest
    }
}

/// Numbers below [`PARTS`] have a bucket each; above, each power of two has that many.
fn bucket(micros: u64) -> usize {
    let exponent = micros.max(PARTS).ilog2() - PART_BITS;
    (u64::from(exponent) * PARTS + (micros >> exponent)) as usize
}

/// The greatest number in a bucket.
fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let exponent = (bucket / PARTS).saturating_sub(1);
    let first = bucket - exponent * PARTS;
    (((u128::from(first) + 1) << exponent) - 1) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentiles_are_those_of_the_durations() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(50), None);
        (1..=1000).for_each(|millis| latencies.add(Duration::from_millis(millis)));
        let near = |percent, millis: u64| {
            let found = latencies.percentile(percent).expect("there are some").as_secs_f64() * 1000.0;
            assert!((found / millis as f64 - 1.0).abs() < 0.035, "{percent} %: {found} ms");
        };
        near(50, 500);
        near(99, 990);
        assert_eq!(latencies.percentile(100), Some(latencies.longest()));
    }

    proptest! {
        #[test]
        fn a_bucket_is_never_off_by_more_than_a_32nd(micros: u64) {
            let upper = upper(bucket(micros));
            prop_assert!(upper >= micros);
            prop_assert!(upper - micros <= micros / PARTS);
        }
    }
}
