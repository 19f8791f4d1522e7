//! What the link tells `status`.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Counters that the link writes and anyone reads.
#[derive(Debug, Default)]
pub struct LinkStats {
    connected: AtomicBool,
    last_connected: AtomicI64,
    next_contact: AtomicI64,
    messages: AtomicU64,
    bytes: AtomicU64,
    last_heard: AtomicI64,
    trouble: Mutex<Option<Trouble>>,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What went wrong the last time.
    pub error: String,
    /// Unix seconds of the next attempt.
    pub next_attempt: i64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkSnapshot {
    /// Whether the broker has let us in and the line holds.
    pub connected: bool,
    /// Unix seconds of the last connection; none if there was none since the start.
    pub last_connected: Option<i64>,
    /// Unix seconds of the next scheduled contact; none while connected or trying to be.
    pub next_contact: Option<i64>,
    /// Messages handed to the broker since the start, resent ones included.
    pub messages: u64,
    /// Their payload bytes.
    pub bytes: u64,
}

impl LinkStats {
    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> LinkSnapshot {
        let last = self.last_connected.load(Ordering::Relaxed);
        let next = self.next_contact.load(Ordering::Relaxed);
        LinkSnapshot {
            connected: self.connected.load(Ordering::Relaxed),
            last_connected: (last > 0).then_some(last),
            next_contact: (next > 0).then_some(next),
            messages: self.messages.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// Unix seconds of the last word from the broker.
    #[must_use]
    pub fn last_heard(&self) -> Option<i64> {
        Some(self.last_heard.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }

    /// Why there is no connection; none while there is one, or the first is being made.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn heard(&self) {
        self.last_heard.store(now_seconds(), Ordering::Relaxed);
    }

    pub(super) fn failed(&self, error: &str, pause: Duration) {
        let seconds = i64::try_from(pause.as_secs()).unwrap_or(i64::MAX);
        let trouble =
            Trouble { error: error.to_owned(), next_attempt: now_seconds().saturating_add(seconds) };
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
    }

    pub(super) fn connected(&self) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.last_connected.store(now_seconds(), Ordering::Relaxed);
        self.connected.store(true, Ordering::Relaxed);
    }

    pub(super) fn next_contact_in(&self, seconds: u32) {
        let at = crate::sources::now().seconds().0.saturating_add(seconds.into());
        self.next_contact.store(at, Ordering::Relaxed);
    }

    pub(super) fn tries(&self) {
        self.next_contact.store(0, Ordering::Relaxed);
    }

    pub(super) fn disconnected(&self) {
        self.connected.store(false, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

fn now_seconds() -> i64 {
    crate::sources::now().seconds().0
}
