//! That nothing can be written, from the thread that has to, for those that tell it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Writing works.
const NEVER: u64 = u64::MAX;

/// Since when nothing can be written to the database; all copies show the same.
#[derive(Clone, Debug)]
pub struct UnwritableSince(Arc<AtomicU64>);

impl Default for UnwritableSince {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(NEVER)))
    }
}

impl UnwritableSince {
    /// Nothing can be written from this moment on, by the boot clock; it stands until it ends.
    pub fn begin(&self, now: Duration) {
        // Whoever said it first is right.
        let _ = self.0.compare_exchange(NEVER, now.as_secs(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Writing works again.
    pub fn end(&self) {
        self.0.store(NEVER, Ordering::Relaxed);
    }

    /// In seconds since the boot; none while writing works.
    #[must_use]
    pub fn seconds(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|seconds| *seconds != NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_from_the_first_failure_until_writing_works() {
        let engine = UnwritableSince::default();
        let shown = engine.clone();
        assert_eq!(shown.seconds(), None);
        engine.begin(Duration::from_secs(7));
        engine.begin(Duration::from_secs(9));
        assert_eq!(shown.seconds(), Some(7));
        engine.end();
        assert_eq!(shown.seconds(), None);
    }
}
