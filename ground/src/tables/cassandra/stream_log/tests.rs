use proptest::prelude::*;

use super::*;
use crate::tables::{Ledger, StreamProgress};

const STREAM: StreamId = StreamId(1);

fn range(first: u64, last: u64) -> SeqRange {
    SeqRange { first: FrameSeq(first), last: FrameSeq(last) }
}

fn log(runs: &[(u64, u64)], oldest: u64) -> StreamLog {
    let runs = runs.iter().map(|(first, last)| range(*first, *last)).collect();
    StreamLog { runs, oldest, ..StreamLog::default() }
}

fn tail() -> Tail {
    "TC-JJA".parse().expect("a tail")
}

#[test]
fn the_watermark_is_where_neither_a_frame_nor_a_gap_is_next() {
    let state = log(&[(1, 2), (5, 6), (8, 8), (10, 12)], 8).state(tail(), STREAM);
    assert_eq!(state.committed, FrameSeq(8));
    assert_eq!(state.gaps, [range(3, 4), range(7, 7)]);
    assert_eq!(state.received, [range(10, 12)]);
    assert_eq!(log(&[], 0).state(tail(), STREAM).committed, FrameSeq(0));
    assert_eq!(log(&[(2, 9)], 1).state(tail(), STREAM).committed, FrameSeq(0));
}

#[test]
fn frames_that_join_runs_make_them_one_row() {
    let changes = log(&[(1, 10), (15, 20), (30, 30)], 1).adding(&[range(11, 14)]);
    assert_eq!(changes, RunChanges { put: vec![range(1, 20)], delete: vec![range(15, 20)] });
}

#[test]
fn what_another_process_left_untidy_is_tidied_with_the_next_frames() {
    let changes = log(&[(1, 20), (11, 15), (21, 30)], 1).adding(&[]);
    assert_eq!(changes, RunChanges { put: vec![range(1, 30)], delete: vec![range(11, 15), range(21, 30)] });
}

#[test]
fn the_oldest_of_too_many_gaps_are_settled_and_their_runs_joined() {
    let runs: Vec<_> = (1..=MAX_GAPS as u64 + 2).map(|number| (2 * number, 2 * number)).collect();
    let mut log = log(&runs, u64::MAX);
    log.oldest = 2 * (MAX_GAPS as u64 + 2);
    let settled = StreamLog::to_settle(&log.state(tail(), STREAM));
    assert_eq!(settled, Some(FrameSeq(3)));
    log.settled = 3;
    let state = log.state(tail(), STREAM);
    assert_eq!((state.gaps.len(), StreamLog::to_settle(&state)), (MAX_GAPS, None));
    assert_eq!(log.adding(&[]).put, [range(1, 4)]);
}

/// A partition as Cassandra keeps it: for each row the value with the highest time, unless a delete has as high a one.
#[derive(Clone, Debug, Default)]
struct Partition {
    runs: std::collections::BTreeMap<u64, u64>,
    deleted: std::collections::BTreeMap<u64, u64>,
    oldest: u64,
    newest: u64,
}

impl Partition {
    fn put(&mut self, run: SeqRange) {
        let (first, last) = (run.first.0, run.last.0);
        if self.deleted.get(&first).is_none_or(|at| *at < last) {
            let value = self.runs.entry(first).or_default();
            *value = last.max(*value);
        }
    }

    fn delete(&mut self, run: SeqRange) {
        let (first, at) = (run.first.0, run.last.0);
        if self.runs.get(&first).is_some_and(|last| *last <= at) {
            self.runs.remove(&first);
        }
        let deleted = self.deleted.entry(first).or_default();
        *deleted = at.max(*deleted);
    }

    fn read(&self) -> StreamLog {
        let runs: Vec<_> = self.runs.iter().map(|(first, last)| (*first, *last)).collect();
        StreamLog { newest: self.newest, ..log(&runs, self.oldest) }
    }
}

/// What a process does next.
#[derive(Clone, Debug)]
enum Step {
    Put,
    Delete,
    Read,
}

/// A process that stores one progress after the other, in steps that others may come between.
#[derive(Debug)]
struct Process {
    todo: Vec<StreamProgress>,
    known: StreamLog,
    changes: RunChanges,
    next: Step,
}

impl Process {
    fn new(todo: Vec<StreamProgress>) -> Self {
        Self { todo, known: StreamLog::default(), changes: RunChanges::default(), next: Step::Put }
    }

