//! What `docs/clock.md` promises, case by case.

use std::sync::atomic::Ordering;

use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{ClockTrust, Frame, LossFrame, LossReason, StreamStart};

use super::*;
use crate::config::TrustRule;
use crate::sources::{Cursor, DatedBy};

const LATE: Counter = Counter::Lost(LossReason::Late);
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * 86_400;

/// Failures by window, also of windows that were made more than once.
fn failures(agent: &Agent) -> Vec<(i64, u64)> {
    let windows = agent.windows();
    windows.iter().map(|(start, _, keys)| (*start, keys.iter().map(|(_, fail)| fail).sum())).collect()
}

/// An event as the machine's own programs date it.
fn event_now(agent: &mut Agent) {
    let at = agent.clock.wall().0 / 1000 - T0;
    agent.events(&[(at, "DNS", "refused", FAIL)]);
}

/// One event in each minute of that many.
fn minutes(agent: &mut Agent, count: i64) {
    for _ in 0..count {
        event_now(agent);
        agent.pass(60);
    }
}

fn trust(agent: &mut Agent) -> ClockTrust {
    agent.commit();
    Reader::open(&agent.path()).expect("a database").bounds().expect("bounds").clock
}

/// A new agent on a machine that shows this after its boot.
fn boot_new(seconds: i64) -> Agent {
    let mut agent = Agent::start();
    agent.stop();
    for name in ["agent.db", "agent.db-wal", "agent.db-shm"] {
        let _ = std::fs::remove_file(agent.folder.path().join(name));
    }
    agent.clock.boot_showing(seconds);
    agent.restart();
    agent
}

#[test]
fn back_an_hour_no_event_is_late_and_no_window_is_made_twice() {
    let mut agent = Agent::start();
    minutes(&mut agent, 10);
    let wall = agent.clock.wall().0 / 1000;
    agent.clock.set_wall(wall - HOUR);
    // Time goes on by the boot clock, then at half the speed, until the wall clock is met.
    minutes(&mut agent, 5 * 60);
    agent.pass(600);
    let failures = failures(&agent);
    let starts: Vec<_> = failures.iter().map(|(start, _)| *start).collect();
    assert!(starts.is_sorted_by(|a, b| a < b), "{starts:?}");
    assert_eq!(failures.iter().map(|(_, count)| count).sum::<u64>(), 310);
    assert!(failures.iter().all(|(_, count)| *count <= 10), "{failures:?}");
    assert_eq!(failures.last().map(|(start, _)| *start), Some((310 * 60 - HOUR - 60) / 300 * 300));
    assert_eq!((agent.counted(LATE), agent.counted(Counter::ClockSteps)), (0, 1));
}

#[test]
fn forward_a_year_and_back_nothing_is_lost() {
    let mut agent = Agent::start();
    minutes(&mut agent, 10);
    let forth = agent.clock.wall().0 / 1000 + YEAR;
    agent.clock.set_wall(forth);
    minutes(&mut agent, 5);
    assert_eq!(trust(&mut agent), ClockTrust::Doubtful);
    let back = agent.clock.wall().0 / 1000 - YEAR;
    agent.clock.set_wall(back);
    minutes(&mut agent, 10);
    agent.pass(600);
    assert_eq!(failures(&agent), [(0, 5), (300, 5), (600, 5), (900, 5), (1200, 5)]);
    assert_eq!((agent.counted(LATE), trust(&mut agent)), (0, ClockTrust::Trusted));
}

#[test]
fn a_year_that_was_believed_does_not_stop_the_present() {
    let mut agent = Agent::start();
    minutes(&mut agent, 10);
    agent.clock.set_wall(agent.clock.wall().0 / 1000 + YEAR);
    // Ten minutes of doubt, then ten of another year.
    minutes(&mut agent, 20);
    agent.clock.synchronise(agent.clock.wall().0 / 1000 - YEAR);
    minutes(&mut agent, 10);
    agent.restart();
    minutes(&mut agent, 10);
    agent.pass(600);
    let failures = failures(&agent);
    let here: u64 = failures.iter().filter(|(start, _)| *start < YEAR / 2).map(|(_, count)| count).sum();
    let ahead: u64 = failures.iter().filter(|(start, _)| *start > YEAR / 2).map(|(_, count)| count).sum();
    assert_eq!((here, ahead, agent.counted(LATE)), (40, 10, 0));
    let mut starts: Vec<_> = failures.iter().map(|(start, _)| *start).collect();
    starts.sort_unstable();
    assert!(starts.is_sorted_by(|a, b| a < b), "{starts:?}");
}

