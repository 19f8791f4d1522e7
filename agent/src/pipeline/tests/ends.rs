use std::fs;
use std::sync::atomic::Ordering;

use cabinwatch_shared::wire::{Frame, LossFrame, LossReason, StreamStart};

use super::*;
use crate::store::StoreError;

const UNCLEAN_END: Counter = Counter::Lost(LossReason::UncleanEnd);

impl Agent {
    fn start_working() -> Self {
        let mut agent = Self::start();
        agent.engine().begin_work().expect("begun");
        agent
    }

    fn kill_and_start(&mut self) {
        self.restart();
        self.engine().begin_work().expect("begun");
    }

    fn stop_in_order(&mut self) {
        self.engine().end_work().expect("ended");
        self.stop();
    }

    /// The unclean ends among the frames: how many, and from when to when after `T0`.
    fn told(&self) -> Vec<(u64, i64, i64)> {
        let frames = self.frames();
        let told = frames.iter().filter_map(|frame| match frame.decode() {
            Frame::Loss(LossFrame { reason: LossReason::UncleanEnd, count, since, until }) => {
                Some((count, since.0 - T0, until.0 - T0))
            }
            _ => None,
        });
        told.collect()
    }
}

#[test]
fn an_end_without_a_word_is_told_at_the_next_start_from_the_last_commit_on() {
    let mut agent = Agent::start_working();
    agent.clock.advance(10);
    agent.events(&[(10, "DNS", "refused", FAIL)]);
    agent.commit();
    agent.clock.advance(7);
    agent.events(&[(17, "DNS", "refused", FAIL)]);
    agent.clock.advance(30);
    agent.kill_and_start();
    assert_eq!(agent.told(), [(1, 10, 47)]);
    assert_eq!(agent.counted(UNCLEAN_END), 1);
    agent.pass(700);
    assert_eq!(agent.told().len(), 1, "once");
}

#[test]
fn an_end_in_order_is_not() {
    let mut agent = Agent::start_working();
    for _ in 0..3 {
        agent.events(&[(0, "DNS", "refused", FAIL)]);
        agent.stop_in_order();
        agent.kill_and_start();
    }
    assert_eq!(agent.told(), []);
    assert_eq!(agent.counted(UNCLEAN_END), 0);
}

#[test]
fn each_end_without_a_word_counts_also_after_one_in_order() {
    let mut agent = Agent::start_working();
    for _ in 0..2 {
        agent.kill_and_start();
    }
    agent.stop_in_order();
    agent.kill_and_start();
    agent.kill_and_start();
    assert_eq!(agent.told().iter().map(|told| told.0).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(agent.counted(UNCLEAN_END), 3);
}

#[test]
fn a_process_that_ends_before_it_took_anything_is_not_an_end_of_its_own() {
    let mut agent = Agent::start_working();
    agent.restart();
    agent.restart();
    agent.kill_and_start();
    assert_eq!(agent.told(), [(1, 0, 0)]);
    // Nor does one that could not begin make the one before it unclean.
    agent.stop_in_order();
    agent.restart();
    agent.kill_and_start();
    assert_eq!(agent.told().len(), 1);
}

#[test]
fn the_first_start_tells_of_no_end() {
    let mut agent = Agent::start_working();
    assert_eq!(agent.told(), []);
    // A database that is gone is told by the start of the new stream.
    agent.stop();
    fs::remove_file(agent.path()).expect("removed");
    agent.kill_and_start();
    assert_eq!(agent.told(), []);
    assert!(matches!(agent.frames()[0].decode(), Frame::StreamStart(StreamStart::NoDatabase { .. })));
}

#[test]
fn a_lock_file_that_the_disk_has_lost_was_no_word() {
    let mut agent = Agent::start_working();
    agent.stop_in_order();
    fs::remove_file(agent.folder.path().join("agent.db.lock")).expect("removed");
    agent.kill_and_start();
    assert_eq!(agent.told().len(), 1);
}

#[test]
fn a_stop_that_can_not_store_what_there_is_is_no_end_in_order() {
    let mut agent = Agent::start_working();
    agent.stop.store(true, Ordering::Relaxed);
    agent.engine().store.fill_the_disk();
    for key in 0..100 {
        let mut batch = EventBatch::default();
        push(&mut batch, (1, "DNS", &format!("{key} {}", "x".repeat(180)), FAIL));
        agent.engine().take(Input::Batch(batch)).expect("taken");
    }
    assert!(matches!(agent.engine().end_work(), Err(StoreError::Sqlite(_))));
    agent.stop.store(false, Ordering::Relaxed);
    agent.kill_and_start();
    assert_eq!(agent.told().len(), 1);
}

#[test]
fn a_damaged_database_does_not_hide_how_the_agent_ended() {
    let mut agent = Agent::start_working();
    agent.stop_folded();
    fs::write(agent.path(), b"junk".repeat(1000)).expect("written");
    agent.clock.advance(5);
    agent.kill_and_start();
    assert_eq!(agent.told(), [(1, 5, 5)], "since when, the damaged file would have told");
    assert_eq!(agent.counted(Counter::DatabasesSetAside), 1);
}

#[test]
fn without_a_time_of_day_the_end_is_told_once_there_is_one() {
    let mut agent = Agent::start_working();
    agent.clock.advance(100);
    agent.events(&[(100, "DNS", "refused", FAIL)]);
    agent.commit();
    agent.stop();
    agent.clock.boot_showing(0);
    // This boot takes longer than the next.
    agent.clock.advance(30);
    agent.kill_and_start();
    // Power is cut once more before the clock is set.
    agent.stop();
    agent.clock.boot_showing(0);
    agent.kill_and_start();
    agent.pass(60);
    assert_eq!(agent.told(), []);
    assert_eq!(agent.counted(UNCLEAN_END), 2);
    agent.clock.synchronise(T0 + 10_060);
    agent.pass(1);
    assert_eq!(agent.told(), [(2, 100, 10_000)]);
}

#[test]
fn a_start_costs_one_transaction_after_an_unclean_end_and_none_after_another() {
    let transactions = |agent: &Agent| {
        let connection = rusqlite::Connection::open(agent.path()).expect("opened");
        let sql = "SELECT changes + (SELECT coalesce(max(id), 0) FROM events) FROM stream";
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a number")
    };
    let mut agent = Agent::start_working();
    for (stops_in_order, cost) in [(false, 1), (true, 0)] {
        if stops_in_order {
            agent.stop_in_order();
        }
        agent.restart();
        let before = transactions(&agent);
        agent.engine().begin_work().expect("begun");
        assert_eq!(transactions(&agent) - before, cost);
    }
}
