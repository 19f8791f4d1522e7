//! What is written down of a stream, and where it stands by that.
//!
//! Three things are known of a stream, and all only grow: the runs of frames that are stored, and the oldest and the
//! newest frame the aircraft says it has. Everything else follows: what is missing below the oldest is a gap, the
//! watermark is where neither a frame nor a gap is next, and what is missing up to the newest is on board. So it matters
//! neither who wrote what first, nor how often.

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{FrameSeq, StreamId};

use crate::tables::ledger::MAX_GAPS;
use crate::tables::{Ranges, SeqRange, StreamState};

/// A stream as the tables hold it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StreamLog {
    /// Rows of runs, ascending by first number; one may lie within another, or touch it.
    pub runs: Vec<SeqRange>,
    /// The aircraft has nothing older.
    pub oldest: u64,
    /// The aircraft has had a frame of this number.
    pub newest: u64,
    /// Gaps up to here are history.
    pub settled: u64,
    /// When a frame last came.
    pub updated: Option<UnixSeconds>,
}

/// What to change of the rows of runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RunChanges {
    pub put: Vec<SeqRange>,
    /// What another run holds, once that is put.
    pub delete: Vec<SeqRange>,
}

impl StreamLog {
    fn stored(&self) -> Ranges {
        let mut stored = Ranges::default();
        self.runs.iter().for_each(|run| stored.insert(run.first.0, run.last.0));
        if self.settled > 0 {
            stored.insert(1, self.settled);
        }
        stored
    }

    /// How the rows change when these frames are stored, too: runs that touch become one.
    pub fn adding(&self, frames: &[SeqRange]) -> RunChanges {
        let mut stored = self.stored();
        frames.iter().for_each(|run| stored.insert(run.first.0, run.last.0));
        let stored = stored.to_vec();
        let put = stored.iter().filter(|run| !self.runs.contains(run)).copied().collect();
        let swallowed = |run: &&SeqRange| stored.binary_search_by_key(&run.first, |run| run.first).is_err();
        RunChanges { put, delete: self.runs.iter().filter(swallowed).copied().collect() }
    }

    /// Where the stream stands.
    pub fn state(&self, tail: Tail, stream: StreamId) -> StreamState {
        let stored = self.stored();
        let mut passed = stored.clone();
        if self.oldest > 1 {
            passed.insert(1, self.oldest - 1);
        }
        let committed = passed.first().filter(|run| run.first.0 == 1).map_or(0, |run| run.last.0);
        let gaps = missing(&stored.to_vec(), committed);
        let received = stored.to_vec().into_iter().filter(|run| run.first.0 > committed).collect();
        StreamState {
            tail,
            stream,
            committed: FrameSeq(committed),
            received,
            gaps,
            settled: FrameSeq(self.settled),
            newest: FrameSeq(self.newest),
            updated: self.updated.unwrap_or(UnixSeconds(0)),
        }
    }

    /// Up to where gaps are to be settled, if there are too many of them.
    pub fn to_settle(state: &StreamState) -> Option<FrameSeq> {
        let surplus = state.gaps.len().checked_sub(MAX_GAPS + 1)?;
        state.gaps.get(surplus).map(|gap| gap.last)
    }
}

/// The numbers from 1 to `last` that are in none of the runs.
fn missing(runs: &[SeqRange], last: u64) -> Vec<SeqRange> {
    let mut missing = Vec::new();
    let mut next = 1;
    for run in runs.iter().take_while(|run| run.first.0 <= last) {
        if next < run.first.0 {
            missing.push(SeqRange { first: FrameSeq(next), last: FrameSeq(run.first.0 - 1) });
        }
        next = run.last.0.saturating_add(1);
    }
    if next <= last {
        missing.push(SeqRange { first: FrameSeq(next), last: FrameSeq(last) });
    }
    missing
}

#[cfg(test)]
mod tests;