#[test]
fn in_1970_events_are_stored_and_counted_in_their_windows_once_the_time_is_known() {
    let mut agent = boot_new(2);
    minutes(&mut agent, 10);
    assert_eq!(trust(&mut agent), ClockTrust::Provisional);
    assert!(agent.frames().is_empty(), "nothing is sent that would bear a wrong time");
    // The clock is set: it was 08:10 when the machine had been up for two seconds.
    agent.clock.set_wall(T0 + 600);
    agent.tick();
    assert_eq!(trust(&mut agent), ClockTrust::Trusted);
    minutes(&mut agent, 5);
    agent.pass(600);
    assert_eq!(failures(&agent), [(0, 5), (300, 5), (600, 5)]);
    assert!(matches!(
        agent.frames()[0].decode(),
        Frame::StreamStart(StreamStart::NoDatabase { at }) if at.0 == T0 + 600
    ));
    assert_eq!((agent.counted(Counter::Provisional), agent.counted(Counter::Events)), (10, 15));
    assert_eq!((agent.counted(LATE), agent.counted(Counter::ProvisionalGuessed)), (0, 0));
}

#[test]
fn the_log_holds_the_times_that_were_found() {
    let mut agent = boot_new(2);
    minutes(&mut agent, 3);
    agent.clock.set_wall(T0 + 180);
    agent.tick();
    agent.restart();
    let mut dates = Vec::new();
    let mut reader = Reader::open(&agent.path()).expect("a database");
    let read: Result<(), crate::store::StoreError> = reader.groups(|_, group| {
        dates.extend(group.group.events().map(|event| event.expect("an event").at.0 / 1000 - T0));
        assert_eq!(group.group.provisional().count(), 0);
        Ok(())
    });
    read.expect("readable");
    assert_eq!(dates, [0, 60, 120]);
}

#[test]
fn a_process_that_dies_before_the_time_is_known_dates_its_events_exactly_all_the_same() {
    let mut agent = Agent::start();
    minutes(&mut agent, 2);
    agent.stop();
    agent.clock.boot_showing(2);
    agent.restart();
    for round in 0..5 {
        event_now(&mut agent);
        agent.pass(60);
        if round % 2 == 0 {
            agent.engine().commit_checkpoint().expect("committed");
        }
        agent.restart();
    }
    agent.clock.set_wall(T0 + 1500 + 300);
    agent.restart();
    agent.pass(700);
    assert_eq!(failures(&agent), [(0, 2), (1500, 5)]);
    assert_eq!((agent.counted(LATE), agent.counted(Counter::ProvisionalGuessed)), (0, 0));
}

#[test]
fn events_of_a_boot_that_never_learned_the_time_come_right_before_the_next_boot() {
    let mut agent = Agent::start();
    minutes(&mut agent, 1);
    agent.stop();
    agent.clock.boot_showing(2);
    agent.restart();
    minutes(&mut agent, 5);
    agent.commit();
    // The power is cut; off for an unknown while; the next boot learns the time after a minute.
    agent.stop();
    agent.clock.boot_showing(2);
    agent.restart();
    event_now(&mut agent);
    agent.pass(58);
    agent.clock.synchronise(T0 + 6_000 + 60);
    agent.tick();
    agent.pass(700);
    // That boot began at T0 + 6000.
    assert_eq!(failures(&agent), [(0, 1), (5700, 5), (6000, 1)]);
    assert_eq!((agent.counted(Counter::ProvisionalGuessed), agent.counted(LATE)), (5, 0));
}

#[test]
fn windows_that_were_open_wait_for_the_time_too() {
    let mut agent = Agent::start();
    minutes(&mut agent, 2);
    agent.stop();
    agent.clock.boot_showing(2);
    agent.restart();
    event_now(&mut agent);
    agent.pass(1000);
    assert!(agent.windows().is_empty());
    // The power had been off for half a minute only.
    agent.clock.set_wall(T0 + 150 + 1000);
    agent.pass(200);
    assert_eq!(failures(&agent), [(0, 3)]);
    assert_eq!(agent.counted(LATE), 0);
}

