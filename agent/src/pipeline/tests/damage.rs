//! Databases whose bytes are not those that were written.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cabinwatch_shared::wire::{Frame, LossFrame, LossReason, StreamStart};

use super::*;
use crate::sources::Cursor;

fn batch(position: u8, told: &Arc<AtomicBool>) -> EventBatch {
    let mut batch = EventBatch::default();
    push(&mut batch, (1, "DNS", "refused", FAIL));
    batch.cursors.push(Cursor { name: "tail:/log".to_owned(), position: vec![position] });
    let told = Arc::clone(told);
    batch.on_stored = Some(Box::new(move || told.store(true, Ordering::Relaxed)));
    batch
}

#[test]
fn damage_found_while_the_agent_runs_costs_no_count_and_no_cursor() {
    let mut agent = Agent::start();
    agent.events(&[(0, "DNS", "refused", FAIL), (0, "DHCP", "no address", FAIL)]);
    agent.commit();
    let told = Arc::default();
    agent.engine().take(Input::Batch(batch(7, &told))).expect("taken");
    agent.start_anew();
    assert!(told.load(Ordering::Relaxed), "it is stored now");
    agent.restart();
    assert_eq!(agent.engine().cursors()["tail:/log"], [7]);
    agent.events(&[(2, "DNS", "refused", FAIL)]);
    agent.pass(400);
    let keys = owned(&[("DHCP | no address", 1), ("DNS | refused", 3)]);
    assert_eq!(agent.windows(), [(0, Vec::new(), keys)]);
    assert_eq!(agent.counted(Counter::Events), 4);
    assert_eq!(agent.counted(Counter::DatabasesSetAside), 1);
    let frames = agent.frames();
    assert!(matches!(frames[0].decode(), Frame::StreamStart(StreamStart::DatabaseSetAside { .. })));
    assert!(matches!(frames[1].decode(), Frame::Loss(LossFrame { reason: LossReason::Corrupt, .. })));
}

#[test]
fn a_window_that_closes_as_damage_is_found_goes_into_the_new_database() {
    let mut agent = Agent::start();
    agent.events(&[(0, "DNS", "refused", FAIL)]);
    agent.commit();
    // The number that the next frame will have is taken already.
    let database = rusqlite::Connection::open(agent.path()).expect("opens");
    database.execute("UPDATE stream SET next_seq = 1", []).expect("written");
    drop(database);
    agent.clock.advance(400);
    assert!(agent.engine().tick().expect_err("the number is taken").is_corrupt());
    agent.start_anew();
    assert_eq!(agent.windows(), [(0, Vec::new(), owned(&[("DNS | refused", 1)]))]);
    agent.pass(400);
    assert_eq!(agent.windows().len(), 1);
}

#[test]
fn a_frame_that_has_changed_in_the_outbox_is_told_as_lost_and_never_sent() {
    let mut agent = Agent::start();
    agent.events(&[(0, "DNS", "refused", FAIL)]);
    agent.pass(400);
    let frames = agent.frames().len();
    let newest = agent.engine().store.bounds().expect("bounds").newest.0.cast_signed();
    let database = rusqlite::Connection::open(agent.path()).expect("opens");
    let sql = "UPDATE outbox SET frame = CAST(substr(frame, 1, 9) || x'ff' || substr(frame, 11) AS BLOB) WHERE seq = ?1";
    database.execute(sql, [newest]).expect("written");
    assert_eq!(agent.frames().len(), frames, "its number stays");
    assert!(matches!(
        agent.frames()[frames - 1].decode(),
        Frame::Loss(LossFrame { reason: LossReason::Corrupt, count: 1, .. })
    ));
}

/// A database as a killed agent leaves it, with its log, and the same all in one file: three closed windows, and one that
/// is open.
fn lived(folder: &Path) -> Vec<WindowSeen> {
    let mut agent = Agent::start();
    for window in 0..4 {
        for key in 0..30 {
            let description = format!("fault number {key}");
            agent.events(&[(window * 300, "DNS", &description, FAIL), (window * 300, "DHCP", "", SUCCESS)]);
            agent.commit();
        }
        if window < 3 {
            agent.pass(300);
        }
    }
    for name in ["agent.db", "agent.db-wal"] {
        fs::copy(agent.folder.path().join(name), folder.join(name)).expect("copied");
    }
    agent.engine().store.fold_log();
    fs::copy(agent.path(), folder.join("folded.db")).expect("copied");
    agent.pass(400);
    agent.windows()
}

/// Random numbers that are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

fn damage(path: &Path, random: &mut Random) -> String {
    let mut bytes = fs::read(path).expect("read");
    // What SQLite never looks at is no place for damage.
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    let what = match random.below(6) {
        0 => {
            bytes.truncate(random.below(used));
            format!("cut to {}", bytes.len())
        }
        1 => {
            let page = random.below(used.div_ceil(4096)) * 4096;
            let end = (page + 4096).min(bytes.len());
            bytes[page..end].fill_with(|| random.below(256) as u8);
            format!("garbage from {page}")
        }
        times => {
            let places: Vec<_> = (1..times).map(|_| random.below(used)).collect();
            places.iter().for_each(|place| bytes[*place] ^= 1 << random.below(8));
            format!("bits flipped at {places:?}")
        }
    };
    fs::write(path, bytes).expect("written");
    what
}

#[test]
fn whatever_bytes_change_the_agent_starts_and_counts_what_was_or_says_that_it_lost_it() {
    let original = TempDir::new().expect("a folder");
    let expected = lived(original.path());
    let [mut sound, mut set_aside, mut refused] = [0; 3];
    for seed in 1..=150 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let mut agent = Agent::start();
        agent.stop();
        fs::remove_file(agent.folder.path().join("agent.db-shm")).expect("removed");
        let there = |name: &str| agent.folder.path().join(name);
        let name = match random.below(3) {
            0 => {
                fs::remove_file(there("agent.db-wal")).expect("removed");
                fs::copy(original.path().join("folded.db"), there("agent.db")).expect("copied");
                "agent.db"
            }
            which => {
                for name in ["agent.db", "agent.db-wal"] {
                    fs::copy(original.path().join(name), there(name)).expect("copied");
                }
                ["agent.db", "agent.db-wal"][which - 1]
            }
        };
        let what = format!("seed {seed}, {name}: {}", damage(&there(name), &mut random));
        agent.clock.advance(900);
        if let Err(error) = agent.try_restart() {
            assert!(matches!(error, StoreError::Newer { .. } | StoreError::Foreign(_)), "{what}: {error}");
            refused += 1;
            continue;
        }
        agent.pass(400);
        if agent.counted(Counter::DatabasesSetAside) > 0 {
            set_aside += 1;
            continue;
        }
        // The end of a log that is cut is as if the agent had been killed earlier. All else is whole or told.
        let told = agent.frames().iter().any(|frame| matches!(frame.decode(), Frame::Loss(_)));
        for window in agent.windows() {
            let whole = expected.iter().find(|known| known.0 == window.0).expect("a window that was");
            assert!(told || name.ends_with("wal") || window == *whole, "{what}: {window:?}");
            for (key, count) in &window.2 {
                let known = whole.2.iter().find(|known| known.0 == *key);
                assert!(known.is_some_and(|known| known.1 >= *count), "{what}: {key} {count}");
            }
        }
        sound += 1;
    }
    println!("{sound} went on, {set_aside} were set aside, {refused} were refused");
    assert!(sound > 20 && set_aside > 10, "{sound} {set_aside} {refused}");
}
