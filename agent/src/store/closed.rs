//! Which windows have been closed, also under a clock that turned out wrong.
//!
//! As long as time only goes forward, one mark says it all: every window that begins before it is closed. A clock that
//! was believed, and then found a year ahead, leaves windows that were closed far ahead of the present. They must not
//! be made twice when their time really comes, and must not stop those of the present from being counted.

use cabinwatch_shared::time::{UnixMillis, UnixSeconds};
use serde::{Deserialize, Serialize};

/// Most spans that are remembered, of each kind. Each takes a leap of the clock that was believed.
const MOST_SPANS: usize = 8;

/// Windows that begin in `[from, through)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    from: UnixSeconds,
    through: UnixSeconds,
}

/// Which windows are closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Windows that begin before this instant are.
    through: Option<UnixSeconds>,
    /// Where the present epoch begins: since then, time has not leapt.
    from: Option<UnixSeconds>,
    /// Of the windows that end before the epoch, all that end by this: what was replayed in it, or still open.
    below: Option<UnixSeconds>,
    /// Epochs that time has left by a leap ahead, oldest first.
    earlier: Vec<Span>,
    /// Windows ahead of the present, from epochs that time has left by a leap back.
    ahead: Vec<Span>,
}

impl Closed {
    /// Every window that begins before this is closed.
    #[must_use]
    pub const fn through(&self) -> Option<UnixSeconds> {
        self.through
    }

    /// Where the present epoch begins; nowhere before the first event.
    #[must_use]
    pub const fn epoch(&self) -> Option<UnixSeconds> {
        self.from
    }

    /// Whether the window that begins there is closed.
    #[must_use]
    pub fn contains(&self, start: UnixSeconds) -> bool {
        self.through.is_some_and(|through| start < through)
            || self.ahead.iter().any(|span| (span.from..span.through).contains(&start))
    }

    /// Notes that the window `[start, end)` is closed.
    pub fn close(&mut self, start: UnixSeconds, end: UnixSeconds) {
        self.through = self.through.max(Some(end));
        if self.from.is_some_and(|from| end <= from) {
            self.below = self.below.max(Some(end));
        } else {
            // An epoch begins within a window.
            self.from = self.from.map(|from| from.min(start));
        }
        self.ahead.retain(|span| span.through > end);
    }

    /// Time begins, or goes on, here. `leaps` says that it comes from far behind.
    pub fn resume(&mut self, at: UnixMillis, leaps: bool) {
        let at = at.seconds();
        if let Some(from) = self.from.filter(|_| leaps) {
            self.earlier.push(Span { from, through: self.through.unwrap_or(from) });
            if self.earlier.len() > MOST_SPANS {
                // The two oldest become one: nothing closed is forgotten.
                let oldest = self.earlier.remove(0);
                self.earlier.iter_mut().take(1).for_each(|span| span.from = oldest.from);
            }
        }
        if leaps || self.from.is_none() {
            self.from = Some(at);
        }
    }

    /// Time goes back to an instant before the present epoch.
    pub fn leap_back(&mut self, at: UnixMillis) {
        let at = at.seconds();
        let mut present = self.from.zip(self.through).map(|(from, through)| Span { from, through });
        (self.from, self.through) = (Some(at), None);
        match self.below.take() {
            Some(below) if below > at => {
                self.ahead.push(Span { from: UnixSeconds(i64::MIN), through: below });
            }
            below => self.through = below,
        }
        while let Some(left) = present.take().or_else(|| self.earlier.pop()) {
            if left.through <= at {
                self.from = Some(left.from.min(at));
                self.through = self.through.max(Some(left.through));
                return;
            }
            if left.from < left.through {
                self.ahead.push(left);
            }
            if self.ahead.len() > MOST_SPANS {
                self.ahead.remove(0);
            }
        }
    }

