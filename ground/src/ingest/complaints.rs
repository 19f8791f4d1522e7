//! What a group gives reason to warn of: a line for each aircraft and matter, however many frames it is about. A message
//! can hold tens of thousands of them.

use std::collections::BTreeMap;

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::wire::LossReason;

use crate::tables::SetAsideReason;

/// Counted until the group is done.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    set_aside: BTreeMap<(Tail, &'static str), SetAside>,
    losses: BTreeMap<(Tail, &'static str), Losses>,
    differing: BTreeMap<(Tail, ModelVersion), u64>,
}

#[derive(Debug)]
struct SetAside {
    count: u64,
    /// The first of them: the number of its frame, if it has one, and what is wrong with it.
    seq: Option<u64>,
    message: String,
}

#[derive(Debug, Default)]
struct Losses {
    records: u64,
    lost: u64,
}

impl Complaints {
    pub fn set_aside(&mut self, tail: &Tail, reason: SetAsideReason, seq: Option<u64>, message: &str) {
        let first = || SetAside { count: 0, seq, message: message.to_owned() };
        self.set_aside.entry((tail.clone(), reason.as_str())).or_insert_with(first).count += 1;
    }

    pub fn lost(&mut self, tail: &Tail, reason: LossReason, lost: u64) {
        let losses = self.losses.entry((tail.clone(), reason.as_str())).or_default();
        losses.records += 1;
        losses.lost = losses.lost.saturating_add(lost);
    }

    pub fn differing(&mut self, tail: &Tail, model: ModelVersion, rows: u64) {
        if rows > 0 {
            *self.differing.entry((tail.clone(), model)).or_default() += rows;
        }
    }

    /// Says it all.
    pub fn log(self) {
        for ((tail, reason), SetAside { count, seq, message }) in self.set_aside {
            tracing::warn!(%tail, reason, count, seq, "set aside what could not be stored as rows; the first: {message}");
        }
        for ((tail, reason), Losses { records, lost }) in self.losses {
            tracing::warn!(%tail, reason, records, lost, "the aircraft reports a loss");
        }
        for ((tail, model), rows) in self.differing {
            tracing::warn!(%tail, model = model.0, rows, "the agent's alarms differ from ours");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_complaint_for_each_aircraft_and_matter() {
        let [one, other]: [Tail; 2] = ["TC-JJA", "TC-JJB"].map(|tail| tail.parse().expect("a tail"));
        let mut complaints = Complaints::default();
        for seq in 1..=1000 {
            complaints.set_aside(&one, SetAsideReason::Nonsense, Some(seq), &format!("frame {seq}"));
            complaints.lost(&one, LossReason::ALL[0], 2);
            complaints.differing(&one, ModelVersion(3), 1);
            complaints.differing(&other, ModelVersion(3), 0);
        }
        complaints.set_aside(&other, SetAsideReason::Nonsense, None, "a message");
        let set_aside: Vec<_> =
            complaints.set_aside.values().map(|it| (it.count, it.message.as_str())).collect();
        assert_eq!(set_aside, [(1000, "frame 1"), (1, "a message")]);
        let losses: Vec<_> = complaints.losses.values().map(|it| (it.records, it.lost)).collect();
        assert_eq!(losses, [(1000, 2000)]);
        assert_eq!(complaints.differing, [((one, ModelVersion(3)), 1000)].into());
    }
}
