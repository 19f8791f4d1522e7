use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;

use super::*;
use crate::pipeline::Input;
use crate::sources;

fn config(folder: &Path) -> Config {
    let mut config = Config::default();
    config.sources.event_socket = folder.join("events.sock");
    config.sources.spool = folder.join("spool");
    config
}

fn args(point: &str, state: &str) -> RecordArgs {
    RecordArgs {
        point: Some(point.to_owned()),
        description: Some("no address available".to_owned()),
        state: Some(state.to_owned()),
        at: Some("2026-11-21T08:10:00Z".to_owned()),
        json: None,
        timeout: 60_000,
    }
}

fn pending(config: &Config) -> String {
    std::fs::read_to_string(config.sources.spool.join("pending.jsonl")).unwrap_or_default()
}

/// Runs the daemon's sources with an engine that stores (or does not), while `record` works.
fn with_daemon<T>(
    config: &Config,
    stores: bool,
    body: impl FnOnce() -> T,
) -> (T, u64, HashMap<String, Vec<u8>>) {
    let (queue, engine) = sync_channel(64);
    let stop = Arc::new(AtomicBool::new(false));
    let threads =
        sources::start(config, HashMap::new(), queue, Arc::default(), Arc::clone(&stop)).expect("started");
    let engine = std::thread::spawn(move || {
        let (mut events, mut cursors) = (0, HashMap::new());
        // Until the last source has ended.
        for input in engine {
            if let Input::Batch(batch) = input {
                events += batch.len() as u64;
                cursors.extend(batch.cursors.into_iter().map(|cursor| (cursor.name, cursor.position)));
                if let Some(on_stored) = batch.on_stored.filter(|_| stores) {
                    on_stored();
                }
            }
        }
        (events, cursors)
    });
    wait_for(&config.sources.event_socket);
    let result = body();
    stop.store(true, Ordering::Relaxed);
    threads.join();
    let (events, cursors) = engine.join().expect("no panic");
    (result, events, cursors)
}

fn wait_for(socket: &PathBuf) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let probe = UnixDatagram::unbound().expect("made");
    while probe.connect(socket).is_err() {
        assert!(Instant::now() < deadline, "the daemon does not listen");
        std::thread::yield_now();
    }
}

#[test]
fn an_event_is_stored_when_the_daemon_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(folder.path());
    let (outcome, events, _) =
        with_daemon(&config, true, || run(&config, &args("DHCP", "FAIL")).expect("recorded"));
    assert_eq!((outcome, events), (RecordOutcome::Stored, 1));
    assert_eq!(pending(&config), "");
}

#[test]
fn without_a_daemon_an_event_is_kept_and_counted_once_when_it_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(folder.path());
    for _ in 0..3 {
        let outcome = run(&config, &args("DHCP", "FAIL")).expect("recorded");
        assert_eq!(outcome, RecordOutcome::Spooled { events: 1 });
    }
    assert_eq!(pending(&config).lines().count(), 3);
    let spool = config.sources.spool.clone();
    let ((), events, _) = with_daemon(&config, true, || {
        let deadline = Instant::now() + Duration::from_secs(60);
        let left = |name: &str| name.ends_with(".jsonl");
        while std::fs::read_dir(&spool)
            .expect("there")
            .any(|entry| entry.is_ok_and(|entry| left(&entry.file_name().to_string_lossy())))
        {
            assert!(Instant::now() < deadline, "the spool is not emptied");
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    assert_eq!(events, 3);
}

#[test]
fn an_unanswered_event_is_kept_under_the_number_it_was_sent_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = config(folder.path());
    // Only the socket runs in this daemon, and it does not store.
    let spool = std::mem::take(&mut config.sources.spool);
    let client = Config {
        sources: crate::config::SourcesConfig { spool, ..config.sources.clone() },
        ..config.clone()
    };
    let (outcome, events, cursors) = with_daemon(&config, false, || {
        run(&client, &RecordArgs { timeout: 300, ..args("DHCP", "FAIL") }).expect("recorded")
    });
    assert_eq!((outcome, events), (RecordOutcome::Spooled { events: 1 }, 1));
    let line = pending(&client);
    let (identity, event) = json::parse(line.trim().as_bytes(), now());
    let identity = identity.expect("a number");
    assert!(event.is_ok());
    assert!(cursors.contains_key(&format!("producer:{}", identity.producer)), "{cursors:?}");
}

#[test]
fn what_is_no_event_is_refused_and_not_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(folder.path());
    let undated = RecordArgs { at: Some("tomorrow".to_owned()), ..args("DHCP", "FAIL") };
    let undescribed = RecordArgs { description: None, ..args("DHCP", "FAIL") };
    for args in [args("DHCP", "BROKEN"), args("", "FAIL"), undated, undescribed] {
        assert!(matches!(run(&config, &args), Err(RecordError::NotAnEvent(_))), "{args:?}");
    }
    assert!(!config.sources.spool.exists());
}

#[test]
fn many_events_go_to_the_spool_with_a_date_each_and_bad_lines_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(folder.path());
    let input = "{\"edr_point\":\"A\",\"state\":\"SUCCESS\"}\n\nnonsense\n{\"edr_point\":\"B\",\"state\":\"SUCCESS\",\"edr_date\":\"2026-11-21T08:10:00Z\"}";
    let error = record_lines(&config, &args("", ""), input.as_bytes()).expect_err("one is bad");
    assert!(matches!(error, RecordError::BadLines { count: 1, first: 3, taken: 2, .. }), "{error}");
    let lines = pending(&config);
    assert!(lines.lines().all(|line| line.contains("edr_date")), "{lines}");
    assert_eq!(lines.lines().count(), 2);
}

#[test]
fn without_a_spool_nothing_is_promised() {
    let mut config = Config::default();
    config.sources.spool = PathBuf::new();
    assert!(matches!(run(&config, &args("DHCP", "FAIL")), Err(RecordError::NoSpool)));
}
