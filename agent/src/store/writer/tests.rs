use cabinwatch_shared::time::UnixSeconds;
use tempfile::TempDir;

use super::*;
use crate::store::lock::tests::patiently;
use crate::store::{GroupHead, GroupWriter, LoggedEvent};

impl Store {
    /// Fills the disk: the file keeps the size it has.
    pub(crate) fn fill_the_disk(&mut self) {
        room::settle(&self.connection).expect("settled");
        self.room.most_pages = self.pages();
    }

    /// Somebody makes room on the disk.
    pub(crate) fn make_room_on_the_disk(&mut self) {
        self.room = Room { reserve: self.room.reserve, ..Room::default() };
    }

    /// As on a file system that became read-only, until the file is opened anew.
    pub(crate) fn refuse_writes(&self) {
        self.connection.pragma_update(None, "query_only", true).expect("set");
    }

    pub(crate) fn pages(&self) -> u64 {
        self.pragma("page_count")
    }

    pub(crate) fn pragma(&self, name: &str) -> u64 {
        let sql = format!("PRAGMA {name}");
        self.connection.query_row(&sql, [], |row| row.get(0)).map(i64::unsigned_abs).expect("a number")
    }
}

const NOW: UnixSeconds = UnixSeconds(1_795_248_600);
const DNS: FaultKey<'static> = FaultKey { edr_point: "DNS", description: "refused" };

fn open(folder: &TempDir) -> Store {
    patiently(|| Store::open(&folder.path().join("agent.db"), NOW)).expect("opens").0
}

fn group_of(store: &mut Store, key: FaultKey<'_>) -> Change {
    let id = store.intern(key).expect("a number");
    let mut group = GroupWriter::default();
    group.push(LoggedEvent { at: NOW.millis(), key: id, state: cabinwatch_shared::event::State::Fail });
    let (body, _, _) = group.finish(GroupHead::Dated { watermark: None });
    Change { keys: store.take_unwritten_keys(), group: Some(body), ..Change::at(NOW) }
}

fn groups(store: &mut Store) -> usize {
    store
        .restore(
            |_, _| Ok(0),
            |_, groups, _| {
                *groups += 1;
                Ok(())
            },
        )
        .expect("restored")
}

#[test]
fn a_change_that_failed_after_it_took_place_is_not_done_twice() {
    let folder = TempDir::new().expect("a folder");
    let mut store = open(&folder);
    let change = group_of(&mut store, DNS);
    store.write(&change).expect("written");
    // As if the commit had reached the disk, and the word of it had not come back.
    store.last_group -= 1;
    store.doubtful = true;
    store.write(&change).expect("found");
    assert_eq!(groups(&mut store), 1);
    let next = group_of(&mut store, DNS);
    store.write(&next).expect("written");
    assert_eq!(groups(&mut store), 2);
}

#[test]
fn a_change_without_a_group_is_not_done_twice_either() {
    let folder = TempDir::new().expect("a folder");
    let mut store = open(&folder);
    let change = Change { frames: vec![vec![1, 2, 3]], ..Change::at(NOW) };
    store.write(&change).expect("written");
    store.changes -= 1;
    store.doubtful = true;
    store.write(&change).expect("found");
    assert_eq!(store.bounds().expect("bounds").newest.0, 2);
    store.doubtful = true;
    store.write(&change).expect("written");
    assert_eq!(store.bounds().expect("bounds").newest.0, 3);
}

#[test]
fn a_change_that_failed_is_done_when_it_is_tried_again() {
    let folder = TempDir::new().expect("a folder");
    let mut store = open(&folder);
    let text = "x".repeat(10_000);
    let change = group_of(&mut store, FaultKey { edr_point: "DNS", description: &text });
    store.fill_the_disk();
    assert!(store.write(&change).expect_err("the disk is full").is_full());
    store.make_room_on_the_disk();
    store.write(&change).expect("there is room again");
    assert_eq!(groups(&mut store), 1);
}

#[test]
fn the_file_grows_by_chunks_that_it_takes_from_the_disk_first() {
    let folder = TempDir::new().expect("a folder");
    let mut store = open(&folder);
    store.keep_free(0);
    let before = store.pages();
    let text = "x".repeat(10_000);
    let change = group_of(&mut store, FaultKey { edr_point: "DNS", description: &text });
    store.write(&change).expect("written");
    assert!(store.pages() >= before + room::CHUNK_BYTES / 4096 - 2);
    assert_eq!(store.pragma("max_page_count"), store.pages());
    let file = std::fs::metadata(folder.path().join("agent.db")).expect("there");
    assert!(file.len() >= store.pages() * 4096);
    assert!(std::os::unix::fs::MetadataExt::blocks(&file) * 512 >= store.pages() * 4096, "no hole in it");
    store.connection.execute_batch("PRAGMA integrity_check").expect("sound");
}

#[test]
fn a_reserve_lasts_for_as_much_as_it_says_on_a_full_disk() {
    let folder = TempDir::new().expect("a folder");
    let mut store = open(&folder);
    store.keep_free(512 << 10);
    store.fill_the_disk();
    let frames = vec![vec![7; 1000]; 100];
    for _ in 0..4 {
        store.write(&Change { frames: frames.clone(), ..Change::at(NOW) }).expect("there is room");
    }
    let more = Change { frames: vec![vec![7; 1000]; 200], ..Change::at(NOW) };
    assert!(store.write(&more).expect_err("the reserve is used up").is_full());
    store.make_room_on_the_disk();
    store.refill().expect("refilled");
    assert!(store.pragma("freelist_count") * 4096 >= 500 << 10, "whole again");
    assert_eq!(std::fs::metadata(folder.path().join("agent.db-wal")).expect("there").len(), room::LOG_BYTES);
}

#[test]
fn what_a_kill_left_of_growing_is_room_after_the_next_start() {
    let folder = TempDir::new().expect("a folder");
    let mut store = open(&folder);
    store.connection.execute("INSERT INTO room (body) VALUES (zeroblob(100000))", []).expect("written");
    store.keep_free(0);
    assert!(store.pragma("freelist_count") >= 24);
}

#[test]
fn keys_keep_their_numbers_across_a_start() {
    let folder = TempDir::new().expect("a folder");
    let mut store = open(&folder);
    let id = store.intern(DNS).expect("a number");
    let change = group_of(&mut store, DNS);
    store.write(&change).expect("written");
    drop(store);
    let mut store = open(&folder);
    assert_eq!(store.known_key(DNS), None);
    assert_eq!(store.intern(DNS).expect("a number"), id);
    assert_eq!(store.key(id).expect("a key").key(), DNS);
    let other = store.intern(FaultKey { edr_point: "DNS", description: "timed out" }).expect("a number");
    assert_ne!(other, id);
}

#[test]
fn keys_that_memory_drops_come_back_from_the_table() {
    let folder = TempDir::new().expect("a folder");
    let mut store = open(&folder);
    let change = group_of(&mut store, DNS);
    store.write(&change).expect("written");
    let id = store.known_key(DNS).expect("known");
    store.forget_keys_except(&HashSet::new());
    assert_eq!(store.keys_in_memory_count(), 0);
    assert_eq!(store.intern(DNS).expect("a number"), id);
    assert_eq!(store.take_unwritten_keys(), []);
}
