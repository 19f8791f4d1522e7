//! What the link tells `status`.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// Counters that the link writes and anyone reads.
#[derive(Debug, Default)]
pub struct LinkStats {
    connected: AtomicBool,
    last_connected: AtomicI64,
    next_contact: AtomicI64,
    messages: AtomicU64,
    bytes: AtomicU64,
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

    pub(super) fn connected(&self) {
        self.last_connected.store(crate::sources::now().seconds().0, Ordering::Relaxed);
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
