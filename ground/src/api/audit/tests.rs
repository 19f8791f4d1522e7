use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::sink::Sink;
use super::*;
use crate::api::fixture::{KEY, keys, odd, put_model};
use crate::api::monitor::Monitor;
use crate::config::ApiConfig;
use crate::operations::Operated;
use crate::telemetry::{Scorer, read_event};

const PATIENCE: Duration = Duration::from_secs(30);

/// Makes the same anomaly again and again.
struct Source(std::sync::Arc<Scorer>);

impl Source {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        put_model(dir.path());
        Self(Scorer::open(dir.path()).expect("a model").into())
    }

    fn anomaly(&self) -> Anomaly {
        let body = odd().to_string();
        Anomaly {
            at: Timestamp::UNIX_EPOCH,
            key: keys().name_of(KEY.as_bytes()).expect("the key").clone(),
            scorer: self.0.clone(),
            event: read_event(body.as_bytes()).expect("an event").into_owned(),
        }
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("a log");
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn config(path: &Path) -> ApiConfig {
    ApiConfig { audit_file: path.to_owned(), ..ApiConfig::default() }
}

fn metric(monitor: &Monitor, name: &str) -> u64 {
    let text = monitor.metrics().expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).expect("the metric")
}

#[test]
fn a_line_says_when_who_how_far_and_why_and_names_no_user() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("audit.ndjson");
    let monitor = Monitor::default();
    let log = AuditLog::open(&config(&path), &monitor).expect("a log");
    log.handle().write(Source::new().anomaly());
    drop(log);
    let lines = lines(&path);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    assert_eq!(line["time"], "1970-01-01T00:00:00.000000+00:00");
    assert_eq!(line["key"], "default");
    assert!(line["anomaly_score"].as_f64().expect("a number") < 0.0);
    let features: Vec<_> = line["contributions"].as_object().expect("a map").keys().collect();
    assert_eq!(features.len(), 4);
    assert!(line["contributions"]["bytes_sent"].as_f64() > Some(0.0), "{line}");
    assert_eq!(line["event"]["dest_port"], 31337);
    assert_eq!(line["event"]["source_ip"], "10.0.0.5");
    let text = line.to_string();
    assert!(
        !text.contains("svc-updates") && !text.contains("/usr/bin/curl") && !text.contains(KEY),
        "{text}"
    );
    assert_eq!(metric(&monitor, "cabinwatch_serve_audit_lines_total"), 1);
}

#[test]
fn a_log_is_continued_and_a_line_that_was_cut_short_is_ended() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("audit.ndjson");
    fs::write(&path, "{\"time\":\"cut sh").expect("written");
    let log = AuditLog::open(&config(&path), &Monitor::default()).expect("a log");
    log.handle().write(Source::new().anomaly());
    drop(log);
    let text = fs::read_to_string(&path).expect("a log");
    let (cut, whole) = text.split_once('\n').expect("two lines");
    assert_eq!(cut, "{\"time\":\"cut sh");
    assert!(serde_json::from_str::<Value>(whole).is_ok(), "{whole}");
}

#[test]
fn a_full_file_is_renamed_and_only_so_many_are_kept() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("audit.ndjson");
    let config = ApiConfig { audit_file_mib: 1, audit_files: 3, ..config(&path) };
    let mut sink = Sink::open(&config).expect("a file");
    let line = [vec![b'x'; (600 << 10) - 1], vec![b'\n']].concat();
    for _ in 0..6 {
        sink.write(&line).expect("written");
    }
    let mut left: Vec<_> =
        fs::read_dir(dir.path()).expect("read").flatten().map(|file| file.file_name()).collect();
    left.sort();
    assert_eq!(left, ["audit.ndjson", "audit.ndjson.1", "audit.ndjson.2"]);
    for file in left {
        assert_eq!(fs::metadata(dir.path().join(file)).expect("there").len(), line.len() as u64);
    }
}

