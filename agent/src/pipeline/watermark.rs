//! How far event time has come: no event older than this, less the allowed lateness, is waited for.

use std::time::Duration;

use cabinwatch_shared::time::UnixMillis;

/// Follows the newest event, and the boot clock while no events come, so that windows close in silence too. It never
/// goes back, whatever the wall clock does; only [`Self::reset`] moves it anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watermark {
    /// Where it was last set.
    at: Option<UnixMillis>,
    /// The boot clock then; none while it stands still.
    then: Option<Duration>,
}

impl Watermark {
    /// A stored mark. It stands still until [`Self::go_on`].
    #[must_use]
    pub const fn standing(at: Option<UnixMillis>) -> Self {
        Self { at, then: None }
    }

    /// Lets it run from now on. How long the agent was away is unknown, so time begins again now.
    pub fn go_on(&mut self, since_boot: Duration) {
        self.then = Some(since_boot);
    }

    /// Sets it where the clock has been found to stand.
    pub fn reset(&mut self, at: UnixMillis, since_boot: Duration) {
        *self = Self { at: Some(at), then: Some(since_boot) };
    }

    /// Where the mark stands; nowhere before the first event.
    #[must_use]
    pub fn at(&self, since_boot: Duration) -> Option<UnixMillis> {
        let elapsed = self.then.map_or(Duration::ZERO, |then| since_boot.saturating_sub(then));
        let elapsed = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        self.at.map(|at| UnixMillis(at.0.saturating_add(elapsed)))
    }

    /// The mark as it was last set.
    #[must_use]
    pub const fn stored(&self) -> Option<UnixMillis> {
        self.at
    }

    /// Takes note of an event. One that is dated ahead of the clock moves the mark only as far as that clock: else a
    /// single source whose clock runs ahead would make everybody else's events late.
    pub fn observe(&mut self, event: UnixMillis, now: UnixMillis, since_boot: Duration) {
        let seen = event.min(now);
        self.at = Some(self.at(since_boot).map_or(seen, |at| at.max(seen)));
        self.then = Some(since_boot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: UnixMillis = UnixMillis(1_000_000);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_follows_the_newest_event_and_never_goes_back() {
        let mut watermark = Watermark::default();
        assert_eq!(watermark.at(seconds(0)), None);
        watermark.observe(UnixMillis(5_000), WALL, seconds(0));
        watermark.observe(UnixMillis(3_000), WALL, seconds(0));
        assert_eq!(watermark.at(seconds(0)), Some(UnixMillis(5_000)));
    }

    #[test]
    fn it_runs_on_while_no_events_come() {
        let mut watermark = Watermark::default();
        watermark.observe(UnixMillis(5_000), WALL, seconds(10));
        assert_eq!(watermark.at(seconds(40)), Some(UnixMillis(35_000)));
        // An event older than that does not turn it back.
        watermark.observe(UnixMillis(6_000), WALL, seconds(40));
        assert_eq!(watermark.at(seconds(41)), Some(UnixMillis(36_000)));
    }

    #[test]
    fn an_event_ahead_of_the_clock_moves_it_only_as_far_as_the_clock() {
        let mut watermark = Watermark::default();
        watermark.observe(UnixMillis(WALL.0 + 500_000), WALL, seconds(0));
        assert_eq!(watermark.at(seconds(0)), Some(WALL));
    }

    #[test]
    fn after_a_restart_it_goes_on_from_where_it_stood_once_it_is_let() {
        let mut watermark = Watermark::standing(Some(UnixMillis(5_000)));
        assert_eq!(watermark.at(seconds(100)), Some(UnixMillis(5_000)));
        watermark.go_on(seconds(103));
        assert_eq!(watermark.at(seconds(104)), Some(UnixMillis(6_000)));
    }
}
