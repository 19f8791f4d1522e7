use std::fs;
use std::io::{Seek, SeekFrom, Write};

use cabinwatch_shared::wire::{Frame, LossFrame, LossReason, StreamStart};

use super::*;
use crate::sources::Cursor;
use crate::store::{Store, StoreError};

fn counts(agent: &Agent) -> Vec<(i64, u64)> {
    let windows = agent.windows();
    windows.iter().map(|(start, _, keys)| (*start, keys.iter().map(|(_, fail)| fail).sum())).collect()
}

#[test]
fn a_restart_in_mid_window_counts_each_event_once() {
    let mut agent = Agent::start();
    agent.events(&[(0, "DNS", "refused", FAIL), (1, "DHCP", "no address", FAIL)]);
    agent.commit();
    agent.restart();
    agent.events(&[(2, "DNS", "refused", FAIL)]);
    agent.commit();
    agent.restart();
    agent.pass(400);
    let keys = owned(&[("DHCP | no address", 1), ("DNS | refused", 2)]);
    assert_eq!(agent.windows(), [(0, Vec::new(), keys)]);
    agent.restart();
    agent.pass(400);
    assert_eq!(agent.windows().len(), 1);
}

#[test]
fn a_kill_loses_what_was_not_committed_and_its_cursor_alike() {
    let mut agent = Agent::start();
    let read_to = |agent: &mut Agent, position: u8| {
        let mut batch = EventBatch::default();
        push(&mut batch, (0, "DNS", "refused", FAIL));
        batch.cursors.push(Cursor { name: "tail:/log".to_owned(), position: vec![position] });
        agent.take(Input::Batch(batch));
    };
    read_to(&mut agent, 1);
    agent.commit();
    read_to(&mut agent, 2);
    agent.restart();
    assert_eq!(agent.engine().cursors()["tail:/log"], [1]);
    // So the source reads the second event again, and it counts once.
    read_to(&mut agent, 2);
    agent.pass(400);
    assert_eq!(counts(&agent), [(0, 2)]);
}

#[test]
fn the_files_of_a_killed_agent_hold_all_that_was_committed() {
    let mut agent = Agent::start();
    agent.events(&[(0, "DNS", "refused", FAIL)]);
    agent.commit();
    // What a kill leaves: the database and its log as they are, nothing closed.
    let elsewhere = TempDir::new().expect("a folder");
    for name in ["agent.db", "agent.db-wal"] {
        fs::copy(agent.folder.path().join(name), elsewhere.path().join(name)).expect("copied");
    }
    let reader = Reader::open(&elsewhere.path().join("agent.db")).expect("a reader needs no agent");
    assert!(reader.last_stored().expect("readable").is_some());
    drop(reader);
    let mut killed = Agent::start();
    killed.stop();
    killed.folder = elsewhere;
    killed.restart();
    killed.pass(400);
    assert_eq!(counts(&killed), [(0, 1)]);
}

#[test]
fn an_empty_position_forgets_a_cursor() {
    let mut agent = Agent::start();
    for position in [vec![1], Vec::new()] {
        let mut batch = EventBatch::default();
        batch.cursors.push(Cursor { name: "spool:1".to_owned(), position });
        agent.take(Input::Batch(batch));
        agent.commit();
    }
    agent.restart();
    assert!(agent.engine().cursors().is_empty());
}

#[test]
fn losses_and_the_watermark_survive_a_restart() {
    let mut agent = Agent::start();
    agent.clock.advance(400);
    agent.events(&[(400, "DNS", "refused", FAIL), (0, "DNS", "refused", FAIL)]);
    agent.commit();
    agent.restart();
    agent.events(&[(0, "DNS", "refused", FAIL)]);
    assert_eq!(agent.counted(Counter::Lost(LossReason::Late)), 2);
    agent.pass(300);
    assert!(agent.frames().iter().any(|frame| matches!(
        frame.decode(),
        Frame::Loss(LossFrame { reason: LossReason::Late, count: 2, .. })
    )));
}

#[test]
fn a_new_window_length_closes_what_is_open_and_counts_nothing_twice() {
    let mut agent = Agent::start();
    agent.events(&[(0, "DNS", "refused", FAIL), (70, "DNS", "refused", FAIL)]);
    agent.engine().commit_checkpoint().expect("committed");
    agent.events(&[(71, "DNS", "refused", FAIL)]);
    agent.commit();
    agent.settings.length = length(60);
    agent.restart();
    assert_eq!(counts(&agent), [(0, 3)]);
    agent.events(&[(72, "DNS", "refused", FAIL)]);
    assert_eq!(agent.counted(Counter::Lost(LossReason::Late)), 1);
    agent.clock.advance(300);
    agent.events(&[(301, "DNS", "refused", FAIL)]);
    agent.pass(100);
    assert_eq!(counts(&agent), [(0, 3), (300, 1)]);
}

#[test]
fn a_key_in_use_outlives_all_groups() {
    let mut agent = Agent::start_with(|settings| settings.retention.events.age_seconds = 3600);
    agent.events(&[(0, "DNS", "refused", FAIL)]);
    agent.engine().commit_checkpoint().expect("committed");
    // Parked for a day: the window is still open, and every group is old.
    agent.clock.advance(86_400);
    agent.restart();
    agent.events(&[(86_400, "DNS", "refused", FAIL)]);
    agent.pass(120);
    agent.restart();
    agent.pass(400);
    assert_eq!(agent.counted(Counter::DatabasesSetAside), 0);
    assert_eq!(counts(&agent), [(0, 1), (86_400, 1)]);
}