/// A pipe takes 64 KiB, and nobody reads it at first.
#[test]
fn what_finds_no_room_is_counted_and_the_log_says_so() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let monitor = Monitor::default();
    let log = AuditLog::with_sink(Sink::Pipe(writer), &monitor).expect("a log");
    let source = Source::new();
    let audit = log.handle();
    let written = 20_000;
    let before = Instant::now();
    for _ in 0..written {
        audit.write(source.anomaly());
    }
    assert!(before.elapsed() < PATIENCE, "nobody waits for the log");
    let ending = std::thread::spawn(move || drop(log));
    let (mut there, mut lost) = (0, 0);
    for line in BufReader::new(reader).lines() {
        let line: Value = serde_json::from_str(&line.expect("text")).expect("JSON");
        match line["lost"].as_u64() {
            Some(more) => lost += more,
            None => there += 1,
        }
    }
    ending.join().expect("ended");
    assert!(lost > 0, "more than there is room for");
    assert_eq!(there + lost, written);
    assert_eq!(metric(&monitor, "cabinwatch_serve_audit_lost_total"), lost);
    assert_eq!(metric(&monitor, "cabinwatch_serve_audit_lines_total"), there);
}

#[test]
fn a_log_that_cannot_be_written_for_a_while_says_later_what_is_missing() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("logs/audit.ndjson");
    fs::create_dir(dir.path().join("logs")).expect("made");
    let config = ApiConfig { audit_file_mib: 1, audit_files: 1, ..config(&path) };
    let monitor = Monitor::default();
    let log = AuditLog::open(&config, &monitor).expect("a log");
    let (source, audit) = (Source::new(), log.handle());
    let wait_for = |name: &str, count: u64| {
        let began = Instant::now();
        while metric(&monitor, name) < count {
            assert!(began.elapsed() < PATIENCE, "{name}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    // Full, so that it wants a new file, for which there is no folder any more.
    fs::write(&path, vec![b'\n'; 1 << 20]).expect("written");
    drop(log);
    let log = AuditLog::open(&config, &monitor).expect("a log");
    let audit = {
        drop(audit);
        log.handle()
    };
    fs::remove_dir_all(dir.path().join("logs")).expect("removed");
    audit.write(source.anomaly());
    wait_for("cabinwatch_serve_audit_lost_total", 1);
    fs::create_dir(dir.path().join("logs")).expect("made");
    fs::write(&path, "").expect("written");
    audit.write(source.anomaly());
    wait_for("cabinwatch_serve_audit_lines_total", 1);
    drop(log);
    let lines = lines(&path);
    let lost: u64 = lines.iter().filter_map(|line| line["lost"].as_u64()).sum();
    assert_eq!((lines.len(), lost), (2, 1), "{lines:?}");
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_that_names_the_setting() {
    let dir = tempfile::tempdir().expect("a folder");
    let error = AuditLog::open(&config(&dir.path().join("no/audit")), &Monitor::default());
    let error = error.expect_err("no folder").to_string();
    assert!(error.contains("api.audit_file") && error.contains("no/audit"), "{error}");
}

#[test]
fn a_reader_that_has_gone_costs_lines_and_nothing_else() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let monitor = Monitor::default();
    let log = AuditLog::with_sink(Sink::Pipe(writer), &monitor).expect("a log");
    drop(reader);
    log.handle().write(Source::new().anomaly());
    drop(log);
    assert_eq!(metric(&monitor, "cabinwatch_serve_audit_lost_total"), 1);
}

/// The program holds it while it serves.
#[test]
fn standard_output_is_written_past_its_lock() {
    let held = std::io::stdout().lock();
    let monitor = Monitor::default();
    let log = AuditLog::open(&ApiConfig::default(), &monitor).expect("a log");
    log.handle().write(Source::new().anomaly());
    drop(log);
    assert_eq!(metric(&monitor, "cabinwatch_serve_audit_lines_total"), 1);
    drop(held);
}
