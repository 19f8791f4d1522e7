//! How far event time has come: no event older than this, less the allowed lateness, is waited for.

use std::time::Duration;

use cabinwatch_shared::time::UnixMillis;

/// Follows the newest event, and the boot clock while no events come, so that windows close in silence too. It never
/// goes back, whatever the wall clock does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watermark {
    /// The mark, and the boot clock when it stood there.
    last: Option<(UnixMillis, Duration)>,
}

impl Watermark {
    /// Goes on from a stored mark. How long the agent was away is unknown, so time begins again now.
    #[must_use]
    pub fn resume(at: Option<UnixMillis>, since_boot: Duration) -> Self {
        Self { last: at.map(|at| (at, since_boot)) }
    }

    /// Where the mark stands; nowhere before the first event.
    #[must_use]
    pub fn at(&self, since_boot: Duration) -> Option<UnixMillis> {
        self.last.map(|(at, then)| {
            let elapsed = i64::try_from(since_boot.saturating_sub(then).as_millis()).unwrap_or(i64::MAX);
            UnixMillis(at.0.saturating_add(elapsed))
        })
    }

    /// The mark as it was last set.
    #[must_use]
    pub fn stored(&self) -> Option<UnixMillis> {
        self.last.map(|(at, _)| at)
    }

    /// Takes note of an event. One that is dated ahead of the wall clock moves the mark only as far as that clock:
    /// else a single source whose clock runs ahead would make everybody else's events late.
    pub fn observe(&mut self, event: UnixMillis, wall: UnixMillis, since_boot: Duration) {
        let seen = event.min(wall);
        let at = self.at(since_boot).map_or(seen, |at| at.max(seen));
        self.last = Some((at, since_boot));
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
    fn after_a_restart_it_goes_on_from_where_it_stood() {
        let watermark = Watermark::resume(Some(UnixMillis(5_000)), seconds(3));
        assert_eq!(watermark.at(seconds(4)), Some(UnixMillis(6_000)));
    }
}
