//! What operators see: health, readiness and metrics of a running ingest while things work and while they don't, and
//! the metrics that batch runs leave.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::broker::{Broker, Kind, free_port};
use cabinwatch_tests::edr;
use cabinwatch_tests::fleet::Fleet;
use cabinwatch_tests::ground::Ground;
use cabinwatch_tests::metrics::{Format, Metrics, get};
use cabinwatch_tests::mqtt;
use cabinwatch_tests::program::{Ended, ground};
use cabinwatch_tests::wait::eventually;

const LIMIT: Duration = Duration::from_secs(120);
const TAIL: &str = "TC-OPS";
/// Twice this many messages may be on hand.
const GROUP: usize = 8;
const FLOOD: usize = 400;
const FLOOD_MESSAGE_BYTES: usize = 200_000;

/// Ingest with a port for metrics.
struct Watched {
    ground: Ground,
    port: u16,
}

impl Watched {
    fn start(folder: &Path, broker: &Broker) -> Self {
        let watched = Self { ground: Ground::new(folder, &broker.url()), port: free_port() };
        let config = fs::read_to_string(watched.ground.config()).expect("the configuration");
        let config = config.replace("[ingest]\n", &format!("[ingest]\ngroup_messages = {GROUP}\n"));
        let config = format!("{config}\n[metrics]\nlisten = \"{}\"\n", watched.port);
        fs::write(watched.ground.config(), config).expect("the configuration can be written");
        let mut watched = watched;
        watched.ground.ingest.start();
        watched.wait_until_ready();
        watched
    }

    fn wait_until_ready(&self) {
        eventually("ingest to be ready", LIMIT, || {
            get(self.port, "/readyz")
                .filter(|(status, body)| *status == 200 && body.contains("\"ready\":true"))
        });
    }

    /// Waits until it is not ready for this reason.
    fn wait_until_not_ready(&self, reason: &str) -> String {
        let not_ready =
            || get(self.port, "/readyz").filter(|(status, body)| *status == 503 && body.contains(reason));
        eventually(&format!("ingest to say `{reason}`"), LIMIT, not_ready).1
    }

    /// Keeps everyone from writing to the tables for as long as the connection lives.
    fn lock_tables(&self) -> rusqlite::Connection {
        let lock = rusqlite::Connection::open(self.ground.database()).expect("the database opens");
        lock.busy_timeout(LIMIT).expect("a timeout can be set");
        lock.execute_batch("BEGIN IMMEDIATE").expect("the database can be locked");
        lock
    }

    fn number(&self, sql: &str) -> f64 {
        self.ground.number(sql).expect("the tables can be read") as f64
    }
}

fn documented(prefix: &str) -> BTreeSet<String> {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let document = fs::read_to_string(document).expect("the document");
    let names = document.lines().filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next());
    names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect()
}

#[test]
fn metrics_agree_with_the_tables_and_the_document() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(Kind::Mosquitto, folder.path());
    let watched = Watched::start(&folder.path().join("ground"), &broker);
    let place = folder.path().join("aircraft");
    let fleet = Fleet::start([Aircraft::new(&place, TAIL, &broker.url(), &Aircraft::sources(&place, ""))], 7);
    eventually("rows to be counted while frames flow", LIMIT, || {
        (Metrics::scrape(watched.port).value("cabinwatch_ingest_rows_total") > 300.0).then_some(())
    });
    fleet.finish(|| watched.ground.stored().ok()).check(&watched.ground.stored().expect("the tables"));
    mqtt::publish(broker.port(), &format!("cabinwatch/v1/{TAIL}/up/frames"), b"no frame at all", false);
    let metrics = eventually("the last numbers", LIMIT, || {
        let metrics = Metrics::scrape(watched.port);
        // Streams are counted now and then only.
        let counted = metrics.value("cabinwatch_ingest_streams") == 1.0;
        let set_aside = metrics.value("cabinwatch_ingest_set_aside_total{reason=undecodable}") == 1.0;
        (counted && set_aside).then_some(metrics)
    });

    for (metric, sql) in [
        ("cabinwatch_ingest_rows_total", "SELECT count(*) FROM windows"),
        ("cabinwatch_ingest_windows_total", "SELECT count(*) FROM window_index"),
        ("cabinwatch_ingest_anomalous_rows_total", "SELECT count(*) FROM combined_all"),
        ("cabinwatch_ingest_loss_records_total", "SELECT count(*) FROM losses"),
        ("cabinwatch_ingest_gap_frames_total", "SELECT count(*) FROM gaps"),
        ("cabinwatch_ingest_held_back_frames", "SELECT count(*) FROM received"),
    ] {
        assert_eq!(metrics.value(metric), watched.number(sql), "{metric}");
    }
    let newest = watched.number("SELECT max(unixepoch(end_time)) FROM window_index");
    assert_eq!(metrics.value("cabinwatch_ingest_newest_window_end_timestamp_seconds"), newest);
    let groups = metrics.value("cabinwatch_ingest_store_duration_seconds_count");
    assert!(
        groups > 0.0 && groups == metrics.value("cabinwatch_ingest_group_messages_count"),
        "{groups} groups"
    );
    assert_eq!(
        metrics.value("cabinwatch_ingest_group_messages_sum"),
        metrics.value("cabinwatch_ingest_messages_total")
    );
    assert_eq!(metrics.value("cabinwatch_ingest_receive_maximum_messages"), 2.0 * GROUP as f64);
    assert!(metrics.value("cabinwatch_ingest_resident_memory_bytes") > 1e6);

    let there: BTreeSet<String> = metrics.documented_names().into_iter().collect();
    assert_eq!(there, documented("cabinwatch_ingest_"), "docs/metrics.md and /metrics differ");
    assert!(!get(watched.port, "/metrics").expect("an answer").1.contains(TAIL), "a tail is no label");
}

