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

/// Gives out the instants.
#[derive(Debug)]
pub(super) struct Pace {
    /// Between two events; none without a rate.
    interval: Option<Duration>,
    next: Instant,
}

impl Pace {
    pub fn new(rate: Rate, first: Instant) -> Self {
        let interval = match rate {
            Rate::PerSecond(rate) => Some(Duration::from_secs_f64(1.0 / rate)),
            Rate::Unlimited => None,
        };
        Self { interval, next: first }
    }

    /// When the next event is due, and how many are left out before it because their time is over.
    pub fn next(&mut self, now: Instant) -> (Instant, u64) {
        let Some(interval) = self.interval else { return (now, 0) };
        let late = now.saturating_duration_since(self.next);
        let mut left_out = 0;
        if late > SLACK {
            // Whole intervals, so that the schedule keeps its beat.
            left_out = (late.saturating_sub(SLACK).as_nanos().div_ceil(interval.as_nanos())) as u64;
            self.next += interval.mul_f64(left_out as f64);
        }
        let due = self.next;
        self.next += interval;
        (due, left_out)
    }

    /// Whether an event is due before `end`.
    pub fn goes_on(&self, now: Instant, end: Instant) -> bool {
        now < end && (self.interval.is_none() || self.next < end)
    }

    /// How many events are due before `end` that nobody asked for.
    pub fn rest(&self, end: Instant) -> u64 {
        let left = end.saturating_duration_since(self.next).as_nanos();
        self.interval.map_or(0, |interval| left.div_ceil(interval.as_nanos()) as u64)
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