#[test]
fn waiting_is_bounded_in_time() {
    let mut agent = Agent::start_with(|settings| settings.clock.provisional = Duration::from_secs(1800));
    minutes(&mut agent, 2);
    agent.stop();
    agent.clock.boot_showing(2);
    agent.restart();
    minutes(&mut agent, 29);
    assert_eq!(agent.counted(Counter::ClockGuesses), 0);
    agent.pass(700);
    assert_eq!(agent.counted(Counter::ClockGuesses), 1);
    assert_eq!(trust(&mut agent), ClockTrust::Doubtful);
    // As if no time had passed since the last that is known.
    assert_eq!(failures(&agent).iter().map(|(_, count)| count).sum::<u64>(), 31);
    assert_eq!(failures(&agent)[..2], [(0, 6), (300, 5)]);
}

#[test]
fn waiting_is_bounded_in_bytes() {
    let mut agent = Agent::start_with(|settings| {
        settings.clock.provisional_bytes = 10_000;
        settings.clock.trust = TrustRule::Synchronised;
    });
    for _ in 0..50 {
        let events: Vec<_> = (0..200).map(|_| (0, "DNS", "refused", FAIL)).collect();
        agent.events(&events);
        agent.commit();
    }
    agent.tick();
    assert_eq!((agent.counted(Counter::ClockGuesses), trust(&mut agent)), (1, ClockTrust::Doubtful));
    agent.pass(400);
    assert_eq!(failures(&agent), [(0, 10_000)]);
}

#[test]
fn a_rule_that_asks_for_a_mark_waits_for_it() {
    let mut agent = Agent::start_with(|settings| settings.clock.trust = TrustRule::Synchronised);
    minutes(&mut agent, 10);
    assert!(agent.frames().is_empty());
    agent.clock.synchronise(agent.clock.wall().0 / 1000);
    agent.pass(400);
    assert_eq!(failures(&agent), [(0, 5), (300, 5)]);
    assert_eq!(trust(&mut agent), ClockTrust::Trusted);
}

#[test]
fn no_frame_is_too_old_by_a_leap_back_that_ends_ahead_of_the_truth() {
    let mut agent = Agent::start();
    let wall = |agent: &Agent| agent.clock.wall().0 / 1000 - T0;
    agent.clock.boot_showing(T0 + YEAR);
    agent.restart();
    minutes(&mut agent, 1);
    agent.clock.set_wall(T0 + wall(&agent) + 40 * DAY - YEAR);
    agent.pass(1500);
    assert!(agent.engine().now_seconds().0 < T0 + 41 * DAY, "it went back");
    assert_eq!(agent.counted(Counter::Lost(LossReason::OutboxAge)), 0);
}

#[test]
fn losses_and_models_wait_for_the_time_of_day() {
    let mut agent = boot_new(2);
    let mut batch = EventBatch::default();
    batch.lose(LossReason::Malformed, 3);
    agent.take(Input::Batch(batch));
    let decided = Arc::new(AtomicBool::new(false));
    let on_decided = Arc::clone(&decided);
    let on_decided = Box::new(move || on_decided.store(true, Ordering::Relaxed));
    agent.take(Input::ModelOffered(OfferedModel { bundle: b"no bundle".to_vec(), on_decided }));
    agent.pass(700);
    assert!(agent.frames().is_empty() && !decided.load(Ordering::Relaxed));
    agent.clock.set_wall(T0 + 700);
    agent.pass(400);
    let frames = agent.frames();
    let since = UnixSeconds(T0 + 1);
    assert!(frames.iter().any(|frame| matches!(
        frame.decode(),
        Frame::Loss(LossFrame { reason: LossReason::Malformed, count: 3, since: at, .. }) if at == since
    )));
    assert!(frames.iter().any(|frame| matches!(frame.decode(), Frame::Model(_))));
    assert!(decided.load(Ordering::Relaxed));
}

#[test]
fn replayed_history_keeps_its_own_times_whatever_the_clock_does() {
    let mut agent = Agent::start();
    let history = |agent: &mut Agent, at| {
        let mut batch = EventBatch::default();
        batch.dated_by = DatedBy::Itself;
        push(&mut batch, (at, "DNS", "refused", FAIL));
        agent.take(Input::Batch(batch));
    };
    agent.clock.advance(5 * HOUR);
    history(&mut agent, 0);
    agent.clock.set_wall(T0 + HOUR);
    history(&mut agent, 60);
    agent.commit();
    agent.restart();
    history(&mut agent, 120);
    agent.pass(400);
    agent.clock.synchronise(T0 + 20 * HOUR);
    agent.pass(400);
    assert_eq!(failures(&agent), [(0, 3)]);
}