#[test]
fn readiness_follows_the_broker_and_liveness_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut broker = Broker::start(Kind::Mosquitto, folder.path());
    let watched = Watched::start(&folder.path().join("ground"), &broker);
    for _ in 0..2 {
        broker.process.kill();
        let said = watched.wait_until_not_ready("not connected to the broker: ");
        assert!(!said.contains("the tables"), "{said}");
        assert_eq!(get(watched.port, "/healthz").map(|(status, _)| status), Some(200));
        assert_eq!(Metrics::scrape(watched.port).value("cabinwatch_ingest_broker_connected"), 0.0);
        broker.process.start();
        watched.wait_until_ready();
    }
    let metrics = Metrics::scrape(watched.port);
    assert_eq!(metrics.value("cabinwatch_ingest_ready"), 1.0);
    assert!(metrics.value("cabinwatch_ingest_connections_total") >= 3.0);
}

#[test]
fn a_stop_is_said_first_and_ends_clean() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(Kind::Mosquitto, folder.path());
    let mut watched = Watched::start(&folder.path().join("ground"), &broker);
    // The group in hand can't end before the lock does, so there is time to ask.
    let lock = watched.lock_tables();
    mqtt::publish(broker.port(), &format!("cabinwatch/v1/{TAIL}/up/frames"), b"no frame at all", false);
    eventually("a group in hand", LIMIT, || {
        (Metrics::scrape(watched.port).value("cabinwatch_ingest_group_in_hand_messages") == 1.0).then_some(())
    });
    let port = watched.port;
    thread::scope(|scope| {
        let stopping = scope.spawn(|| watched.ground.ingest.stop());
        eventually("ingest to say that it stops", LIMIT, || {
            get(port, "/readyz").filter(|(status, body)| *status == 503 && body.contains("stopping"))
        });
        assert_eq!(get(port, "/healthz").map(|(status, _)| status), Some(200));
        drop(lock);
        stopping.join().expect("ingest ends well");
    });
    assert_eq!(get(port, "/readyz"), None, "the server ends with the process");
    assert_eq!(watched.number("SELECT count(*) FROM set_aside"), 1.0, "the group in hand was stored");
}

