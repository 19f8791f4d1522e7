use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use cabinwatch_shared::model::ModelVersion;

use super::*;
use crate::config::MetricsConfig;
use crate::detect::DetectSummary;
use crate::history::ReadSummary;
use crate::ingest::{Backlog, Monitor, Summary};
use crate::train::Evaluation;

const LIMIT: Duration = Duration::from_secs(30);

/// Name with labels, and type.
type Metrics = BTreeMap<String, String>;

fn described(text: &str) -> Metrics {
    let mut described = Metrics::new();
    for line in text.lines().filter(|line| line.starts_with("| `cabinwatch_")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`').to_owned();
        assert_eq!(cells.len(), 7, "five cells: {line}");
        assert!(!cells[4].is_empty(), "no meaning: {line}");
        assert_eq!(described.insert(name, cells[2].to_owned()), None, "twice: {line}");
    }
    described
}

fn printed(text: &str) -> Metrics {
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split([' ', '{']).next().expect("a name");
        let inside =
            line.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(inside, _)| inside);
        let names = inside
            .split(',')
            .filter_map(|label| Some(label.split_once('=')?.0))
            .filter(|label| *label != "le");
        labels.entry(name).or_default().extend(names);
    }
    let named = |line: &str| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        let sample = match kind {
            "counter" => format!("{name}_total"),
            "histogram" => format!("{name}_bucket"),
            _ => name.to_owned(),
        };
        let labels = labels.get(sample.as_str()).unwrap_or_else(|| panic!("{name} has no sample"));
        let shown = if kind == "counter" { sample.as_str() } else { name };
        let labels: Vec<&str> = labels.iter().copied().collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        Some((format!("{shown}{labels}"), kind.to_owned()))
    };
    text.lines().filter_map(named).collect()
}

fn detect_summary() -> DetectSummary {
    DetectSummary {
        model_version: ModelVersion(7),
        from: None,
        until: None,
        windows: 3,
        windows_with_failures: 2,
        rows: 5,
        tables: [("combined_all", 4)].into(),
        history: ReadSummary { files: 2, ..ReadSummary::default() },
    }
}

fn evaluation() -> Evaluation {
    Evaluation {
        model_version: ModelVersion(8),
        rows: 100,
        keys: 4,
        keys_with_z: 3,
        windows: 50,
        anomaly_z: 2,
        anomaly_iforest: 1,
        anomaly_both: 1,
        z_threshold: 3.0,
        forest_offset: -0.5,
        trees: 100,
        max_samples: 256,
        score_percentiles: Vec::new(),
        history: ReadSummary::default(),
        archive: None,
    }
}

fn config(textfile: &Path) -> MetricsConfig {
    MetricsConfig { textfile: textfile.to_owned(), ..MetricsConfig::default() }
}

#[test]
fn the_document_lists_exactly_the_metrics_there_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let monitor = Monitor::default();
    let mut there = printed(&exposition::ingest(&monitor).expect("text"));
    there.extend(printed(&crate::api::Monitor::default().metrics().expect("text")));
    BatchRun::begin(BatchCommand::Detect, &config(folder.path())).end_detect(Some(&detect_summary()));
    BatchRun::begin(BatchCommand::Retrain, &config(folder.path())).end_retrain(Some(&evaluation()));
    for file in ["cabinwatch_detect.prom", "cabinwatch_retrain.prom"] {
        there.extend(printed(&fs::read_to_string(folder.path().join(file)).expect("written")));
    }
    let listed = described(include_str!("../../../docs/metrics.md"));
    assert_eq!(there, listed);
}

#[test]
fn metrics_follow_what_ingest_tells() {
    let monitor = Monitor::default();
    monitor.started(32);
    monitor.subscribed();
    monitor.turn(5);
    monitor.storing(3);
    let mut summary = Summary { messages: 9, ..Summary::default() };
    summary.lost_by_reason[0] = 4;
    let backlog = Backlog { streams: 2, waiting_streams: 1, held_back_frames: 6 };
    monitor.report(summary, || backlog);
    let text = exposition::ingest(&monitor).expect("text");
    for line in [
        "cabinwatch_ingest_messages_total 9",
        "cabinwatch_ingest_lost_total{reason=\"outbox_age\"} 4",
        "cabinwatch_ingest_lost_total{reason=\"late\"} 0",
        "cabinwatch_ingest_set_aside_total{reason=\"unknown_model\"} 0",
        "cabinwatch_ingest_waiting_messages 5.0",
        "cabinwatch_ingest_group_in_hand_messages 3.0",
        "cabinwatch_ingest_receive_maximum_messages 32.0",
        "cabinwatch_ingest_held_back_frames 6.0",
        "cabinwatch_ingest_store_duration_seconds_count 0",
        "cabinwatch_ingest_ready 1.0",
    ] {
        assert!(text.lines().any(|there| there == line), "{line} is not in\n{text}");
    }
    monitor.stored();
    let text = exposition::ingest(&monitor).expect("text");
    assert!(text.contains("cabinwatch_ingest_store_duration_seconds_count 1\n"), "{text}");
    assert!(text.contains("cabinwatch_ingest_group_messages_sum 3.0\n"), "{text}");
    assert!(!text.contains("last_stored_timestamp_seconds 0.0"), "{text}");
}

#[test]
fn asking_the_tables_whether_they_answer_is_no_group() {
    let monitor = Monitor::default();
    monitor.storing(0);
    monitor.stored();
    let text = exposition::ingest(&monitor).expect("text");
    assert!(text.contains("cabinwatch_ingest_store_duration_seconds_count 0\n"), "{text}");
    assert!(text.contains("last_stored_timestamp_seconds 0.0"), "{text}");
}

#[test]
fn what_keeps_ingest_from_its_work_is_said() {
    let monitor = Monitor::default();
    let reasons = || monitor.snapshot().not_ready(Instant::now()).join("; ");
    assert!(
        reasons().contains("starting") && reasons().contains("not connected to the broker yet"),
        "{}",
        reasons()
    );
    monitor.started(4);
    monitor.connected();
    assert_eq!(reasons(), "connected to the broker, but not subscribed yet");
    monitor.subscribed();
    assert_eq!(reasons(), "");
    monitor.storing(3);
    assert_eq!(reasons(), "");
    let later = monitor.snapshot().not_ready(Instant::now() + Duration::from_secs(40)).join("; ");
    assert!(later.contains("have not answered for 4") && later.contains("3 messages"), "{later}");
    monitor.store_failed(&"the disk is full");
    assert_eq!(reasons(), "the tables fail, 3 messages are tried again: the disk is full");
    monitor.abandoned();
    assert_eq!(
        reasons(),
        "the tables fail: the disk is full",
        "still, though the broker has the messages again"
    );
    monitor.storing(3);
    assert!(reasons().ends_with("the disk is full"), "still, while it is tried again: {}", reasons());
    monitor.stored();
    assert_eq!(reasons(), "");
    monitor.disconnected("connection refused");
    assert_eq!(reasons(), "not connected to the broker: connection refused");
    monitor.subscribed();
    monitor.stopping();
    assert!(reasons().starts_with("stopping"), "{}", reasons());
    monitor.started(4);
    assert!(reasons().starts_with("stopping"), "a stop during the start is a stop: {}", reasons());
}

#[tokio::test]
async fn only_a_loop_that_no_longer_turns_is_dead() {
    let monitor = Monitor::default();
    let hangs = |seconds| monitor.snapshot().hangs(Instant::now() + Duration::from_secs(seconds));
    assert_eq!(hangs(1000), None, "a start may take long: the tables may be large");
    monitor.started(4);
    assert_eq!(hangs(60), None);
    assert!(hangs(200).is_some_and(|reason| reason.contains("has not turned for")));
    let before = monitor.snapshot().turned;
    monitor.turn(0);
    assert!(monitor.snapshot().turned > before);
    let before = monitor.snapshot().turned;
    assert_eq!(monitor.alive_during(async { 7 }).await, 7);
    assert!(monitor.snapshot().turned > before, "what takes long by rights is no reason");
}

fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(LIMIT)).expect("set");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn get(address: SocketAddr, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

fn started() -> (Server, Monitor) {
    let monitor = Monitor::default();
    let server = Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), monitor.clone()).expect("a free port");
    (server, monitor)
}

#[test]
fn the_three_paths_answer() {
    let (server, monitor) = started();
    let answer = get(server.address(), "/readyz");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\"ready\":false"), "{answer}");
    monitor.started(4);
    monitor.subscribed();
    let answer = get(server.address(), "/readyz");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("{\"ready\":true,\"reasons\":[]}"),
        "{answer}"
    );
    let answer = get(server.address(), "/healthz");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("{\"alive\":true}"), "{answer}");
    let answer = get(server.address(), "/metrics");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("application/openmetrics-text"),
        "{answer}"
    );
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    assert!(get(server.address(), "/").starts_with("HTTP/1.1 404 "));
    let post = "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nxxx";
    assert!(ask(server.address(), post).starts_with("HTTP/1.1 405 "));
}

#[test]
fn a_client_can_hold_neither_memory_nor_connections() {
    let (server, _monitor) = started();
    let endless = format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(100_000));
    assert!(!ask(server.address(), &endless).starts_with("HTTP/1.1 200"));
    assert!(ask(server.address(), "no http at all\r\n\r\n").starts_with("HTTP/1.1 400"));
    // More than are served at a time, and all of them silent: they are cut off, and the next is served.
    let silent: Vec<_> = (0..20).map(|_| TcpStream::connect(server.address()).expect("it listens")).collect();
    assert!(get(server.address(), "/healthz").starts_with("HTTP/1.1 200 "));
    drop(silent);
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_the_setting() {
    let (server, monitor) = started();
    let error = Server::start(server.address(), monitor).expect_err("taken").to_string();
    assert!(error.contains("metrics.listen") && error.contains(&server.address().to_string()), "{error}");
    let address = server.address();
    drop(server);
    assert!(TcpStream::connect(address).is_err(), "a dropped server no longer listens");
}

#[test]
fn a_run_that_fails_keeps_the_time_of_the_last_success() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("runs/detect.prom");
    let read = |name: &str| textfile::value(&path, &format!("cabinwatch_detect_{name}"));
    let run = BatchRun::begin(BatchCommand::Detect, &config(&path));
    run.end_detect(None);
    assert_eq!((read("success"), read("last_success_timestamp_seconds")), (Some(0.0), Some(0.0)));
    run.end_detect(Some(&detect_summary()));
    assert_eq!((read("success"), read("rows"), read("model_version")), (Some(1.0), Some(5.0), Some(7.0)));
    let succeeded = read("last_success_timestamp_seconds");
    assert!(succeeded > Some(1.7e9));
    run.end_detect(None);
    assert_eq!((read("success"), read("rows")), (Some(0.0), None));
    assert_eq!(read("last_success_timestamp_seconds"), succeeded);
    assert!(read("last_run_timestamp_seconds") >= succeeded);
    let left: Vec<_> = fs::read_dir(path.parent().expect("a folder")).expect("read").flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_file_that_can_not_be_written_fails_no_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    BatchRun::begin(BatchCommand::Retrain, &config(&file.join("below"))).end_retrain(None);
    BatchRun::begin(BatchCommand::Retrain, &config(Path::new(""))).end_retrain(None);
    assert_eq!(fs::read(&file).expect("there"), b"");
}
