//! Which frames of a stream are here, and which will never come.

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{FrameSeq, StreamId};

use super::ranges::Ranges;
use super::{SeqRange, StreamProgress, StreamState};

/// Most separate runs of frames above the watermark. Live frames overtake a backlog in a handful of runs; an
/// agent that makes more is broken, and its frames wait on the aircraft.
const MAX_RECEIVED: usize = 4096;
/// Most gaps that may still be filled; older ones are settled.
pub(super) const MAX_GAPS: usize = 1024;

/// What a frame's number says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is new and must be stored.
    New,
    /// It is stored already.
    Duplicate,
    /// It is new, but the ledger can't remember it; it must not be stored, and the aircraft sends it again.
    NoRoom,
}

/// One stream's frame numbers: the watermark, what is above it, and what below it never came.
///
/// Numbers start at 1. A number is exactly one of: stored, missing and still expected, or in a gap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    committed: u64,
    received: Ranges,
    gaps: Ranges,
    settled: u64,
    newest: u64,
}

impl Ledger {
    /// The ledger as it was stored.
    #[must_use]
    pub fn restore(state: &StreamState) -> Self {
        Self {
            committed: state.committed.0,
            received: Ranges::from_sorted(&state.received),
            gaps: Ranges::from_sorted(&state.gaps),
            settled: state.settled.0,
            newest: state.newest.0,
        }
    }

    /// The ledger as it is to be stored.
    #[must_use]
    pub fn state(&self, tail: Tail, stream: StreamId, updated: UnixSeconds) -> StreamState {
        StreamState {
            tail,
            stream,
            committed: self.committed(),
            received: self.received.to_vec(),
            gaps: self.gaps.to_vec(),
            settled: FrameSeq(self.settled),
            newest: FrameSeq(self.newest),
            updated,
        }
    }

    /// Every number up to here is stored, or will never come.
    #[must_use]
    pub const fn committed(&self) -> FrameSeq {
        FrameSeq(self.committed)
    }

    /// How many frames are stored, but can't be committed because others before them are missing.
    #[must_use]
    pub fn held_back(&self) -> u64 {
        self.received.to_vec().iter().map(|run| run.count()).sum()
    }

    /// Takes note of a frame.
    pub fn take(&mut self, seq: FrameSeq) -> Taken {
        let taken = self.note(seq.0);
        self.settle();
        taken
    }

    fn note(&mut self, seq: u64) -> Taken {
        if seq <= self.committed {
            return if self.fill(seq) { Taken::New } else { Taken::Duplicate };
        }
        if self.received.contains(seq) {
            return Taken::Duplicate;
        }
        let fits =
            seq == self.committed + 1 || self.received.touches(seq) || self.received.len() < MAX_RECEIVED;
        if !fits {
            return Taken::NoRoom;
        }
        self.received.insert(seq, seq);
        self.advance();
        Taken::New
    }

    /// Takes note that the aircraft has nothing older than `oldest` any more: what is missing below it becomes a
    /// gap, and the watermark passes it. Returns how many frames that lost.
    pub fn skip_below(&mut self, oldest: FrameSeq) -> u64 {
        let lost = self.give_up_below(oldest);
        self.settle();
        lost
    }

    fn give_up_below(&mut self, oldest: FrameSeq) -> u64 {
        let mut lost = 0;
        while self.committed.saturating_add(1) < oldest.0 {
            let first = self.committed + 1;
            let last = match self.received.first() {
                Some(run) => (run.first.0 - 1).min(oldest.0 - 1),
                None => oldest.0 - 1,
            };
            self.gaps.insert(first, last);
            lost += last - first + 1;
            self.committed = last;
            self.advance();
        }
        lost
    }

    /// A frame from a gap has come after all.
    fn fill(&mut self, seq: u64) -> bool {
        seq > self.settled && self.gaps.remove(seq)
    }

    /// Takes in what a batch stores, this process's or another's. Returns the gaps that this settles: the ledger
    /// forgets them, and whoever keeps them must do so now.
    pub fn merge(&mut self, progress: &StreamProgress) -> Vec<SeqRange> {
        for range in &progress.stored {
            for seq in range.first.0..=range.last.0 {
                self.note(seq);
            }
        }
        self.give_up_below(progress.oldest);
        self.newest = self.newest.max(progress.newest.0);
        self.settle()
    }

    fn advance(&mut self) {
        while let Some(run) = self.received.first().filter(|run| run.first.0 == self.committed + 1) {
            self.committed = run.last.0;
            self.received.remove_first();
        }
    }

    fn settle(&mut self) -> Vec<SeqRange> {
        let settled = self.gaps.keep_last(MAX_GAPS);
        if let Some(last) = settled.last() {
            self.settled = last.last.0;
        }
        settled
    }
}

#[cfg(test)]
mod tests;
