//! Disks without room, and databases that can't be written.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;

use cabinwatch_shared::wire::{Frame, LossFrame, LossReason};

use super::*;
use crate::sources::Cursor;

/// Rows of the three tables that may give way.
fn rows(agent: &Agent) -> [u64; 3] {
    let database = rusqlite::Connection::open(agent.path()).expect("opens");
    ["events", "windows", "outbox"].map(|table| {
        let sql = format!("SELECT count(*) FROM {table}");
        database.query_row(&sql, [], |row| row.get(0)).map(i64::unsigned_abs).expect("counted")
    })
}

/// Failures of twenty keys with long names, each so often.
fn failures(start: i64, times: usize) -> Vec<(i64, String)> {
    let long = "x".repeat(150);
    (0..20 * times).map(|number| (start, format!("{} {long}", number % 20))).collect()
}

fn take(agent: &mut Agent, failures: &[(i64, String)]) {
    let events: Vec<_> = failures.iter().map(|(at, what)| (*at, "DNS", what.as_str(), FAIL)).collect();
    agent.events(&events);
    agent.commit();
}

fn lost_to_storage(agent: &Agent) -> u64 {
    let frames = agent.frames();
    let lost = frames.iter().map(|frame| match frame.decode() {
        Frame::Loss(LossFrame { reason: LossReason::Storage, count, .. }) => count,
        _ => 0,
    });
    lost.sum()
}

#[test]
fn on_a_full_disk_stored_events_give_way_first_then_closed_windows_then_the_oldest_frames() {
    let mut agent = Agent::start_with(|settings| settings.reserve_bytes = 512 << 10);
    agent.engine().store.fill_the_disk();
    let pages = agent.engine().store.pages();
    let (mut before, mut seen) = (rows(&agent), [false; 3]);
    let mut sent = 0;
    for window in 0..200 {
        take(&mut agent, &failures(window * 300, 400));
        sent += 20 * 400;
        agent.clock.advance(300);
        agent.pass(31);
        agent.clock.advance(-31);
        let now = rows(&agent);
        for table in 0..3 {
            // Each window adds a row to both; those of the last checkpoint and behind it are kept.
            let gave_way = if table == 0 { now[0] < before[0] } else { now[table] <= before[table] };
            seen[table] |= gave_way;
            assert!(!gave_way || table == 0 || now[table - 1] <= 6, "{before:?} {now:?}");
        }
        before = now;
        if seen[2] && window > 150 {
            break;
        }
    }
    assert_eq!(seen, [true; 3], "each has given way");
    assert_eq!(agent.engine().store.pages(), pages, "inside the file");
    assert_eq!(agent.counted(Counter::Events), sent);
    assert!(agent.counted(Counter::GaveWay) > 0);
    let lost = agent.counted(Counter::Lost(LossReason::Storage));
    let newest = agent.engine().store.bounds().expect("bounds").newest.0;
    assert_eq!(newest, rows(&agent)[2] + lost, "every frame is there or counted");
    agent.pass(600);
    let untold = agent.engine().state.unreported.get(&LossReason::Storage).map_or(0, |span| span.count);
    assert!(lost_to_storage(&agent) > 0, "and the ground hears of it");
    assert_eq!(
        lost_to_storage(&agent) + untold,
        agent.counted(Counter::Lost(LossReason::Storage)),
        "of all: what a frame told that went itself is told again"
    );
    agent.restart();
    assert!(agent.counted(Counter::Lost(LossReason::Storage)) >= lost);
}

#[test]
fn a_disk_that_is_full_and_then_is_not_costs_nothing() {
    let mut agent = Agent::start();
    agent.engine().store.fill_the_disk();
    agent.engine().store.make_room_on_the_disk();
    take(&mut agent, &failures(0, 2000));
    agent.restart();
    agent.pass(400);
    let (_, _, keys) = agent.windows().remove(0);
    assert_eq!(keys.iter().map(|(_, fail)| fail).sum::<u64>(), 40_000);
}

