use tempfile::TempDir;

use super::*;
use crate::store::lock::tests::patiently;
use crate::store::{GroupHead, GroupWriter, LoggedEvent};

/// What `max_page_count` is on a connection nobody limited.
const NO_LIMIT: i64 = 0xffff_fffe;

impl Store {
    /// Makes the disk full, as far as this connection can tell.
    pub(crate) fn limit_pages_to_what_there_is(&self) {
        self.connection.pragma_update(None, "max_page_count", 1).expect("limited");
    }

    pub(crate) fn has_page_limit(&self) -> bool {
        let limit: i64 =
            self.connection.query_row("PRAGMA max_page_count", [], |row| row.get(0)).expect("a number");
        limit < NO_LIMIT
    }
}

const NOW: UnixSeconds = UnixSeconds(1_795_248_600);
const DNS: FaultKey<'static> = FaultKey { edr_point: "DNS", description: "refused" };

fn open(folder: &TempDir) -> Store {
    patiently(|| Store::open(&folder.path().join("agent.db"), NOW)).0
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
    store.limit_pages_to_what_there_is();
    store.write(&change).expect_err("the disk is full");
    store.write(&change).expect("there is room again");
    assert_eq!(groups(&mut store), 1);
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
