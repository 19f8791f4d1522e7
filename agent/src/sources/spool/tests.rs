use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::pipeline::Input;
use crate::sources::outlet::{Fault, Outlet};
use crate::sources::producers::Producers;

const PATIENCE: Duration = Duration::from_secs(10);

fn event(number: u32) -> String {
    format!("{{\"edr_point\":\"DHCP\",\"description\":\"{number}\",\"state\":\"FAIL\"}}\n")
}

fn numbered(seq: u64) -> String {
    format!("{{\"edr_point\":\"A\",\"state\":\"SUCCESS\",\"producer\":\"record-1\",\"seq\":{seq}}}\n")
}

fn append(folder: &Path, text: &str) {
    SpoolFolder::lock(folder, PATIENCE).expect("locked").append(text.as_bytes()).expect("appended");
}

fn take_over(folder: &Path) -> PathBuf {
    SpoolFolder::lock(folder, PATIENCE)
        .expect("locked")
        .take_over()
        .expect("taken")
        .expect("something pending")
}

/// What an engine would hold after storing the first so many batches, and dying.
#[derive(Default)]
struct Stored {
    events: u64,
    losses: u64,
    cursors: HashMap<String, Vec<u8>>,
}

/// Runs the source over one taken file, storing at most `batches` batches, then crashing.
fn run_and_crash(path: &Path, folder: &Path, stored: &mut Stored, batches: usize) {
    let (queue, engine) = sync_channel(64);
    let stop = Arc::new(AtomicBool::new(false));
    let outlet = Outlet::new(queue, stop);
    let producers = Mutex::new(Producers::restore(&stored.cursors));
    let cursor = stored.cursors.get(CURSOR_NAME).cloned();
    std::thread::scope(|scope| {
        let outlet_of_source = outlet.clone();
        let producers = &producers;
        let source = scope.spawn(move || {
            SpoolSource::new(folder, 1000, producers, &outlet_of_source, cursor.as_ref()).take_file(path)
        });
        drop(outlet);
        store(&engine, stored, batches);
        drop(engine);
        let result = source.join().expect("no panic");
        assert!(matches!(result, Ok(()) | Err(Fault::Stopped)));
    });
}

fn store(engine: &Receiver<Input>, stored: &mut Stored, batches: usize) {
    for _ in 0..batches {
        let Ok(Input::Batch(batch)) = engine.recv() else { return };
        stored.events += batch.len() as u64;
        stored.losses += batch.losses.iter().map(|(_, count)| count).sum::<u64>();
        stored.cursors.extend(batch.cursors.into_iter().map(|cursor| (cursor.name, cursor.position)));
        if let Some(on_stored) = batch.on_stored {
            on_stored();
        }
    }
}

#[test]
fn wherever_the_daemon_crashes_each_spooled_event_counts_once() {
    const EVENTS: u32 = 3000;
    for crash_after in 0..8 {
        let folder = tempfile::tempdir().expect("a folder");
        append(folder.path(), &(0..EVENTS).map(event).collect::<String>());
        let taken = take_over(folder.path());
        let mut stored = Stored::default();
        run_and_crash(&taken, folder.path(), &mut stored, crash_after);
        if taken.exists() {
            run_and_crash(&taken, folder.path(), &mut stored, usize::MAX);
        }
        assert_eq!(stored.events, u64::from(EVENTS), "crash after {crash_after} batches");
        assert!(!taken.exists());
    }
}

#[test]
fn a_crash_between_storing_and_deleting_counts_nothing_again() {
    let folder = tempfile::tempdir().expect("a folder");
    append(folder.path(), &event(1));
    let taken = take_over(folder.path());
    let copy = fs::read(&taken).expect("read");
    let mut stored = Stored::default();
    run_and_crash(&taken, folder.path(), &mut stored, usize::MAX);
    fs::write(&taken, copy).expect("the file is still there");
    run_and_crash(&taken, folder.path(), &mut stored, usize::MAX);
    assert_eq!(stored.events, 1);
}