#[test]
fn a_damaged_database_is_set_aside_and_the_agent_runs_on() {
    let mut agent = Agent::start();
    agent.events(&[(0, "DNS", "refused", FAIL)]);
    agent.pass(400);
    let before = agent.engine().store.bounds().expect("bounds").stream;
    agent.stop_folded();
    fs::write(agent.path(), b"this is no database, though it is long enough to be read as one".repeat(100))
        .expect("written");
    agent.restart();
    let frames = agent.frames();
    assert!(matches!(frames[0].decode(), Frame::StreamStart(StreamStart::DatabaseSetAside { .. })));
    assert!(matches!(
        frames[1].decode(),
        Frame::Loss(LossFrame { reason: LossReason::Corrupt, count: 0, .. })
    ));
    assert_eq!(agent.counted(Counter::DatabasesSetAside), 1);
    assert_ne!(agent.engine().store.bounds().expect("bounds").stream, before);
    let aside = format!("agent.db.corrupt-{}", T0 + 400);
    assert!(agent.folder.path().join(aside).exists());
    agent.events(&[(400, "DNS", "refused", FAIL)]);
    agent.pass(330);
    assert_eq!(counts(&agent), [(300, 1)]);
}

#[test]
fn only_the_newest_damaged_database_is_kept() {
    let mut agent = Agent::start();
    for _ in 0..3 {
        agent.stop_folded();
        fs::write(agent.path(), b"junk".repeat(1000)).expect("written");
        agent.clock.advance(1);
        agent.restart();
    }
    let names =
        fs::read_dir(agent.folder.path()).expect("listed").map(|entry| entry.expect("an entry").file_name());
    assert_eq!(names.filter(|name| name.to_string_lossy().contains("corrupt")).count(), 1);
}

#[test]
fn a_page_overwritten_in_the_middle_is_noticed_at_the_start() {
    let mut agent = Agent::start();
    for second in 0..50 {
        agent.events(&[(second, "DNS", "refused", FAIL)]);
        agent.commit();
    }
    agent.stop_folded();
    let mut file = fs::OpenOptions::new().write(true).open(agent.path()).expect("opened");
    file.seek(SeekFrom::Start(4096)).expect("sought");
    file.write_all(&[0xa5; 4096]).expect("written");
    drop(file);
    agent.restart();
    assert_eq!(agent.counted(Counter::DatabasesSetAside), 1);
}

#[test]
fn a_checkpoint_that_does_not_decode_sets_the_database_aside() {
    let mut agent = Agent::start();
    agent.stop();
    let connection = rusqlite::Connection::open(agent.path()).expect("opened");
    connection.execute("UPDATE checkpoint SET body = x'0199'", []).expect("written");
    drop(connection);
    agent.restart();
    assert_eq!(agent.counted(Counter::DatabasesSetAside), 1);
}

#[test]
fn a_database_of_a_newer_agent_is_refused_and_left_alone() {
    let mut agent = Agent::start();
    agent.stop();
    let connection = rusqlite::Connection::open(agent.path()).expect("opened");
    connection.pragma_update(None, "user_version", 2).expect("written");
    drop(connection);
    let before = fs::read(agent.path()).expect("read");
    let refused = Store::open(&agent.path(), agent.clock.wall().seconds());
    assert!(matches!(refused, Err(StoreError::Newer { found: 2, .. })));
    assert!(matches!(Reader::open(&agent.path()), Err(StoreError::Newer { found: 2, .. })));
    assert_eq!(fs::read(agent.path()).expect("read"), before);
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let mut agent = Agent::start();
    agent.stop();
    fs::remove_file(agent.path()).expect("removed");
    let connection = rusqlite::Connection::open(agent.path()).expect("opened");
    connection.execute_batch("CREATE TABLE theirs (id INTEGER)").expect("written");
    drop(connection);
    let refused = Store::open(&agent.path(), agent.clock.wall().seconds());
    assert!(matches!(refused, Err(StoreError::Foreign(_))));
}

#[test]
fn two_agents_do_not_share_a_database() {
    let agent = Agent::start();
    let second = Store::open(&agent.path(), agent.clock.wall().seconds());
    assert!(matches!(second, Err(StoreError::Busy(_))));
}

#[test]
fn a_checkpoint_bounds_what_a_start_replays() {
    let mut agent = Agent::start();
    for round in 0..30 {
        let mut batch = EventBatch::default();
        for event in 0..20_000 {
            push(&mut batch, (round, "DNS", if event % 2 == 0 { "refused" } else { "timed out" }, FAIL));
        }
        agent.take(Input::Batch(batch));
        assert!(agent.engine().store.bytes_since_checkpoint() < (1 << 20) + 80_000);
    }
    agent.restart();
    agent.pass(400);
    assert_eq!(counts(&agent), [(0, 600_000)]);
}

#[test]
fn readers_see_the_database_while_the_agent_runs_and_when_it_does_not() {
    let mut agent = Agent::start();
    agent.events(&[(0, "DNS", "refused", FAIL)]);
    agent.commit();
    let newest = |agent: &Agent| Reader::open(&agent.path()).expect("opens").bounds().expect("bounds").newest;
    assert_eq!(newest(&agent), FrameSeq(1));
    agent.stop();
    assert_eq!(newest(&agent), FrameSeq(1));
    let missing = Reader::open(&agent.folder.path().join("none.db"));
    assert!(matches!(missing, Err(StoreError::Missing(_))));
}
