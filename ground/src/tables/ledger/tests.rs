use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::tables::SeqRange;

fn seqs(ledger: &mut Ledger, numbers: impl IntoIterator<Item = u64>) -> Vec<Taken> {
    numbers.into_iter().map(|number| ledger.take(FrameSeq(number))).collect()
}

fn range(first: u64, last: u64) -> SeqRange {
    SeqRange { first: FrameSeq(first), last: FrameSeq(last) }
}

fn state(ledger: &Ledger) -> StreamState {
    ledger.state("TC-JJA".parse().expect("a tail"), StreamId(1), UnixSeconds(0))
}

#[test]
fn frames_in_order_move_the_watermark() {
    let mut ledger = Ledger::default();
    assert_eq!(seqs(&mut ledger, 1..=3), [Taken::New; 3]);
    assert_eq!(ledger.committed(), FrameSeq(3));
}

#[test]
fn live_frames_wait_above_the_watermark_for_the_backlog() {
    let mut ledger = Ledger::default();
    seqs(&mut ledger, [10, 11]);
    assert_eq!(ledger.committed(), FrameSeq(0));
    assert_eq!(state(&ledger).received, [range(10, 11)]);
    seqs(&mut ledger, 1..=9);
    assert_eq!(ledger.committed(), FrameSeq(11));
    assert_eq!(state(&ledger).received, []);
}

#[test]
fn a_frame_that_came_before_is_a_duplicate() {
    let mut ledger = Ledger::default();
    seqs(&mut ledger, [1, 5]);
    assert_eq!(seqs(&mut ledger, [1, 5]), [Taken::Duplicate; 2]);
}

#[test]
fn what_the_aircraft_no_longer_has_becomes_a_gap_and_the_watermark_passes_it() {
    let mut ledger = Ledger::default();
    seqs(&mut ledger, [1, 4, 8]);
    assert_eq!(ledger.skip_below(FrameSeq(8)), 5);
    assert_eq!(ledger.committed(), FrameSeq(8));
    assert_eq!(state(&ledger).gaps, [range(2, 3), range(5, 7)]);
    assert_eq!(ledger.skip_below(FrameSeq(8)), 0);
}

#[test]
fn a_frame_from_a_gap_that_comes_after_all_is_new_and_closes_it() {
    let mut ledger = Ledger::default();
    ledger.skip_below(FrameSeq(4));
    assert_eq!(seqs(&mut ledger, [2, 2]), [Taken::New, Taken::Duplicate]);
    assert_eq!(state(&ledger).gaps, [range(1, 1), range(3, 3)]);
    assert_eq!(ledger.committed(), FrameSeq(3));
}

#[test]
fn frames_beyond_what_can_be_remembered_are_left_to_the_aircraft() {
    let mut ledger = Ledger::default();
    let scattered = (1..=MAX_RECEIVED as u64).map(|number| 2 * number);
    assert!(seqs(&mut ledger, scattered).iter().all(|taken| *taken == Taken::New));
    assert_eq!(ledger.take(FrameSeq(1_000_000)), Taken::NoRoom);
    // What joins a run, or the watermark, still goes.
    assert_eq!(seqs(&mut ledger, [5, 1]), [Taken::New, Taken::New]);
    assert_eq!(ledger.take(FrameSeq(1_000_000)), Taken::New);
}

#[test]
fn the_oldest_of_too_many_gaps_are_settled() {
    let mut ledger = Ledger::default();
    for number in 1..=(MAX_GAPS as u64 + 2) {
        ledger.take(FrameSeq(2 * number));
        ledger.skip_below(FrameSeq(2 * number));
    }
    assert_eq!(state(&ledger).gaps.len(), MAX_GAPS);
    assert_eq!(state(&ledger).settled, FrameSeq(3));
    assert_eq!(seqs(&mut ledger, [3, 5]), [Taken::Duplicate, Taken::New]);
}

#[test]
fn the_far_end_of_the_numbers_does_no_harm() {
    let mut ledger = Ledger::default();
    ledger.skip_below(FrameSeq(u64::MAX));
    assert_eq!(ledger.take(FrameSeq(u64::MAX)), Taken::New);
    assert_eq!(ledger.committed(), FrameSeq(u64::MAX));
    assert_eq!(ledger.take(FrameSeq(u64::MAX)), Taken::Duplicate);
}

#[derive(Clone, Debug)]
enum Step {
    Take(u64),
    SkipBelow(u64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1_u64..60).prop_map(Step::Take),
        1 => (1_u64..60).prop_map(Step::SkipBelow),
        1 => Just(Step::Restart),
    ]
}

/// The same, said without a thought for space: all stored numbers, and how far the aircraft has forgotten.
#[derive(Default)]
struct Model {
    stored: BTreeSet<u64>,
    forgotten: u64,
}

impl Model {
    fn committed(&self) -> u64 {
        (self.forgotten + 1..).find(|number| !self.stored.contains(number)).map_or(u64::MAX, |next| next - 1)
    }

    fn gaps(&self) -> Vec<u64> {
        (1..=self.forgotten).filter(|number| !self.stored.contains(number)).collect()
    }
}

proptest! {
    #[test]
    fn any_order_with_duplicates_restarts_and_losses_ends_as_the_model_does(steps in prop::collection::vec(step(), 0..200)) {
        let (mut ledger, mut model) = (Ledger::default(), Model::default());
        for step in steps {
            match step {
                Step::Take(number) => {
                    let new = model.stored.insert(number);
                    prop_assert_eq!(ledger.take(FrameSeq(number)) == Taken::New, new);
                }
                Step::SkipBelow(oldest) => {
                    let before = model.gaps().len();
                    model.forgotten = model.forgotten.max(oldest - 1);
                    prop_assert_eq!(ledger.skip_below(FrameSeq(oldest)) as usize, model.gaps().len() - before);
                }
                Step::Restart => ledger = Ledger::restore(&state(&ledger)),
            }
            let gaps: Vec<u64> = state(&ledger).gaps.iter().flat_map(|gap| gap.first.0..=gap.last.0).collect();
            prop_assert_eq!(gaps, model.gaps());
            prop_assert_eq!(ledger.committed().0, model.committed());
        }
    }
}

fn progress(stored: &BTreeSet<u64>, oldest: u64) -> StreamProgress {
    let mut ranges = Ranges::default();
    stored.iter().for_each(|number| ranges.insert(*number, *number));
    StreamProgress {
        tail: "TC-JJA".parse().expect("a tail"),
        stream: StreamId(1),
        stored: ranges.to_vec(),
        oldest: FrameSeq(oldest),
        newest: FrameSeq(oldest),
        at: UnixSeconds(0),
    }
}

proptest! {
    #[test]
    fn progress_comes_to_the_same_in_any_order_and_any_number_of_times(
        (made, shuffled) in prop::collection::vec((prop::collection::btree_set(1_u64..60, 0..12), 0_u64..20), 0..12)
            .prop_flat_map(|made| {
                let twice: Vec<_> = made.iter().chain(&made).cloned().collect();
                (Just(made), Just(twice).prop_shuffle())
            })
    ) {
        let merged = |all: &[(BTreeSet<u64>, u64)]| {
            let mut ledger = Ledger::default();
            for (stored, oldest) in all {
                ledger.merge(&progress(stored, *oldest));
            }
            ledger
        };
        prop_assert_eq!(merged(&made), merged(&shuffled));
    }
}
