//! Losses added up, for those who want to know how much and why.

use std::collections::BTreeMap;

use cabinwatch_shared::wire::{LossFrame, LossReason};

use super::GapRecord;

/// What aircraft and ground counted as lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Lost {
    /// Counts by reason, as it stands in the `losses` table; `gap` for frames that never came.
    pub by_reason: BTreeMap<&'static str, u64>,
    /// How often an agent just ended. How much is missing then, nobody knows.
    pub unclean_ends: u64,
}

impl Lost {
    /// Adds what an aircraft reported.
    pub fn note_loss(&mut self, loss: &LossFrame) {
        match loss.reason {
            LossReason::UncleanEnd => self.unclean_ends = self.unclean_ends.saturating_add(loss.count),
            reason => self.add(reason.as_str(), loss.count),
        }
    }

    /// Adds frames that never came.
    pub fn note_gap(&mut self, gap: &GapRecord) {
        self.add("gap", gap.range.count());
    }

    /// All whose number is known.
    pub fn total(&self) -> u64 {
        self.by_reason.values().copied().fold(0, u64::saturating_add)
    }

    /// Whether nothing was lost, known in number or not.
    pub fn is_nothing(&self) -> bool {
        self.by_reason.is_empty() && self.unclean_ends == 0
    }

    fn add(&mut self, reason: &'static str, count: u64) {
        let sum = self.by_reason.entry(reason).or_default();
        *sum = sum.saturating_add(count);
    }
}
