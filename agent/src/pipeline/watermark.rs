//! How far event time has come: no event older than this, less the allowed lateness, is waited for.

use std::time::Duration;

use cabinwatch_shared::time::UnixMillis;

/// One moment, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The agent's time.
    pub now: UnixMillis,
    /// The boot clock.
    pub since_boot: Duration,
}

impl Moment {
    /// How much time has gone by, in milliseconds. Where the two clocks differ, the slower one is right: the agent's time
    /// may have been set ahead, and it goes slowly where it was set back.
    fn since(self, then: Self) -> i64 {
        let by_boot = self.since_boot.saturating_sub(then.since_boot).as_millis();
        i64::try_from(by_boot).unwrap_or(i64::MAX).min(self.now.0.saturating_sub(then.now.0)).max(0)
    }
}

/// Follows the newest event, and the clocks while no events come, so that windows close in silence too. It never goes
/// back, whatever the wall clock does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watermark {
    /// Where it was last set.
    at: Option<UnixMillis>,
    /// When that was; none while it stands still.
    then: Option<Moment>,
}

impl Watermark {
    /// A stored mark. It stands still until [`Self::go_on`].
    #[must_use]
    pub const fn standing(at: Option<UnixMillis>) -> Self {
        Self { at, then: None }
    }

    /// Lets it run from now on. How long the agent was away is unknown, so time begins again now.
    pub fn go_on(&mut self, moment: Moment) {
        // A mark that is ahead of the clock waits for it.
        let now = self.at.map_or(moment.now, |at| at.max(moment.now));
        self.then = Some(Moment { now, ..moment });
    }

    /// Where the mark stands; nowhere before the first event.
    #[must_use]
    pub fn at(&self, moment: Moment) -> Option<UnixMillis> {
        let elapsed = self.then.map_or(0, |then| moment.since(then));
        self.at.map(|at| UnixMillis(at.0.saturating_add(elapsed)))
    }

    /// The mark as it was last set.
    #[must_use]
    pub const fn stored(&self) -> Option<UnixMillis> {
        self.at
    }

    /// Takes note of an event. One that is dated ahead of the clock moves the mark only as far as that clock: else a
    /// single source whose clock runs ahead would make everybody else's events late.
    pub fn observe(&mut self, event: UnixMillis, moment: Moment) {
        let seen = event.min(moment.now);
        self.at = Some(self.at(moment).map_or(seen, |at| at.max(seen)));
        self.go_on(moment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: UnixMillis = UnixMillis(1_000_000);

    /// So many seconds after the beginning.
    fn moment(seconds: u64) -> Moment {
        let now = UnixMillis(WALL.0 + i64::try_from(seconds).expect("small") * 1000);
        Moment { now, since_boot: Duration::from_secs(seconds) }
    }

    #[test]
    fn it_follows_the_newest_event_and_never_goes_back() {
        let mut watermark = Watermark::default();
        assert_eq!(watermark.at(moment(0)), None);
        watermark.observe(UnixMillis(5_000), moment(0));
        watermark.observe(UnixMillis(3_000), moment(0));
        assert_eq!(watermark.at(moment(0)), Some(UnixMillis(5_000)));
    }

    #[test]
    fn it_runs_on_while_no_events_come() {
        let mut watermark = Watermark::default();
        watermark.observe(UnixMillis(5_000), moment(10));
        assert_eq!(watermark.at(moment(40)), Some(UnixMillis(35_000)));
        // An event older than that does not turn it back.
        watermark.observe(UnixMillis(6_000), moment(40));
        assert_eq!(watermark.at(moment(41)), Some(UnixMillis(36_000)));
    }

    #[test]
    fn an_event_ahead_of_the_clock_moves_it_only_as_far_as_the_clock() {
        let mut watermark = Watermark::default();
        watermark.observe(UnixMillis(WALL.0 + 500_000), moment(0));
        assert_eq!(watermark.at(moment(0)), Some(WALL));
    }

    #[test]
    fn after_a_restart_it_goes_on_from_where_it_stood_once_it_is_let() {
        let mut watermark = Watermark::standing(Some(UnixMillis(5_000)));
        assert_eq!(watermark.at(moment(100)), Some(UnixMillis(5_000)));
        watermark.go_on(moment(103));
        assert_eq!(watermark.at(moment(104)), Some(UnixMillis(6_000)));
    }

    #[test]
    fn it_neither_leaps_with_the_clock_nor_overtakes_it() {
        let mut watermark = Watermark::default();
        watermark.observe(UnixMillis(5_000), moment(0));
        let set_ahead = Moment { now: moment(5_000).now, since_boot: Duration::from_secs(10) };
        assert_eq!(watermark.at(set_ahead), Some(UnixMillis(15_000)));
        let slow = Moment { now: moment(5).now, since_boot: Duration::from_secs(10) };
        assert_eq!(watermark.at(slow), Some(UnixMillis(10_000)));
        let ahead = UnixMillis(WALL.0 + 60_000);
        let mut watermark = Watermark::standing(Some(ahead));
        watermark.go_on(moment(0));
        assert_eq!(watermark.at(moment(60)), Some(ahead));
        assert_eq!(watermark.at(moment(61)), Some(UnixMillis(ahead.0 + 1_000)));
    }
}