#[test]
fn an_event_that_was_sent_and_spooled_counts_once() {
    let folder = tempfile::tempdir().expect("a folder");
    append(folder.path(), &(numbered(1) + &numbered(2)));
    let mut producers = Producers::default();
    producers.take("record-1", 1, cabinwatch_shared::time::UnixSeconds(1));
    let mut cursors = Vec::new();
    producers.write_cursors(&mut cursors);
    let cursors = cursors.into_iter().map(|cursor| (cursor.name, cursor.position)).collect();
    let mut stored = Stored { cursors, ..Stored::default() };
    run_and_crash(&take_over(folder.path()), folder.path(), &mut stored, usize::MAX);
    assert_eq!(stored.events, 1);
}

#[test]
fn half_a_line_left_by_a_crash_swallows_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    append(folder.path(), &event(1));
    let mut pending =
        OpenOptions::new().append(true).open(folder.path().join("pending.jsonl")).expect("opened");
    pending.write_all(&event(2).as_bytes()[..20]).expect("written");
    append(folder.path(), &event(3));
    let mut stored = Stored::default();
    run_and_crash(&take_over(folder.path()), folder.path(), &mut stored, usize::MAX);
    assert_eq!((stored.events, stored.losses), (2, 1));
}

#[test]
fn numbers_never_repeat_and_a_lost_counter_takes_a_new_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let next =
        || SpoolFolder::lock(folder.path(), PATIENCE).expect("locked").next_number().expect("a number");
    let (first, second) = (next(), next());
    assert_eq!((first.seq, second.seq), (1, 2));
    assert_eq!(first.producer, second.producer);
    for garbage in [&b""[..], b"\xff\xff", b"boot record-1 7", b"other-boot record-1 7 .\n"] {
        fs::write(folder.path().join("lock"), garbage).expect("written");
        let anew = next();
        assert_eq!(anew.seq, 1);
        assert_ne!(anew.producer, first.producer);
    }
}

#[test]
fn a_full_spool_refuses_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().expect("a folder");
    append(folder.path(), &event(1));
    let mut locked = SpoolFolder::lock(folder.path(), PATIENCE).expect("locked");
    let error = locked.append(&vec![b'\n'; MAX_SPOOL_BYTES as usize]).expect_err("too much");
    assert!(matches!(error, SpoolError::Full(_)));
    let pending = fs::read_to_string(folder.path().join("pending.jsonl")).expect("read");
    assert_eq!(pending, event(1));
}

#[test]
fn a_held_lock_is_waited_for_and_then_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let _held = SpoolFolder::lock(folder.path(), PATIENCE).expect("locked");
    let error = SpoolFolder::lock(folder.path(), Duration::from_millis(20)).expect_err("held");
    assert!(matches!(error, SpoolError::Locked { .. }));
}

#[test]
fn lines_that_are_no_events_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    append(folder.path(), &format!("garbage\n{}\n{}", "x".repeat(5000), event(1)));
    let mut stored = Stored::default();
    run_and_crash(&take_over(folder.path()), folder.path(), &mut stored, usize::MAX);
    assert_eq!((stored.events, stored.losses), (1, 2));
}

#[test]
fn what_root_records_belongs_to_the_folders_owner() {
    let state = tempfile::tempdir().expect("a folder");
    // Only root may do this. For anybody else all of it belongs to one user anyway.
    let _ = std::os::unix::fs::chown(state.path(), Some(12_345), Some(12_346));
    let owner = |path: &Path| {
        let found = fs::metadata(path).expect("it is there");
        (found.uid(), found.gid())
    };
    let folder = state.path().join("spool");
    append(&folder, &event(1));
    for made in [&folder, &folder.join("lock"), &folder.join("pending.jsonl")] {
        assert_eq!(owner(made), owner(state.path()), "{}", made.display());
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let folder = tempfile::tempdir().expect("a folder");
    let elsewhere = folder.path().join("elsewhere");
    fs::write(&elsewhere, "").expect("written");
    std::os::unix::fs::symlink(&elsewhere, folder.path().join("pending.jsonl")).expect("linked");
    let mut spool = SpoolFolder::lock(folder.path(), PATIENCE).expect("locked");
    assert!(spool.append(event(1).as_bytes()).is_err());
    assert_eq!(fs::read(&elsewhere).expect("read"), b"");
}