#[test]
fn a_start_an_hour_before_the_last_known_time_waits_for_a_word_and_takes_it() {
    let mut agent = Agent::start();
    agent.clock.advance(HOUR);
    minutes(&mut agent, 10);
    agent.stop();
    agent.clock.boot_showing(T0 + 600);
    agent.restart();
    minutes(&mut agent, 5);
    assert_eq!(trust(&mut agent), ClockTrust::Provisional);
    // It was right: the hour before was wrong. Its windows stay as they are, and none is made twice.
    agent.clock.synchronise(agent.clock.wall().0 / 1000);
    minutes(&mut agent, 180);
    agent.pass(700);
    let failures = failures(&agent);
    assert!(failures.is_sorted_by(|a, b| a.0 < b.0), "{failures:?}");
    assert_eq!(failures.iter().map(|(_, count)| count).sum::<u64>(), 195);
    assert_eq!(agent.counted(LATE), 0);
}

#[test]
fn an_aircraft_that_was_parked_for_months_goes_on_at_once() {
    let mut agent = Agent::start();
    minutes(&mut agent, 1);
    agent.stop();
    agent.clock.boot_showing(T0 + 300 * 86_400);
    agent.restart();
    event_now(&mut agent);
    agent.pass(700);
    assert_eq!(failures(&agent), [(0, 1), (300 * 86_400, 1)]);
    assert_eq!((agent.counted(LATE), trust(&mut agent)), (0, ClockTrust::Trusted));
}

#[test]
fn a_damaged_database_found_in_1970_is_told_of_once_the_time_is_known() {
    let mut agent = Agent::start();
    agent.stop_folded();
    std::fs::write(agent.path(), b"junk".repeat(1000)).expect("written");
    agent.clock.boot_showing(2);
    agent.restart();
    event_now(&mut agent);
    agent.restart();
    assert!(agent.frames().is_empty());
    agent.clock.set_wall(T0 + 5);
    agent.tick();
    let frames = agent.frames();
    assert!(
        matches!(frames[0].decode(), Frame::StreamStart(StreamStart::DatabaseSetAside { at }) if at.0 == T0 + 5)
    );
    assert!(matches!(frames[1].decode(), Frame::Loss(LossFrame { reason: LossReason::Corrupt, .. })));
}

#[test]
fn retention_leaves_what_waits_and_a_wrong_clock_makes_nothing_old() {
    let mut agent = Agent::start_with(|settings| {
        settings.retention.events.bytes = 1;
        settings.retention.outbox.age_seconds = 86_400;
    });
    minutes(&mut agent, 10);
    let frames = agent.frames().len();
    agent.stop();
    agent.clock.boot_showing(2);
    agent.restart();
    minutes(&mut agent, 5);
    agent.engine().commit_checkpoint().expect("committed");
    agent.pass(300);
    agent.clock.set_wall(T0 + 900 + 600);
    agent.pass(700);
    assert_eq!(failures(&agent), [(0, 5), (300, 5), (900, 5)]);
    assert!(agent.frames().len() > frames);
    // A year ahead that nobody confirms: frames are not a year old.
    agent.clock.set_wall(T0 + YEAR);
    agent.pass(500);
    assert_eq!(agent.counted(Counter::Lost(LossReason::OutboxAge)), 0);
}

#[test]
fn numbered_producers_are_answered_while_events_wait() {
    let mut agent = boot_new(2);
    let told = Arc::new(AtomicBool::new(false));
    let mut batch = EventBatch::default();
    push(&mut batch, (2 - T0, "DNS", "refused", FAIL));
    batch.cursors.push(Cursor { name: "producer:p".to_owned(), position: vec![1] });
    let tell = Arc::clone(&told);
    batch.on_stored = Some(Box::new(move || tell.store(true, std::sync::atomic::Ordering::Relaxed)));
    agent.take(Input::Batch(batch));
    agent.pass(1);
    assert!(told.load(std::sync::atomic::Ordering::Relaxed), "it is durable");
    agent.restart();
    assert_eq!(agent.engine().cursors()["producer:p"], [1]);
}
