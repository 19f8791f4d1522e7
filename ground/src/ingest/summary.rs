//! What ingest did, in numbers.

use serde::Serialize;

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
    /// Frames that will never come.
    pub gaps: u64,
    /// Frames and messages set aside.
    pub set_aside: u64,
    /// Frames set aside for want of a model that have become rows since.
    pub recovered: u64,
    /// Messages that were ignored: on a topic that is none of ours, or beyond what may wait.
    pub ignored: u64,
    /// Attempts to store that failed and were repeated.
    pub retries: u64,
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
            (&mut self.differing, other.differing),
            (&mut self.duplicates, other.duplicates),
            (&mut self.deferred, other.deferred),
            (&mut self.losses, other.losses),
            (&mut self.lost, other.lost),
            (&mut self.gaps, other.gaps),
            (&mut self.set_aside, other.set_aside),
            (&mut self.recovered, other.recovered),
            (&mut self.ignored, other.ignored),
            (&mut self.retries, other.retries),
        ];
        for (ours, theirs) in pairs {
            *ours = ours.saturating_add(theirs);
        }
    }
}
