//! A thread's promise to show up again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Nothing is promised.
const EXCUSED: u64 = u64::MAX;

/// A thread's sign of life, which another thread can look at. It says by when the thread shows up again, so that a
/// thread that sleeps for a minute because nothing is due is told from one that hangs.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    base: Instant,
    /// In milliseconds after `base`; 0 until the thread has begun.
    due: Arc<AtomicU64>,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { base: Instant::now(), due: Arc::default() }
    }
}

impl Heartbeat {
    /// The thread is at work, and shows up again at once.
    pub fn beat(&self) {
        self.beat_again_within(Duration::ZERO);
    }

    /// The thread will sleep for this long at most.
    pub fn beat_again_within(&self, wait: Duration) {
        let due = u64::try_from((self.base.elapsed() + wait).as_millis()).unwrap_or(EXCUSED);
        self.due.store(due.max(1), Ordering::Relaxed);
    }

    /// The thread waits for another one, which has a heartbeat of its own, or it is done.
    pub fn excuse(&self) {
        self.due.store(EXCUSED, Ordering::Relaxed);
    }

    /// Whether the thread has shown up at all.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.due.load(Ordering::Relaxed) != 0
    }

    /// How long the thread has been missing.
    #[must_use]
    pub fn missing_for(&self) -> Duration {
        match self.due.load(Ordering::Relaxed) {
            EXCUSED => Duration::ZERO,
            due => self.base.elapsed().saturating_sub(Duration::from_millis(due)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG_AGO: Duration = Duration::from_secs(100);

    fn begun_long_ago() -> Heartbeat {
        let base = Instant::now().checked_sub(LONG_AGO).expect("the machine is up for longer");
        Heartbeat { base, due: Arc::default() }
    }

    #[test]
    fn a_thread_that_never_shows_up_is_missing() {
        let heartbeat = begun_long_ago();
        assert!(!heartbeat.has_begun());
        assert!(heartbeat.missing_for() >= LONG_AGO);
    }

    #[test]
    fn a_thread_is_not_missing_before_its_promise_is_over() {
        let heartbeat = begun_long_ago();
        heartbeat.beat_again_within(Duration::from_secs(60));
        assert!(heartbeat.has_begun());
        assert_eq!(heartbeat.missing_for(), Duration::ZERO);
    }

    #[test]
    fn a_thread_that_waits_for_another_is_never_missing() {
        let heartbeat = begun_long_ago();
        heartbeat.excuse();
        assert!(heartbeat.has_begun());
        assert_eq!(heartbeat.missing_for(), Duration::ZERO);
    }

    #[test]
    fn whoever_holds_a_copy_sees_the_beat() {
        let heartbeat = begun_long_ago();
        let seen = heartbeat.clone();
        heartbeat.beat_again_within(Duration::from_secs(60));
        assert_eq!(seen.missing_for(), Duration::ZERO);
    }
}
