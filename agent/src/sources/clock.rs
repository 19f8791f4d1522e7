//! The wall clock, as events are dated by it.

use std::time::{SystemTime, UNIX_EPOCH};

use cabinwatch_shared::time::UnixMillis;

/// Now.
#[must_use]
pub fn now() -> UnixMillis {
    let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()),
        Err(before) => i64::try_from(before.duration().as_millis()).map(|millis| -millis),
    };
    UnixMillis(millis.unwrap_or(i64::MAX))
}