#[test]
fn tables_that_block_hold_the_flow_at_the_broker() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(Kind::Mosquitto, folder.path());
    let watched = Watched::start(&folder.path().join("ground"), &broker);
    let before = Metrics::scrape(watched.port).value("cabinwatch_ingest_resident_memory_bytes");
    let lock = watched.lock_tables();
    for number in 0..FLOOD {
        let mut message = number.to_be_bytes().to_vec();
        message.resize(FLOOD_MESSAGE_BYTES, 0xff);
        mqtt::publish(broker.port(), &format!("cabinwatch/v1/{TAIL}/up/frames"), &message, false);
    }
    let said = watched.wait_until_not_ready("the tables");
    assert!((1..=GROUP).any(|count| said.contains(&format!(" {count} messages"))), "{said}");
    assert_eq!(get(watched.port, "/healthz").map(|(status, _)| status), Some(200), "it lives, and waits");

    let metrics = Metrics::scrape(watched.port);
    let waiting = metrics.value("cabinwatch_ingest_waiting_messages");
    let in_hand = metrics.value("cabinwatch_ingest_group_in_hand_messages");
    let most = metrics.value("cabinwatch_ingest_receive_maximum_messages");
    assert!(waiting + in_hand <= most && most == 2.0 * GROUP as f64, "{waiting} wait, {in_hand} in hand");
    let grown = metrics.value("cabinwatch_ingest_resident_memory_bytes") - before;
    let flood = (FLOOD * FLOOD_MESSAGE_BYTES) as f64;
    println!(
        "{waiting} messages wait, {in_hand} in hand; {:.0} MB more memory for a flood of {:.0} MB",
        grown / 1e6,
        flood / 1e6
    );
    assert!(grown < flood / 4.0, "the flood came into memory: {grown} bytes more");

    drop(lock);
    eventually("the whole flood to be stored", LIMIT, || {
        let stored = watched.number("SELECT count(*) FROM set_aside");
        (stored == FLOOD as f64).then_some(())
    });
    watched.wait_until_ready();
    eventually("the counters", LIMIT, || {
        let metrics = Metrics::scrape(watched.port);
        (metrics.value("cabinwatch_ingest_set_aside_total{reason=undecodable}") >= FLOOD as f64).then_some(())
    });
}

#[test]
fn a_port_that_is_taken_ends_ingest_with_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(Kind::Mosquitto, folder.path());
    let watched = Watched::start(&folder.path().join("ground"), &broker);
    let mut second = ground(["ingest", "--client-id", "second", "--config"]);
    let said = Ended::badly(second.arg(watched.ground.config()), 1);
    assert!(said.contains("metrics.listen") && said.contains(&watched.port.to_string()), "{said}");
    let mut wrong = ground(["ingest", "--metrics", "everywhere", "--config"]);
    let said = Ended::badly(wrong.arg(watched.ground.config()), 2);
    assert!(said.contains("--metrics") && said.contains("0.0.0.0:9464"), "{said}");
}

#[test]
fn batch_runs_leave_metrics_when_they_end_well_and_badly() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, textfiles) = (folder.path().join("edr"), folder.path().join("textfiles"));
    fs::create_dir(&textfiles).expect("the folder can be made");
    let history = edr::write(&files, "261120_060000", edr::calm_hour("2026-11-20", 5));
    let mut broken = fs::File::options().append(true).open(&history).expect("the file opens");
    broken.write_all(b"no date,DHCP,x,FAIL\n").expect("the file can be written");
    let run = |command: &str, files: &Path, code: i32| {
        let mut command = ground([command, "--now", "2026-11-20T06:01:00Z", "--metrics-file"]);
        command.arg(&textfiles).arg("--model-dir").arg(folder.path().join("model"));
        command.arg("--history").arg(format!("file://{}", files.display()));
        command.env("CABINWATCH_GROUND__TABLES__URL", format!("sqlite://{}/t.db", folder.path().display()));
        assert_eq!(Ended::of(&mut command).code, Some(code), "{command:?}");
    };
    let read = |command: &str| {
        let text =
            fs::read_to_string(textfiles.join(format!("cabinwatch_{command}.prom"))).expect("the file");
        let metrics = Metrics::parse(&text, Format::OpenMetrics);
        assert_eq!(Metrics::parse(&text, Format::Text).samples, metrics.samples, "both formats say the same");
        metrics
    };
    run("retrain", &files, 0);
    run("detect", &files, 0);
    for command in ["retrain", "detect"] {
        let metrics = read(command);
        let value = |name: &str| metrics.value(&format!("cabinwatch_{command}_{name}"));
        assert_eq!((value("success"), value("files"), value("model_version")), (1.0, 1.0, 1.0));
        assert_eq!(value("rejected_rows{reason=date}"), 1.0);
        assert!(value("read_rows{state=fail}") >= 48.0 && value("duration_seconds") > 0.0);
        let there: BTreeSet<String> = metrics.documented_names().into_iter().collect();
        assert_eq!(
            there,
            documented(&format!("cabinwatch_{command}_")),
            "docs/metrics.md and {command} differ"
        );
    }
    let succeeded = read("detect").value("cabinwatch_detect_last_success_timestamp_seconds");
    run("detect", &folder.path().join("nowhere"), 1);
    let metrics = read("detect");
    assert_eq!(metrics.value("cabinwatch_detect_success"), 0.0);
    assert_eq!(metrics.value("cabinwatch_detect_last_success_timestamp_seconds"), succeeded);
    assert_eq!(
        read("retrain").value("cabinwatch_retrain_success"),
        1.0,
        "each command has a file of its own"
    );
}
