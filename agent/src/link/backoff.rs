//! How long to wait before connecting again.

use std::time::Duration;

/// A connection that held this long was a good one: the next failure starts from the shortest wait again.
const STABLE: Duration = Duration::from_secs(60);

/// Exponential backoff with full jitter: a wait is anywhere between nothing and a bound that doubles with each
/// failure, so that a fleet that lost its broker at one moment doesn't come back at one moment. It holds no clock and
/// no randomness of its own; both are arguments.
#[derive(Clone, Debug)]
pub struct Backoff {
    shortest: Duration,
    longest: Duration,
    bound: Duration,
}

impl Backoff {
    /// Starts at `shortest` and never goes beyond `longest`.
    #[must_use]
    pub fn new(shortest: Duration, longest: Duration) -> Self {
        let shortest = shortest.max(Duration::from_millis(1));
        Self { shortest, longest: longest.max(shortest), bound: shortest }
    }

    /// The wait after a failure. `random` is uniform over all of `u32`.
    pub fn after_failure(&mut self, random: u32) -> Duration {
        let bound = self.bound;
        self.bound = (bound * 2).min(self.longest);
        bound.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// The next failure starts from the shortest wait.
    pub fn reset(&mut self) {
        self.bound = self.shortest;
    }

    /// Tells how long the connection that just ended had held.
    pub fn held(&mut self, duration: Duration) {
        if duration >= STABLE {
            self.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn longest_waits(backoff: &mut Backoff, count: usize) -> Vec<u64> {
        (0..count).map(|_| backoff.after_failure(u32::MAX).as_secs()).collect()
    }

    #[test]
    fn the_bound_doubles_up_to_the_longest_wait() {
        let mut backoff = Backoff::new(SECOND, 10 * SECOND);
        assert_eq!(longest_waits(&mut backoff, 6), [1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn jitter_reaches_from_nothing_to_the_bound() {
        let mut backoff = Backoff::new(8 * SECOND, 8 * SECOND);
        assert_eq!(backoff.after_failure(0), Duration::ZERO);
        assert_eq!(backoff.after_failure(u32::MAX / 2).as_secs(), 3);
        assert_eq!(backoff.after_failure(u32::MAX), 8 * SECOND);
    }

    #[test]
    fn a_stable_connection_starts_over_and_a_short_one_does_not() {
        let mut backoff = Backoff::new(SECOND, 60 * SECOND);
        longest_waits(&mut backoff, 3);
        backoff.held(STABLE - SECOND);
        assert_eq!(longest_waits(&mut backoff, 1), [8]);
        backoff.held(STABLE);
        assert_eq!(longest_waits(&mut backoff, 2), [1, 2]);
    }

    #[test]
    fn a_day_without_a_link_is_some_three_hundred_attempts() {
        let link = crate::config::LinkConfig::default();
        let mut backoff = Backoff::new(
            Duration::from_millis(link.backoff_min_millis),
            Duration::from_millis(link.backoff_max_millis),
        );
        // Nobody answers, so each attempt takes as long as it may.
        let attempt = Duration::from_secs(30);
        let (mut passed, mut attempts) = (Duration::ZERO, 0);
        while passed < 86_400 * SECOND {
            passed += attempt + backoff.after_failure(u32::MAX / 2);
            attempts += 1;
        }
        assert!((250..300).contains(&attempts), "{attempts}");
    }

    #[test]
    fn a_longest_wait_below_the_shortest_means_the_shortest() {
        let mut backoff = Backoff::new(4 * SECOND, SECOND);
        assert_eq!(longest_waits(&mut backoff, 2), [4, 4]);
    }
}
