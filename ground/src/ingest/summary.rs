//! What ingest did, in numbers.

use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::LossReason;
use serde::Serialize;

use crate::tables::SetAsideReason;

/// Why frames are set aside, as the `set_aside` table names it.
pub const SET_ASIDE_REASONS: [&str; 3] = ["undecodable", "nonsense", "unknown_model"];

/// Counters since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Connections to the broker.
    pub connections: u64,
    /// Messages of aircraft, also those nothing was new in.
    pub messages: u64,
    /// Frames that were new.
    pub frames: u64,
    /// Windows stored.
    pub windows: u64,
    /// Rows of those windows.
    pub rows: u64,
    /// Rows with at least one alarm.
    pub anomalies: u64,
    /// Windows left as they were, because what is stored of them is newer.
    pub outdated: u64,
    /// Rows where the agent's alarms were others than ours.
    pub differing: u64,
    /// Frames that had come before.
    pub duplicates: u64,
    /// Frames left to the aircraft, because too much is missing before them.
    pub deferred: u64,
    /// Loss records.
    pub losses: u64,
    /// What those records say was lost: events, lines or frames.
    pub lost: u64,
    /// The same by reason, in the order of [`LossReason::ALL`].
    #[serde(skip)]
    pub lost_by_reason: [u64; LossReason::ALL.len()],
    /// Frames that will never come.
    pub gaps: u64,
    /// Frames and messages set aside.
    pub set_aside: u64,
    /// The same by reason, in the order of [`SET_ASIDE_REASONS`].
    #[serde(skip)]
    pub set_aside_by_reason: [u64; SET_ASIDE_REASONS.len()],
    /// What was set aside and dropped again: there was too much of an aircraft's.
    pub set_aside_dropped: u64,
    /// Frames set aside for want of a model that have become rows since.
    pub recovered: u64,
    /// Messages that were ignored: on a topic that is none of ours, or beyond what may wait.
    pub ignored: u64,
    /// Attempts to store that failed and were repeated.
    pub retries: u64,
    /// End of the newest window that was stored; none before the first.
    #[serde(skip)]
    pub newest_window_end: Option<UnixSeconds>,
}

impl Summary {
    /// Adds another run's numbers.
    pub(super) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.connections, other.connections),
            (&mut self.messages, other.messages),
            (&mut self.frames, other.frames),
            (&mut self.windows, other.windows),
            (&mut self.rows, other.rows),
            (&mut self.anomalies, other.anomalies),
            (&mut self.outdated, other.outdated),
            (&mut self.differing, other.differing),
            (&mut self.duplicates, other.duplicates),
            (&mut self.deferred, other.deferred),
            (&mut self.losses, other.losses),
            (&mut self.lost, other.lost),
            (&mut self.gaps, other.gaps),
            (&mut self.set_aside, other.set_aside),
            (&mut self.set_aside_dropped, other.set_aside_dropped),
            (&mut self.recovered, other.recovered),
            (&mut self.ignored, other.ignored),
            (&mut self.retries, other.retries),
        ];
        let by_reason = self.lost_by_reason.iter_mut().zip(other.lost_by_reason);
        let by_reason = by_reason.chain(self.set_aside_by_reason.iter_mut().zip(other.set_aside_by_reason));
        for (ours, theirs) in pairs.into_iter().chain(by_reason) {
            *ours = ours.saturating_add(theirs);
        }
        self.newest_window_end = self.newest_window_end.max(other.newest_window_end);
    }

    /// Counts a loss record.
    pub(super) fn lose(&mut self, reason: LossReason, count: u64) {
        self.losses += 1;
        self.lost = self.lost.saturating_add(count);
        let place = LossReason::ALL.iter().position(|known| *known == reason);
        if let Some(lost) = place.and_then(|place| self.lost_by_reason.get_mut(place)) {
            *lost = lost.saturating_add(count);
        }
    }

    /// Counts a frame or message that is set aside.
    pub(super) fn put_aside(&mut self, reason: SetAsideReason) {
        self.set_aside += 1;
        let place = match reason {
            SetAsideReason::Undecodable => 0,
            SetAsideReason::Nonsense => 1,
            SetAsideReason::UnknownModel(_) => 2,
        };
        if let Some(count) = self.set_aside_by_reason.get_mut(place) {
            *count += 1;
        }
    }
}
