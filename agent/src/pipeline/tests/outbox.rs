use cabinwatch_shared::wire::{Committed, Frame, LossFrame, LossReason, StreamId};

use super::*;

/// Closes that many windows with one failure each.
fn close_windows(agent: &mut Agent, count: i64) {
    for _ in 0..count {
        let at = agent.clock.wall().0 / 1000 - T0;
        agent.events(&[(at, "DNS", "refused", FAIL)]);
        agent.pass(330);
    }
}

fn seqs(agent: &Agent) -> Vec<u64> {
    agent.frames().iter().map(|frame| frame.seq.0).collect()
}

fn commit_up_to(agent: &mut Agent, seq: u64) {
    let stream = agent.engine().store.bounds().expect("bounds").stream;
    agent.take(Input::Committed(Committed { stream, seq: FrameSeq(seq) }));
}

#[test]
fn frames_leave_only_when_the_ground_has_stored_them() {
    let mut agent = Agent::start();
    close_windows(&mut agent, 3);
    assert_eq!(seqs(&agent), [1, 2, 3, 4]);
    commit_up_to(&mut agent, 2);
    assert_eq!(seqs(&agent), [3, 4]);
    commit_up_to(&mut agent, 1);
    assert_eq!(seqs(&agent), [3, 4]);
}

#[test]
fn a_number_is_never_used_twice() {
    let mut agent = Agent::start();
    close_windows(&mut agent, 1);
    commit_up_to(&mut agent, 2);
    assert!(seqs(&agent).is_empty());
    agent.restart();
    let bounds = agent.engine().store.bounds().expect("bounds");
    assert_eq!((bounds.oldest, bounds.newest), (FrameSeq(3), FrameSeq(2)));
    close_windows(&mut agent, 1);
    assert_eq!(seqs(&agent), [3]);
}

#[test]
fn a_word_about_another_stream_or_about_frames_never_written_is_ignored() {
    let mut agent = Agent::start();
    close_windows(&mut agent, 1);
    let stream = agent.engine().store.bounds().expect("bounds").stream;
    agent.take(Input::Committed(Committed { stream: StreamId(stream.0 ^ 1), seq: FrameSeq(2) }));
    agent.take(Input::Committed(Committed { stream, seq: FrameSeq(3) }));
    assert_eq!(seqs(&agent), [1, 2]);
}

#[test]
fn the_link_is_woken_by_frames_and_not_by_events() {
    let mut agent = Agent::start();
    let woken = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let wake = Arc::clone(&woken);
    agent.engine().call_on_frames(Arc::new(move || {
        wake.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }));
    agent.events(&[(0, "DNS", "refused", FAIL)]);
    agent.commit();
    assert_eq!(woken.load(std::sync::atomic::Ordering::Relaxed), 0);
    agent.pass(330);
    assert_eq!(woken.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn frames_come_in_runs_of_a_given_size() {
    let mut agent = Agent::start();
    close_windows(&mut agent, 3);
    let reader = Reader::open(&agent.path()).expect("a database");
    let run = |from, bytes| -> Vec<u64> {
        let frames = reader.frames(FrameSeq(from), bytes).expect("readable");
        frames.iter().map(|(seq, _)| seq.0).collect()
    };
    assert_eq!(run(2, 1), [2]);
    assert_eq!(run(1, 60), [1, 2, 3]);
    assert!(run(5, 1000).is_empty());
}

#[test]
fn retention_counts_what_it_takes_and_says_so_in_the_stream() {
    let mut agent = Agent::start_with(|settings| settings.retention.outbox.rows = 3);
    close_windows(&mut agent, 3);
    assert_eq!(seqs(&agent), [2, 3, 4]);
    assert_eq!(agent.counted(Counter::Lost(LossReason::OutboxCount)), 1);
    close_windows(&mut agent, 1);
    // The window's frame and the loss's took the place of two more.
    assert_eq!(seqs(&agent), [4, 5, 6]);
    let frames = agent.frames();
    assert!(matches!(
        frames[2].decode(),
        Frame::Loss(LossFrame { reason: LossReason::OutboxCount, count: 1, .. })
    ));
    assert_eq!(agent.counted(Counter::Lost(LossReason::OutboxCount)), 3);
}

#[test]
fn frames_go_by_age_and_by_bytes_too() {
    let mut agent = Agent::start_with(|settings| settings.retention.outbox.age_seconds = 1000);
    close_windows(&mut agent, 2);
    agent.pass(1100);
    assert!(seqs(&agent).iter().all(|seq| *seq > 3), "{:?}", seqs(&agent));
    assert_eq!(agent.counted(Counter::Lost(LossReason::OutboxAge)), 3);
    let mut agent = Agent::start_with(|settings| settings.retention.outbox.bytes = 60);
    close_windows(&mut agent, 4);
    assert!(agent.counted(Counter::Lost(LossReason::OutboxBytes)) > 0);
    assert!(seqs(&agent).last() >= Some(&5));
}

#[test]
fn the_log_is_cut_behind_the_checkpoint_and_its_keys_with_it() {
    let mut agent = Agent::start_with(|settings| settings.retention.events.bytes = 2_000);
    for round in 0..40 {
        let at = agent.clock.wall().0 / 1000 - T0;
        for key in 0..40 {
            agent.events(&[(at, "DNS", &format!("{round} {key}"), FAIL)]);
        }
        agent.pass(330);
    }
    agent.stop();
    let connection = rusqlite::Connection::open(agent.path()).expect("opened");
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a number");
    assert!(number("SELECT sum(length(body)) FROM events") < 4_000);
    assert!(number("SELECT count(*) FROM keys") < 1_200, "keys nothing names any more are gone");
    assert_eq!(number("SELECT count(*) FROM windows"), 40);
    drop(connection);
    agent.restart();
    assert_eq!(agent.counted(Counter::Events), 1_600);
}
