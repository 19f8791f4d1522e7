//! How long to wait before the next attempt.

use std::time::Duration;

use rand::RngExt;

/// Doubles from attempt to attempt up to a limit; each wait is a random part of it, so that many clients of one
/// broker do not come back at the same moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    least: Duration,
    most: Duration,
    attempts: u32,
}

impl Backoff {
    pub const fn new(least: Duration, most: Duration) -> Self {
        Self { least, most, attempts: 0 }
    }

    /// The wait before the next attempt: between half of and the whole of what is due.
    pub fn next(&mut self) -> Duration {
        let due = self.least.saturating_mul(1 << self.attempts.min(16)).min(self.most);
        self.attempts = self.attempts.saturating_add(1);
        due.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// The longest wait.
    pub const fn longest(&self) -> Duration {
        self.most
    }

    /// An attempt worked.
    pub const fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_limit_and_start_over() {
        let (least, most) = (Duration::from_millis(100), Duration::from_secs(5));
        let mut backoff = Backoff::new(least, most);
        for doubled in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            let (due, wait) = (Duration::from_millis(doubled), backoff.next());
            assert!(due / 2 <= wait && wait <= due, "{wait:?} of {due:?}");
        }
        (0..100).for_each(|_| assert!(backoff.next() <= most));
        backoff.reset();
        assert!(backoff.next() <= least);
    }
}
