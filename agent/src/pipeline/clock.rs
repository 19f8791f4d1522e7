//! What time it is. The engine asks a [`Clock`], so that tests say what it answers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cabinwatch_shared::time::UnixMillis;
use nix::time::{ClockId, clock_gettime};

/// The two clocks the engine needs.
pub trait Clock {
    /// The wall clock. It may be wrong, and may step.
    fn wall(&self) -> UnixMillis;
    /// Time since the machine booted, sleep included. It never steps.
    fn since_boot(&self) -> Duration;
}

/// The system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> UnixMillis {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        UnixMillis(match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => millis(after),
            Err(before) => -millis(before.duration()),
        })
    }

    fn since_boot(&self) -> Duration {
        // The clock exists on every kernel the agent runs on; standing still is the harmless answer where it did not.
        clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
    }
}
