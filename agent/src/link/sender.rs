//! What to send next: a state machine without clock, store or network. [`super::session`] drives it.
//!
//! One sender lives as long as one connection. It splits the outbox at the newest frame it found: what is above is
//! *live* and goes at once, one frame a message; what is at or below is *backlog* and goes many frames a message, at
//! a bounded rate, whenever nothing live waits. Both parts are sent in order, so two numbers say what has been sent.
//!
//! `committed` is the only proof that the ground has a frame, and it is cumulative: a live frame stays uncommitted
//! until the backlog below it has gone through, however long that takes. So time alone must not make the sender repeat
//! a frame. It repeats when the frame right above `committed` was sent and nothing was committed since for
//! `resend_after`; then it sends one message, and more only as commits come back (*recovery*). A ground station that
//! is down costs one message every `resend_after`, not the backlog over and over, and that wait doubles each time.

use std::time::{Duration, Instant};

use cabinwatch_shared::wire::FrameSeq;

use crate::store::OutboxBounds;

/// The limits a sender keeps.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Backlog payload bytes a second.
    pub drain_bytes_per_second: u32,
    /// Without a commit for this long, what was sent is sent again.
    pub resend_after: Duration,
    /// How long backlog waits for the retained acknowledgement after connecting.
    pub ack_wait: Duration,
    /// Most messages the broker has not confirmed.
    pub in_flight: usize,
    /// Most of these that are not live, so that live ones always find room.
    pub backlog_in_flight: usize,
}

/// Why a frame goes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It came while connected.
    Live,
    /// It was there before.
    Backlog,
    /// It was sent before and not committed in time.
    Again,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send one message with frames from `first` on, none beyond `last`, as many as fit.
    Send {
        /// Why.
        kind: Kind,
        /// The first frame.
        first: FrameSeq,
        /// The last frame that may go along.
        last: FrameSeq,
    },
    /// Nothing before this instant, unless something happens.
    WaitUntil(Instant),
    /// Nothing, unless something happens.
    Wait,
}

/// How far everything has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is something to send, or to be confirmed.
    Sending,
    /// The broker has everything; the ground has not said that it stored all of it.
    Sent,
    /// The ground has stored everything.
    Committed,
}

/// The wait before sending again doubles at most so often.
const MOST_DOUBLINGS: u32 = 5;

/// Frames that are sent a second time.
#[derive(Clone, Copy, Debug)]
struct Recovery {
    next: FrameSeq,
    last: FrameSeq,
    /// Messages that may go before the next commit.
    credit: u32,
    /// How many the next commit allows.
    burst: u32,
}

/// Decides what goes next over one connection.
#[derive(Clone, Debug)]
pub struct Sender {
    limits: Limits,
    committed: FrameSeq,
    /// The next frame of the backlog, which ends before `live_first`.
    backlog_next: FrameSeq,
    live_first: FrameSeq,
    live_next: FrameSeq,
    recovery: Option<Recovery>,
    in_flight: usize,
    /// Backlog may go from here on; each message moves it by the time its bytes take.
    drain_at: Instant,
    /// Backlog waits until then for the retained acknowledgement, which may spare it.
    hold_until: Instant,
    /// When `committed` last moved, or the frame right above it was last sent.
    head_at: Instant,
    /// How often that frame was sent again in vain.
    in_vain: u32,
}

impl Sender {
    /// Starts after connecting at `now`, with everything the outbox holds as backlog.
    #[must_use]
    pub fn new(limits: Limits, bounds: OutboxBounds, now: Instant) -> Self {
        let live_first = bounds.newest.next();
        Self {
            limits,
            committed: FrameSeq(bounds.oldest.0.saturating_sub(1)),
            backlog_next: bounds.oldest,
            live_first,
            live_next: live_first,
            recovery: None,
            in_flight: 0,
            drain_at: now,
            hold_until: now + limits.ack_wait,
            head_at: now,
            in_vain: 0,
        }
    }

    /// The ground has stored everything up to `seq`.
    pub fn committed(&mut self, seq: FrameSeq, now: Instant) {
        self.hold_until = now;
        if seq <= self.committed {
            return;
        }
        self.advance(seq);
        self.head_at = now;
        self.in_vain = 0;
        self.recovery = self.recovery.filter(|recovery| seq < recovery.last).map(|recovery| Recovery {
            next: recovery.next.max(seq.next()),
            credit: recovery.burst,
            burst: (recovery.burst * 2).min(self.limits.backlog_in_flight.max(1) as u32),
            ..recovery
        });
    }

