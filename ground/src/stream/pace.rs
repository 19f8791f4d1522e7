//! When each event is due.

use std::time::{Duration, Instant};

/// How much of a delay is made up for. What was due earlier is left out.
pub(super) const SLACK: Duration = Duration::from_millis(100);

/// Events a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// So many.
    PerSecond(f64),
    /// As many as the connections take.
    Unlimited,
}

/// The number is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a rate is a number of events a second from 0.01 to 1000000, or 0 for as many as the connections take"
)]
pub struct NotARate;

const RATES: std::ops::RangeInclusive<f64> = 0.01..=1e6;

impl Rate {
    /// A rate; 0 for as many as the connections take.
    ///
    /// # Errors
    /// [`NotARate`] for what is none.
    pub fn new(per_second: f64) -> Result<Self, NotARate> {
        match per_second {
            0.0 => Ok(Self::Unlimited),
            rate if RATES.contains(&rate) => Ok(Self::PerSecond(rate)),
            _ => Err(NotARate),
        }
    }
}

/// Less of an event than this is a rounding error.
const ROUNDING: f64 = 1e-6;

/// Gives out the instants: the nth event is due n intervals after the first, so that no rounding adds up.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Rate,
    first: Instant,
    /// The number of the next event, counted from 0.
    next: u64,
}

impl Pace {
    pub const fn new(rate: Rate, first: Instant) -> Self {
        Self { rate, first, next: 0 }
    }

    /// When the next event is due, and how many are left out before it because their time is over.
    pub fn next(&mut self, now: Instant) -> (Instant, u64) {
        let Rate::PerSecond(rate) = self.rate else { return (now, 0) };
        let in_time = now.checked_sub(SLACK).map_or(0, |at| self.number_at(at, rate));
        let left_out = in_time.saturating_sub(self.next);
        self.next += left_out;
        let due = self.first + Duration::from_secs_f64(self.next as f64 / rate);
        self.next += 1;
        (due, left_out)
    }

    /// Whether an event is due before `end`.
    pub fn goes_on(&self, now: Instant, end: Instant) -> bool {
        now < end && (self.rate == Rate::Unlimited || self.rest(end) > 0)
    }

    /// How many events are due before `end` that nobody asked for.
    pub fn rest(&self, end: Instant) -> u64 {
        match self.rate {
            Rate::PerSecond(rate) => self.number_at(end, rate).saturating_sub(self.next),
            Rate::Unlimited => 0,
        }
    }

    /// The number of the first event that is due at an instant or later.
    fn number_at(&self, at: Instant, rate: f64) -> u64 {
        let events = at.saturating_duration_since(self.first).as_secs_f64() * rate;
        (events - ROUNDING).ceil().max(0.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(rate: f64) -> (Pace, Instant) {
        let start = Instant::now();
        (Pace::new(Rate::new(rate).expect("a rate"), start), start)
    }

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn events_are_due_at_the_rate_however_early_they_are_asked_for() {
        let (mut pace, start) = pace(100.0);
        let due: Vec<_> = (0..4).map(|_| pace.next(start)).collect();
        assert_eq!(due, [0, 10, 20, 30].map(|millis| (start + millis * MILLI, 0)));
    }

    #[test]
    fn a_short_delay_is_made_up_for() {
        let (mut pace, start) = pace(100.0);
        let late = start + 60 * MILLI;
        let due: Vec<_> = (0..8).map(|_| pace.next(late)).collect();
        assert!(due.iter().all(|(_, left_out)| *left_out == 0));
        assert_eq!((due[6].0, due[7].0), (late, late + 10 * MILLI));
    }

    #[test]
    fn after_a_long_pause_no_more_than_the_slack_comes_at_once_and_the_rest_is_counted() {
        let (mut pace, start) = pace(100.0);
        let late = start + 5_000 * MILLI;
        let due: Vec<_> = (0..20).map(|_| pace.next(late)).collect();
        let left_out: u64 = due.iter().map(|(_, left_out)| left_out).sum();
        let at_once = due.iter().filter(|(at, _)| *at <= late).count() as u64;
        assert_eq!((left_out, at_once), (490, 11));
        assert_eq!(left_out + at_once, 501, "each of five seconds' events is due or left out");
        assert_eq!(pace.rest(start + 6_000 * MILLI), 600 - 490 - 20, "and so is each of the last");
    }

    #[test]
    fn a_rate_whose_interval_is_no_round_number_gives_neither_more_nor_less_in_a_round_time() {
        for rate in [3.0, 300.0, 7.0, 0.3, 999_983.0] {
            let (pace, start) = pace(rate);
            assert_eq!(pace.rest(start + 10_000 * MILLI), (rate * 10.0) as u64, "{rate}");
        }
    }

    #[test]
    fn without_a_rate_everything_is_due_at_once() {
        let (mut pace, start) = pace(0.0);
        let now = start + 700 * MILLI;
        assert_eq!((pace.next(now), pace.next(now)), ((now, 0), (now, 0)));
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for rate in [-1.0, 0.001, 2e6, f64::NAN, f64::INFINITY] {
            assert_eq!(Rate::new(rate), Err(NotARate));
        }
    }
}
