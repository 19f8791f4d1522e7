//! How far the wall clock has been ahead of the boot clock since the machine booted.

use std::time::Duration;

use cabinwatch_shared::time::UnixMillis;

use crate::store::BootMillis;

/// Differences up to this are followed, in milliseconds: a disciplined clock drifts, and is corrected, by less.
pub const BOUND: i64 = 2_000;

/// What is dated further ahead of the clock than this, in milliseconds, was dated by another one: a day.
const FURTHEST_AHEAD: i64 = 86_400_000;

/// Most stretches that are remembered; a clock that steps more often has lost its older dates.
const MOST_STRETCHES: usize = 8;

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock.
    pub wall: UnixMillis,
    /// The boot clock.
    pub boot: BootMillis,
}

impl Reading {
    /// Reads them as the clocks give them.
    #[must_use]
    pub fn new(wall: UnixMillis, since_boot: Duration) -> Self {
        Self { wall, boot: BootMillis(i64::try_from(since_boot.as_millis()).unwrap_or(i64::MAX)) }
    }

    const fn offset(self) -> i64 {
        self.wall.0.saturating_sub(self.boot.0)
    }
}

/// The wall clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How far, in milliseconds; forward is positive.
    pub by: i64,
}

/// A time during which the wall clock was not set.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// The last reading before it; it began after that.
    from: BootMillis,
    /// The last reading in it.
    seen: BootMillis,
    /// The first reading after it.
    until: BootMillis,
    /// How far ahead the wall clock was, last.
    offset: i64,
}

/// The wall clock's course since the boot.
#[derive(Debug)]
pub(super) struct WallClock {
    past: Vec<Stretch>,
    present: Stretch,
}

impl WallClock {
    /// What came before the first reading is taken to have been as it is then.
    pub(super) const fn new(now: Reading) -> Self {
        let present = Stretch {
            from: BootMillis(0),
            seen: now.boot,
            until: BootMillis(i64::MAX),
            offset: now.offset(),
        };
        Self { past: Vec::new(), present }
    }

    /// Before the first reading, at some time, it was so far ahead of the boot clock.
    pub(super) fn known(now: Reading, offset: i64) -> Self {
        let mut clock = Self::new(now);
        if now.offset().saturating_sub(offset).abs() > BOUND {
            clock.past.push(Stretch { until: now.boot, offset, ..clock.present });
        }
        clock
    }

    /// Takes note of a reading.
    pub(super) fn observe(&mut self, now: Reading) -> Option<Step> {
        let by = now.offset().saturating_sub(self.present.offset);
        if by.abs() <= BOUND {
            self.present.offset = now.offset();
            self.present.seen = now.boot;
            return None;
        }
        let from = self.present.seen;
        self.present.until = now.boot;
        self.past.push(self.present);
        if self.past.len() >= MOST_STRETCHES {
            self.past.remove(0);
        }
        self.present = Stretch { from, seen: now.boot, until: BootMillis(i64::MAX), offset: now.offset() };
        Some(Step { by })
    }

    /// How far it is ahead of the boot clock now.
    pub(super) const fn offset(&self) -> i64 {
        self.present.offset
    }

    /// Whether it was never set since the first reading.
    pub(super) const fn is_unbroken(&self) -> bool {
        self.past.is_empty()
    }

    /// Whether it showed this instant after it was last set, and not after now.
    pub(super) fn has_shown(&self, stamp: UnixMillis, now: BootMillis) -> bool {
        let at = stamp.0.saturating_sub(self.present.offset);
        (self.present.from.0.saturating_sub(BOUND)..=now.0.saturating_add(BOUND)).contains(&at)
    }

    /// When it showed this instant; where it did so more than once, the time nearest to now. A date that is a little
    /// ahead of the clock is placed ahead of now. For what it has not shown since the boot there is no answer.
    pub(super) fn boot_time(&self, stamp: UnixMillis, now: BootMillis) -> Option<BootMillis> {
        let place = |stretch: &Stretch, latest: i64| {
            let at = stamp.0.saturating_sub(stretch.offset);
            let range = stretch.from.0.saturating_sub(BOUND)..=latest;
            range.contains(&at).then_some(BootMillis(at))
        };
        let present = place(&self.present, now.0.saturating_add(FURTHEST_AHEAD));
        let past = self.past.iter().rev();
        let past = past.filter_map(|stretch| place(stretch, stretch.until.0.saturating_add(BOUND)));
        present.into_iter().chain(past).min_by_key(|at| at.0.abs_diff(now.0))
    }
}