    /// The instant itself; the first one behind the windows it would fall into, where those were closed ahead of time.
    #[must_use]
    pub fn first_open(&self, mut at: UnixMillis) -> UnixMillis {
        while let Some(span) =
            self.ahead.iter().find(|span| (span.from..span.through).contains(&at.seconds()))
        {
            at = span.through.millis();
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn seconds(seconds: i64) -> UnixSeconds {
        UnixSeconds(seconds)
    }

    fn close(closed: &mut Closed, starts: impl IntoIterator<Item = i64>) {
        starts.into_iter().for_each(|start| closed.close(seconds(start), seconds(start + 300)));
    }

    fn begun(at: i64) -> Closed {
        let mut closed = Closed::default();
        closed.resume(seconds(at).millis(), false);
        closed
    }

    #[test]
    fn while_time_goes_forward_all_that_lies_behind_is_closed() {
        let mut closed = begun(900);
        assert!(!closed.contains(seconds(600)));
        close(&mut closed, [900, 1500]);
        assert!([0, 900, 1200, 1500].into_iter().all(|start| closed.contains(seconds(start))));
        assert!(!closed.contains(seconds(1800)));
    }

    #[test]
    fn a_leap_ahead_and_back_leaves_the_present_open_and_the_future_closed() {
        let mut closed = begun(900);
        close(&mut closed, [900, 1200]);
        let year = 365 * DAY - (365 * DAY) % 300;
        closed.resume(seconds(year).millis(), true);
        close(&mut closed, [year, year + 300]);
        assert!(closed.contains(seconds(2100)));
        closed.leap_back(seconds(2100).millis());
        assert!(closed.contains(seconds(1200)) && !closed.contains(seconds(2100)));
        assert!(closed.contains(seconds(year)) && !closed.contains(seconds(year + 600)));
        assert_eq!(closed.first_open(seconds(year + 7).millis()), seconds(year + 600).millis());
        assert_eq!(closed.first_open(seconds(2107).millis()), seconds(2107).millis());
        // Once the present has come there, it is forgotten.
        close(&mut closed, [year + 600]);
        assert!(closed.ahead.is_empty());
    }

    #[test]
    fn the_window_in_which_an_epoch_began_belongs_to_it() {
        let mut closed = begun(300);
        closed.resume(seconds(40 * DAY + 7).millis(), true);
        close(&mut closed, [40 * DAY]);
        closed.leap_back(seconds(900).millis());
        assert!(closed.contains(seconds(40 * DAY)) && !closed.contains(seconds(900)));
        assert_eq!(closed.first_open(seconds(900).millis()), seconds(900).millis());
    }

    #[test]
    fn a_leap_back_to_before_everything_begins_anew() {
        let mut closed = begun(100 * DAY);
        close(&mut closed, [100 * DAY]);
        closed.leap_back(seconds(300).millis());
        assert!(!closed.contains(seconds(300)) && !closed.contains(seconds(0)));
        assert!(closed.contains(seconds(100 * DAY)));
    }

    #[test]
    fn history_that_was_replayed_ahead_of_the_present_stays_closed() {
        let mut closed = begun(100 * DAY);
        close(&mut closed, [50 * DAY, 100 * DAY]);
        assert_eq!(closed.epoch(), Some(seconds(100 * DAY)));
        closed.leap_back(seconds(60 * DAY).millis());
        assert!(closed.contains(seconds(50 * DAY)) && !closed.contains(seconds(60 * DAY)));
        assert!(closed.contains(seconds(100 * DAY)));
    }

    #[test]
    fn the_window_that_time_leapt_away_from_is_not_opened_again() {
        let mut closed = begun(300);
        closed.resume(seconds(40 * DAY).millis(), true);
        // The leap made it due.
        close(&mut closed, [300, 40 * DAY]);
        closed.leap_back(seconds(400).millis());
        assert!(closed.contains(seconds(300)) && !closed.contains(seconds(600)));
        assert_eq!(closed.first_open(seconds(400).millis()), seconds(600).millis());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_nothing_closed_reopens() {
        let mut closed = begun(300);
        for leap in 1..100 {
            close(&mut closed, [leap * 10 * DAY]);
            closed.resume(seconds((leap + 1) * 10 * DAY).millis(), true);
        }
        assert_eq!(closed.earlier.len(), MOST_SPANS);
        assert!((1..100).all(|leap| closed.contains(seconds(leap * 10 * DAY))));
    }
}
