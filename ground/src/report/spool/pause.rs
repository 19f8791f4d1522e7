//! When to try again.

use std::fs;
use std::io;
use std::time::Duration;

use cabinwatch_shared::time::UnixSeconds;
use serde::{Deserialize, Serialize};

use super::{Spool, SpoolError};
use crate::durable;

/// The wait grows up to this many times the shortest.
const MOST_GROWTH: u32 = 16;

/// Between two attempts to reach the server. It is the server's, not a mail's: no mail can be sent meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pause {
    /// Which server; another one may be tried at once.
    pub server: String,
    /// Attempts that failed in a row.
    pub failures: u32,
    /// Not to be tried again before.
    pub retry_at: UnixSeconds,
    /// What happened the last time.
    pub why: String,
}

/// How long to wait after so many failures.
pub(super) fn wait(shortest: Duration, failures: u32) -> Duration {
    let growth = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(MOST_GROWTH).min(MOST_GROWTH);
    shortest.saturating_mul(growth)
}

/// The instant so long after another one.
pub(super) fn after(now: UnixSeconds, wait: Duration) -> UnixSeconds {
    UnixSeconds(now.0.saturating_add(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX)))
}

impl Spool {
    /// The pause this server is in. What cannot be read is no reason not to try.
    pub(super) fn pause(&self, server: &str) -> Option<Pause> {
        let bytes = fs::read(self.folder.join(PAUSE)).ok()?;
        let pause: Pause = serde_json::from_slice(&bytes).ok()?;
        (pause.server == server).then_some(pause)
    }

    /// The server could not be reached.
    pub(super) fn begin_pause(&self, server: &str, why: &str, now: UnixSeconds) -> Result<(), SpoolError> {
        let failures = self.pause(server).map_or(0, |pause| pause.failures).saturating_add(1);
        let retry_at = after(now, wait(self.retry, failures));
        let pause = Pause { server: server.to_owned(), failures, retry_at, why: why.to_owned() };
        let path = self.folder.join(PAUSE);
        let json = serde_json::to_vec_pretty(&pause).map_err(|error| SpoolError::io(&path, error.into()))?;
        durable::replace(&path, &json).map_err(|source| SpoolError::io(&path, source))
    }

    /// The server was reached.
    pub(super) fn end_pause(&self) -> Result<(), SpoolError> {
        let path = self.folder.join(PAUSE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SpoolError::io(&path, error)),
            _ => Ok(()),
        }
    }
}

const PAUSE: &str = "server.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_sixteen_times_the_shortest() {
        let seconds = |failures| wait(Duration::from_secs(60), failures).as_secs();
        assert_eq!([1, 2, 3, 4, 5, 6, 40].map(seconds), [60, 120, 240, 480, 960, 960, 960]);
        assert_eq!(wait(Duration::ZERO, 9), Duration::ZERO);
    }
}