    /// One step; where the stream stands, if it was read.
    fn step(&mut self, partition: &mut Partition) -> Option<StreamState> {
        let progress = self.todo.first()?;
        match self.next {
            Step::Put => {
                self.changes = self.known.adding(&progress.stored);
                self.changes.put.iter().for_each(|run| partition.put(*run));
                partition.oldest = partition.oldest.max(progress.oldest.0);
                partition.newest = partition.newest.max(progress.newest.0);
                self.next = Step::Delete;
                None
            }
            Step::Delete => {
                self.changes.delete.iter().for_each(|run| partition.delete(*run));
                self.next = Step::Read;
                None
            }
            Step::Read => {
                self.known = partition.read();
                self.todo.remove(0);
                self.next = Step::Put;
                Some(self.known.state(tail(), STREAM))
            }
        }
    }

    /// What was in hand is done again by the next one, which knows nothing.
    fn die(&mut self) {
        self.known = StreamLog::default();
        self.next = Step::Put;
    }
}

fn progress() -> impl Strategy<Value = StreamProgress> {
    let runs = prop::collection::vec((1..60_u64, 0..8_u64), 0..4);
    (runs, 0..60_u64, 0..60_u64).prop_map(|(runs, oldest, newest)| {
        let runs: Vec<_> = runs.into_iter().map(|(first, more)| range(first, first + more)).collect();
        let mut stored = Ranges::default();
        runs.iter().for_each(|run| stored.insert(run.first.0, run.last.0));
        let (stored, at) = (stored.to_vec(), UnixSeconds(0));
        let (oldest, newest) = (FrameSeq(oldest), FrameSeq(newest));
        StreamProgress { tail: tail(), stream: STREAM, stored, oldest, newest, at }
    })
}

proptest! {
    /// Whatever comes between the steps of processes that store frames of one stream, and whenever one of them dies:
    /// none is ever told that something is stored which is not, and in the end all see what one alone would.
    #[test]
    fn processes_that_store_at_once_come_to_what_one_alone_would(
        work in prop::collection::vec(prop::collection::vec(progress(), 1..6), 1..4),
        schedule in prop::collection::vec((0..4_usize, 0..12_u8), 0..120),
    ) {
        let mut partition = Partition::default();
        let mut processes: Vec<_> = work.iter().cloned().map(Process::new).collect();
        let (mut stored, mut oldest) = (Ranges::default(), 0);
        let everybody = (0..processes.len()).cycle().map(|number| (number, 1)).take(200);
        for (number, chance) in schedule.into_iter().chain(everybody) {
            let Some(process) = processes.get_mut(number) else { continue };
            if chance == 0 {
                process.die();
                continue;
            }
            if let (Step::Put, Some(progress)) = (&process.next, process.todo.first()) {
                progress.stored.iter().for_each(|run| stored.insert(run.first.0, run.last.0));
                oldest = oldest.max(progress.oldest.0);
            }
            if let Some(state) = process.step(&mut partition) {
                for number in 1..=state.committed.0 {
                    prop_assert!(stored.contains(number) || number < oldest, "{number} is neither");
                }
            }
        }
        let mut alone = Ledger::default();
        for progress in work.iter().flatten() {
            alone.merge(progress);
        }
        let expected = alone.state(tail(), STREAM, UnixSeconds(0));
        prop_assert_eq!(partition.read().state(tail(), STREAM), expected);
    }

    /// As long as nobody comes between, a stream is one row.
    #[test]
    fn frames_in_order_take_one_row(lengths in prop::collection::vec(1..50_u64, 1..20)) {
        let mut partition = Partition::default();
        let mut first = 1;
        let mut work = Vec::new();
        for length in lengths {
            let last = first + length - 1;
            let (stored, oldest, newest) = (vec![range(first, last)], FrameSeq(first), FrameSeq(last));
            let at = UnixSeconds(0);
            work.push(StreamProgress { tail: tail(), stream: STREAM, stored, oldest, newest, at });
            first += length;
        }
        let mut process = Process::new(work);
        while !process.todo.is_empty() {
            process.step(&mut partition);
        }
        prop_assert_eq!(partition.runs.into_iter().collect::<Vec<_>>(), [(1, first - 1)]);
        prop_assert!(partition.deleted.is_empty());
    }
}
