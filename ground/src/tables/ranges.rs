//! A set of numbers that come in runs.

use cabinwatch_shared::wire::FrameSeq;

use super::SeqRange;

/// Ascending runs, none touching the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<SeqRange>);

impl Ranges {
    pub fn from_sorted(runs: &[SeqRange]) -> Self {
        let mut ranges = Self::default();
        runs.iter().for_each(|run| ranges.insert(run.first.0, run.last.0));
        ranges
    }

    pub fn to_vec(&self) -> Vec<SeqRange> {
        self.0.clone()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn first(&self) -> Option<SeqRange> {
        self.0.first().copied()
    }

    pub fn remove_first(&mut self) {
        if !self.0.is_empty() {
            self.0.remove(0);
        }
    }

    /// Takes out all runs but the last `most`, and gives them back.
    pub fn keep_last(&mut self, most: usize) -> Vec<SeqRange> {
        let surplus = self.0.len().saturating_sub(most);
        self.0.drain(..surplus).collect()
    }

    pub fn contains(&self, number: u64) -> bool {
        self.run_of(number).is_some()
    }

    /// Whether adding the number would make a run longer, and none more.
    pub fn touches(&self, number: u64) -> bool {
        self.contains(number.saturating_sub(1)) || self.contains(number.saturating_add(1))
    }

    /// Adds a run; runs that touch become one.
    pub fn insert(&mut self, first: u64, last: u64) {
        let start = self.0.partition_point(|run| run.last.0.saturating_add(1) < first);
        let end = start + self.0[start..].partition_point(|run| run.first.0 <= last.saturating_add(1));
        let mut merged = SeqRange { first: FrameSeq(first), last: FrameSeq(last) };
        for run in &self.0[start..end] {
            merged.first = merged.first.min(run.first);
            merged.last = merged.last.max(run.last);
        }
        self.0.splice(start..end, [merged]);
    }

    /// Takes a number out; false if it was not in.
    pub fn remove(&mut self, number: u64) -> bool {
        let Some(index) = self.run_of(number) else { return false };
        let run = self.0[index];
        let below = (run.first.0 < number).then(|| SeqRange { first: run.first, last: FrameSeq(number - 1) });
        let above = (number < run.last.0).then(|| SeqRange { first: FrameSeq(number + 1), last: run.last });
        self.0.splice(index..=index, below.into_iter().chain(above));
        true
    }

    fn run_of(&self, number: u64) -> Option<usize> {
        let index = self.0.partition_point(|run| run.last.0 < number);
        (self.0.get(index)?.first.0 <= number).then_some(index)
    }
}