/// Hands batches over while a commit fails; the agent is asked to end then, so that the commit ends, too.
fn while_nothing_can_be_written(agent: &mut Agent, batches: Vec<EventBatch>) {
    let (queue, inputs) = sync_channel(batches.len() + 1);
    batches.into_iter().for_each(|batch| queue.send(Input::Batch(batch)).expect("queued"));
    queue.send(Input::Shutdown).expect("queued");
    agent.engine().queue = Some(Rc::new(inputs));
    agent.engine().store.fill_the_disk();
    let more: Vec<_> = (0..200).map(|key| (1, format!("{key} {}", "x".repeat(150)))).collect();
    let mut batch = EventBatch::default();
    more.iter().for_each(|(at, what)| push(&mut batch, (*at, "DNS", what, FAIL)));
    agent.engine().take(Input::Batch(batch)).expect("taken");
    assert!(agent.engine().commit_group().expect_err("there is no room").is_full());
}

fn batch(events: usize, cursor: bool, told: &Arc<AtomicU64>) -> EventBatch {
    let mut batch = EventBatch::default();
    (0..events).for_each(|_| push(&mut batch, (2, "DNS", "0", FAIL)));
    if cursor {
        batch.cursors.push(Cursor { name: "tail:/log".to_owned(), position: vec![1] });
    }
    let told = Arc::clone(told);
    batch.on_stored = Some(Box::new(move || {
        told.fetch_add(1, Ordering::Relaxed);
    }));
    batch
}

fn counted_in_memory(agent: &mut Agent) -> u64 {
    let windows = agent.engine().state.windows.iter();
    windows.flat_map(|(_, window)| window.tallies().map(|(_, tally)| tally.fail).collect::<Vec<_>>()).sum()
}

#[test]
fn while_nothing_can_be_written_events_are_counted_and_nobody_is_told_that_they_are_stored() {
    let mut agent = Agent::start();
    agent.events(&[(0, "DNS", "0", FAIL)]);
    agent.commit();
    let told = Arc::default();
    while_nothing_can_be_written(&mut agent, vec![batch(3, false, &told), batch(4, true, &told)]);
    assert_eq!(counted_in_memory(&mut agent), 1 + 200 + 3 + 4);
    assert_eq!(told.load(Ordering::Relaxed), 0);
    assert!(!agent.engine().memory_full().load(Ordering::Relaxed));
}

#[test]
fn once_the_memory_is_used_up_files_wait_and_what_nobody_sends_again_is_lost_and_counted() {
    let mut agent = Agent::start_with(|settings| settings.hold_bytes = 1000);
    agent.events(&[(0, "DNS", "0", FAIL)]);
    agent.commit();
    let told = Arc::default();
    let batches = [(500, false), (7, false), (11, true)].map(|(events, cursor)| batch(events, cursor, &told));
    while_nothing_can_be_written(&mut agent, batches.into());
    assert_eq!(counted_in_memory(&mut agent), 1 + 200 + 500 + 11);
    assert_eq!(agent.engine().group.counts().get(Counter::Lost(LossReason::Storage)), 7);
    assert!(agent.engine().memory_full().load(Ordering::Relaxed));
    assert_eq!(told.load(Ordering::Relaxed), 0);
    // Even what was taken for good has an end: the engine then leaves the rest in the queue.
    let many = (0..10).map(|_| batch(500, true, &told)).collect();
    let mut agent = Agent::start_with(|settings| settings.hold_bytes = 1000);
    agent.events(&[(0, "DNS", "0", FAIL)]);
    agent.commit();
    agent.stop.store(true, Ordering::Relaxed);
    agent.engine().leaving = false;
    while_nothing_can_be_written(&mut agent, many);
    assert!(agent.engine().group.bytes() <= 2000 + 1500, "{}", agent.engine().group.bytes());
}

#[test]
fn a_commit_that_fails_while_the_agent_stops_is_an_error() {
    let mut agent = Agent::start();
    agent.stop.store(true, Ordering::Relaxed);
    agent.engine().store.fill_the_disk();
    let more = failures(1, 1000);
    let events: Vec<_> = more.iter().map(|(at, what)| (*at, "DNS", what.as_str(), FAIL)).collect();
    let mut batch = EventBatch::default();
    events.iter().for_each(|event| push(&mut batch, *event));
    agent.engine().take(Input::Batch(batch)).expect("taken");
    assert!(agent.engine().commit_group().expect_err("no room").is_full());
}
