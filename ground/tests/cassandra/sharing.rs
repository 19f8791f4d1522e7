//! Several processes store frames of one stream.

use std::thread;

use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{FrameSeq, StreamId};

use crate::server::Server;
use crate::*;

fn range(first: u64, last: u64) -> SeqRange {
    SeqRange { first: FrameSeq(first), last: FrameSeq(last) }
}

fn progress(stored: Vec<SeqRange>, oldest: u64) -> Batch {
    let tail = "TC-JJA".parse().expect("a tail");
    let (stream, oldest, newest) = (StreamId(7), FrameSeq(oldest), FrameSeq(oldest));
    let progress = StreamProgress { tail, stream, stored, oldest, newest, at: UnixSeconds(1) };
    Batch { progress: vec![progress], ..Batch::default() }
}

/// Each takes every third message of ten frames; a few are lost on the aircraft, which says so now and then.
#[test]
fn three_processes_come_to_what_one_alone_would() {
    const PROCESSES: u64 = 3;
    const MESSAGES: u64 = 120;
    let server = Server::shared();
    let keyspace = server.keyspace("shared");
    drop(keyspace.made());
    let lost = |message: u64| message % 17 == 5;
    let batch = |message: u64| {
        let first = 10 * message + 1;
        let oldest = if message % 20 == 19 { first } else { 1 };
        progress(vec![range(first, first + 9)], oldest)
    };
    thread::scope(|scope| {
        for process in 0..PROCESSES {
            let mut tables = keyspace.opened();
            scope.spawn(move || {
                let mut before = FrameSeq(0);
                for message in (0..MESSAGES).filter(|message| message % PROCESSES == process) {
                    if lost(message) {
                        continue;
                    }
                    let outcome = tables.commit(&batch(message)).expect("stored");
                    let committed = outcome.streams[0].committed;
                    assert!(committed >= before, "the watermark went back");
                    before = committed;
                }
            });
        }
    });
    let mut alone = Ledger::default();
    for message in (0..MESSAGES).filter(|message| !lost(*message)) {
        for progress in &batch(message).progress {
            alone.merge(progress);
        }
    }
    let tables = keyspace.opened();
    let streams = tables.streams().expect("read");
    let expected = alone.state("TC-JJA".parse().expect("a tail"), StreamId(7), UnixSeconds(1));
    assert_eq!(streams, std::slice::from_ref(&expected));
    let gaps = tables.gaps(&Query::default()).expect("read");
    assert_eq!(gaps.iter().map(|gap| gap.range).collect::<Vec<_>>(), expected.gaps);
}

/// Another process took a gap for lost while its frames were being stored.
#[test]
fn a_gap_that_another_process_has_the_frames_of_is_none() {
    let server = Server::shared();
    let keyspace = server.keyspace("false_gap");
    let mut one = keyspace.made();
    let mut other = keyspace.opened();
    let state =
        one.commit(&progress(vec![range(1, 4), range(11, 12)], 11)).expect("stored").streams.remove(0);
    assert_eq!((state.committed, state.gaps), (FrameSeq(12), vec![range(5, 10)]));
    let state = other.commit(&progress(vec![range(5, 10)], 1)).expect("stored").streams.remove(0);
    assert_eq!((state.committed, state.gaps), (FrameSeq(12), Vec::new()));
    // The rows of gaps are put right by whoever knew of them; until then they are not believed.
    assert_eq!(other.gaps(&Query::default()).expect("read"), []);
    one.commit(&progress(vec![range(13, 13)], 1)).expect("stored");
    assert_eq!(keyspace.cql().count("gaps"), 0);
}

#[test]
fn two_publishers_of_one_version_are_not_both_believed() {
    let server = Server::shared();
    let keyspace = server.keyspace("models");
    drop(keyspace.made());
    let stored = thread::scope(|scope| {
        let publishers: Vec<_> = (0..4_u8)
            .map(|number| {
                let mut tables = keyspace.opened();
                scope.spawn(move || {
                    let version = cabinwatch_shared::model::ModelVersion(1);
                    let model = KnownModel { version, cohort: "fleet".to_owned(), bundle: vec![number] };
                    tables.put_model(&model).is_ok()
                })
            })
            .collect();
        publishers.into_iter().map(|publisher| publisher.join().expect("no panic")).collect::<Vec<_>>()
    });
    assert_eq!(stored.iter().filter(|stored| **stored).count(), 1, "{stored:?}");
}