    fn advance(&mut self, committed: FrameSeq) {
        self.committed = committed;
        self.backlog_next = self.backlog_next.max(committed.next());
        self.live_next = self.live_next.max(committed.next());
    }

    /// What to do at `now`, with the outbox as it is.
    pub fn next(&mut self, bounds: OutboxBounds, now: Instant) -> Step {
        if bounds.oldest > self.committed.next() {
            // Retention dropped frames that were never committed; they can't be sent any more.
            self.advance(FrameSeq(bounds.oldest.0 - 1));
        }
        if self.in_flight >= self.limits.in_flight {
            return Step::Wait;
        }
        if self.live_next <= bounds.newest {
            return Step::Send { kind: Kind::Live, first: self.live_next, last: self.live_next };
        }
        if self.stalls_at().is_some_and(|at| at <= now) {
            self.recover(now);
        }
        let Some((kind, first, last)) = self.unhurried() else {
            return self.stalls_at().map_or(Step::Wait, Step::WaitUntil);
        };
        if self.in_flight >= self.limits.backlog_in_flight {
            return Step::Wait;
        }
        let allowed_at = self.drain_at.max(self.hold_until);
        if now < allowed_at {
            return Step::WaitUntil(allowed_at);
        }
        Step::Send { kind, first, last }
    }

    /// What may go once the rate allows it.
    fn unhurried(&self) -> Option<(Kind, FrameSeq, FrameSeq)> {
        if let Some(recovery) = self.recovery.filter(|recovery| recovery.credit > 0) {
            return Some((Kind::Again, recovery.next, recovery.last));
        }
        (self.backlog_next < self.live_first)
            .then(|| (Kind::Backlog, self.backlog_next, FrameSeq(self.live_first.0 - 1)))
    }

    /// When the frame right above `committed` will have waited too long; none while it has not been sent.
    fn stalls_at(&self) -> Option<Instant> {
        let head = self.committed.next();
        let sent = head < self.backlog_next || (self.live_first..self.live_next).contains(&head);
        sent.then(|| self.head_at + self.limits.resend_after * (1 << self.in_vain))
    }

    fn recover(&mut self, now: Instant) {
        let last = if self.backlog_next < self.live_first { self.backlog_next } else { self.live_next };
        let last = FrameSeq(last.0.saturating_sub(1));
        self.recovery = Some(Recovery { next: self.committed.next(), last, credit: 1, burst: 2 });
        self.head_at = now;
        self.in_vain = (self.in_vain + 1).min(MOST_DOUBLINGS);
    }

    /// A message with the frames `first..=last` was handed to the client; its payload has `bytes` bytes.
    pub fn sent(&mut self, kind: Kind, first: FrameSeq, last: FrameSeq, bytes: usize, now: Instant) {
        self.in_flight += 1;
        if (first..=last).contains(&self.committed.next()) {
            self.head_at = now;
        }
        self.passed(kind, last);
        if kind != Kind::Live {
            let rate = f64::from(self.limits.drain_bytes_per_second.max(1));
            self.drain_at = self.drain_at.max(now) + Duration::from_secs_f64(bytes as f64 / rate);
        }
    }

    /// The frames up to `last` are dealt with: sent, or gone from the outbox.
    pub fn passed(&mut self, kind: Kind, last: FrameSeq) {
        match kind {
            Kind::Live => self.live_next = self.live_next.max(last.next()),
            Kind::Backlog => self.backlog_next = self.backlog_next.max(last.next()),
            Kind::Again => {
                self.recovery = self.recovery.filter(|recovery| last < recovery.last).map(|recovery| {
                    Recovery { next: last.next(), credit: recovery.credit.saturating_sub(1), ..recovery }
                });
            }
        }
    }

    /// The broker has confirmed or refused one message.
    pub fn settled(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// How far everything has gone, with the outbox as it is.
    #[must_use]
    pub fn progress(&self, bounds: OutboxBounds) -> Progress {
        let unsent = self.backlog_next < self.live_first || self.live_next <= bounds.newest;
        match () {
            () if self.committed.next().max(bounds.oldest) > bounds.newest => Progress::Committed,
            () if unsent || self.in_flight > 0 => Progress::Sending,
            () => Progress::Sent,
        }
    }

    /// How many messages the broker has not confirmed.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }
}

#[cfg(test)]
#[path = "sender_tests.rs"]
mod tests;
