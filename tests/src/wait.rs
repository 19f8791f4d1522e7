//! Waiting for a condition, never for a time.

use std::thread;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(20);

/// Asks until there is an answer. `limit` only keeps a broken program from hanging the tests: it is far above
/// what a slow machine needs, and no test judges speed by it.
///
/// # Panics
/// When there is none within `limit`; `what` says what was waited for.
pub fn eventually<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < limit, "waited {} s in vain for {what}", limit.as_secs());
        thread::sleep(PAUSE);
    }
}
