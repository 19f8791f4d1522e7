//! Bad input of every kind: the exit code says that something is wrong, the message says where, whatever is good
//! is still counted, and nothing panics (every program run by these tests is watched for that).

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::broker::{Broker, Kind};
use cabinwatch_tests::edr;
use cabinwatch_tests::ground::Ground;
use cabinwatch_tests::mqtt;
use cabinwatch_tests::program::{Ended, ground};
use cabinwatch_tests::wait::eventually;
use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);
const GOOD_ROW: &str = "2026-11-20 10:00:00,DHCP,no address available,FAIL\n";

/// A folder with a trained model and an empty folder for EDR files.
struct Batch {
    folder: TempDir,
}

impl Batch {
    fn trained() -> Self {
        let batch = Self { folder: tempfile::tempdir().expect("a folder") };
        let yesterday = Timestamp::now().as_second() - 86_400;
        let day = Timestamp::from_second(yesterday).expect("a time of this century").to_string();
        let history = batch.path("history");
        let cut = format!("{}_060000", day[2..10].replace('-', ""));
        edr::write(&history, &cut, edr::calm_hour(&day[..10], 5));
        Ended::well(&mut ground([
            "retrain",
            "--history",
            &url("file", &history),
            "--days",
            "30",
            "--model-dir",
            &batch.path("model").display().to_string(),
        ]));
        batch
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// One EDR file that is the only one to detect in.
    fn file(&self, content: impl AsRef<[u8]>) -> PathBuf {
        edr::write(&self.path("edr"), "261120_100500", content)
    }

    fn detect(&self, more: &str) -> std::process::Command {
        let config = self.path("ground.toml");
        fs::write(&config, more).expect("the configuration can be written");
        ground([
            "detect",
            "--history",
            &url("file", &self.path("edr")),
            "--model-dir",
            &self.path("model").display().to_string(),
            "--tables",
            &url("sqlite", &self.path("tables.db")),
            "--mail",
            &url("file", &self.path("mail")),
            "--config",
            &config.display().to_string(),
        ])
    }

    /// Failures in all rows of the tables.
    fn failures(&self) -> i64 {
        let connection = Connection::open(self.path("tables.db")).expect("the tables open");
        connection
            .query_row("SELECT coalesce(sum(fail), 0) FROM windows", [], |row| row.get(0))
            .expect("a sum")
    }

    /// Lenient by default: the run succeeds, names the file (and the line), and counts what is good.
    fn tolerates(&self, content: impl AsRef<[u8]>, mentions: &[&str], good: i64) {
        let file = self.file(content);
        let ended = Ended::of(&mut self.detect(""));
        let said = ended.all();
        assert_eq!(ended.code, Some(0), "{said}");
        names(&said, &file);
        for mention in mentions {
            assert!(said.contains(mention), "`{mention}` is not in:\n{said}");
        }
        assert_eq!(self.failures(), good, "{said}");
    }

    /// Strict: the run fails and names the file and the line.
    fn refuses(&self, content: impl AsRef<[u8]>, mentions: &[&str]) {
        let file = self.file(content);
        let said = Ended::badly(&mut self.detect("[history]\nstrict = true\n"), 1);
        names(&said, &file);
        for mention in mentions {
            assert!(said.contains(mention), "`{mention}` is not in:\n{said}");
        }
    }
}

fn url(scheme: &str, path: &Path) -> String {
    format!("{scheme}://{}", path.display())
}

/// A message that names the file helps; one that does not sends its reader searching.
fn names(said: &str, file: &Path) {
    let name = file.file_name().expect("a file").to_string_lossy();
    assert!(said.contains(&*name), "{name} is not in:\n{said}");
}

fn with_header(rows: &str) -> String {
    format!("{}{rows}", edr::HEADER)
}

#[test]
fn a_csv_that_is_cut_short_is_reported_by_line_and_read_up_to_there() {
    let batch = Batch::trained();
    let content = with_header(&format!("{GOOD_ROW}{GOOD_ROW}2026-11-20 10:00:00,DH"));
    batch.tolerates(&content, &["4"], 2);
    batch.refuses(&content, &["4"]);
}

#[test]
fn a_value_of_the_wrong_type_is_reported_by_line() {
    let batch = Batch::trained();
    let content = with_header(&format!("{GOOD_ROW}yesterday,DHCP,no address available,FAIL\n{GOOD_ROW}"));
    batch.tolerates(&content, &["3"], 2);
    batch.refuses(&content, &["3"]);
}

#[test]
fn binary_junk_is_named_and_ends_nothing() {
    let batch = Batch::trained();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let junk: Vec<u8> = (0..200_000).map(|_| random.random()).collect();
    let file = batch.file(&junk);
    let said = Ended::of(&mut batch.detect("")).all();
    names(&said, &file);
    let mut content = with_header(GOOD_ROW).into_bytes();
    content.extend(&junk);
    let file = batch.file(&content);
    let said = Ended::of(&mut batch.detect("")).all();
    names(&said, &file);
}

#[test]
fn a_line_beyond_the_limit_is_reported_and_the_rows_around_it_counted() {
    let batch = Batch::trained();
    let long = format!("2026-11-20 10:00:00,DHCP,{},FAIL\n", "x".repeat(2 << 20));
    batch.tolerates(with_header(&format!("{GOOD_ROW}{long}{GOOD_ROW}")), &["3"], 2);
}

#[test]
fn a_line_of_a_megabyte_minus_some_is_only_a_line() {
    let batch = Batch::trained();
    let long = format!("2026-11-20 10:00:00,DHCP,{},FAIL\n", "x".repeat(1_000_000));
    batch.file(with_header(&format!("{GOOD_ROW}{long}{GOOD_ROW}")));
    Ended::well(&mut batch.detect(""));
    assert_eq!(batch.failures(), 3);
}

#[test]
fn dates_far_in_the_past_and_future_are_windows_like_others() {
    let batch = Batch::trained();
    let row = |date: &str| format!("{date},DHCP,no address available,FAIL\n");
    let rows =
        ["1901-01-01 00:00:00", "1969-12-31 23:59:59.999", "2099-12-31 23:59:59", "2026-11-20 10:00:00"];
    batch.file(with_header(&rows.map(row).concat()));
    Ended::well(&mut batch.detect(""));
    assert_eq!(batch.failures(), 4);
}

#[test]
fn unknown_states_are_counted_and_take_no_part() {
    let batch = Batch::trained();
    let row = |state: &str| format!("2026-11-20 10:00:00,DHCP,no address available,{state}\n");
    batch.file(with_header(&["FAIL", "TIMEOUT", "fail", "", "SUCCESS", "FAIL"].map(row).concat()));
    let said = Ended::of(&mut batch.detect("")).all();
    assert_eq!(batch.failures(), 2);
    assert!(said.contains('3'), "the three rows of unknown state are not mentioned:\n{said}");
}

#[test]
fn a_header_that_names_a_column_twice_is_an_error_that_names_it() {
    let batch = Batch::trained();
    batch.refuses(format!("edr_date,state,edr_point,description,state\n{GOOD_ROW}"), &["state"]);
}

#[test]
fn a_header_without_a_needed_column_is_an_error_that_names_it() {
    let batch = Batch::trained();
    batch.refuses("edr_date,description,state\n2026-11-20 10:00:00,x,FAIL\n", &["edr_point"]);
}

#[test]
fn an_empty_file_is_an_error_that_names_it() {
    let batch = Batch::trained();
    batch.refuses("", &[]);
}

#[test]
fn a_folder_without_edr_files_is_an_error_that_names_it() {
    let batch = Batch::trained();
    fs::create_dir(batch.path("edr")).expect("a folder");
    let said = Ended::badly(&mut batch.detect(""), 1);
    assert!(said.contains(&*batch.path("edr").to_string_lossy()), "{said}");
    fs::write(batch.path("edr").join("notes.txt"), "no EDR file").expect("a file");
    Ended::badly(&mut batch.detect(""), 1);
    fs::remove_dir_all(batch.path("edr")).expect("the folder goes");
    let said = Ended::badly(&mut batch.detect(""), 1);
    assert!(said.contains(&*batch.path("edr").to_string_lossy()), "{said}");
}

#[test]
fn a_missing_or_broken_model_is_an_error_that_names_it() {
    let batch = Batch::trained();
    batch.file(with_header(GOOD_ROW));
    for entry in fs::read_dir(batch.path("model")).expect("the model folder").flatten() {
        fs::write(entry.path(), b"garbage").expect("a file can be overwritten");
    }
    let said = Ended::badly(&mut batch.detect(""), 1);
    assert!(said.contains(&*batch.path("model").to_string_lossy()), "{said}");
    fs::remove_dir_all(batch.path("model")).expect("the folder goes");
    let said = Ended::badly(&mut batch.detect(""), 1);
    assert!(said.contains(&*batch.path("model").to_string_lossy()), "{said}");
}

#[test]
fn tables_that_are_no_database_are_left_alone_and_named() {
    let batch = Batch::trained();
    batch.file(with_header(GOOD_ROW));
    let junk = b"this is no database, but somebody may need it".repeat(100);
    fs::write(batch.path("tables.db"), &junk).expect("a file");
    let said = Ended::badly(&mut batch.detect(""), 1);
    assert!(said.contains("tables.db"), "{said}");
    let tables = url("sqlite", &batch.path("tables.db"));
    let said = Ended::badly(&mut ground(["tables", "--tables", &tables, "--table", "combined_all"]), 1);
    assert!(said.contains("tables.db"), "{said}");
    assert_eq!(fs::read(batch.path("tables.db")).expect("the file"), junk);
}

#[test]
fn urls_of_unknown_kinds_are_wrong_usage() {
    let batch = Batch::trained();
    batch.file(with_header(GOOD_ROW));
    for bad in ["ftp://somewhere/edr", "not a url", ""] {
        let ended = Ended::of(batch.detect("").args(["--history", bad]));
        assert!(matches!(ended.code, Some(1 | 2)), "{bad:?} gave {:?}:\n{}", ended.code, ended.all());
    }
}

/// A broker, an ingest and an agent that are up.
struct Link {
    folder: TempDir,
    broker: Broker,
    ground: Ground,
    aircraft: Aircraft,
}

impl Link {
    fn up(more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let broker = Broker::start(Kind::Mosquitto, folder.path());
        let ground = Ground::new(&folder.path().join("ground"), &broker.url());
        let plane = folder.path().join("plane");
        let sources = Aircraft::sources(&plane, "");
        let aircraft = Aircraft::new(&plane, "TC-BAD", &broker.url(), &format!("{sources}{more}"));
        let mut link = Self { folder, broker, ground, aircraft };
        link.ground.ingest.start();
        link
    }

    fn send(&mut self, datagrams: &[Vec<u8>]) {
        let path = self.aircraft.event_socket();
        self.aircraft.wait_for_socket(&path);
        let socket = UnixDatagram::unbound().expect("a socket");
        for datagram in datagrams {
            socket.send_to(datagram, &path).expect("the agent takes datagrams");
        }
    }

    fn number_becomes(&self, sql: &str, expected: i64) {
        eventually(sql, LIMIT, || self.ground.number(sql).ok().filter(|found| *found == expected));
    }
}

/// An event as a program on the gateway sends it.
fn event(at: i64, state: &str) -> Vec<u8> {
    let at = Timestamp::from_second(at).expect("a time of this century").to_string();
    let event = json!({ "edr_date": at, "edr_point": "DHCP", "description": "no lease", "state": state });
    event.to_string().into_bytes()
}

#[test]
fn datagrams_that_are_no_events_are_counted_by_reason_and_the_counts_reach_the_ground() {
    let mut link = Link::up("");
    link.aircraft.agent.start();
    let now = Timestamp::now().as_second();
    let start = (now - 7200).div_euclid(60) * 60;
    let mut datagrams = vec![
        event(start, "FAIL"),
        event(start + 1, "SUCCESS"),
        b"{\"edr_date\":".to_vec(),
        b"\xff\xfe\x00binary".to_vec(),
        b"{}".to_vec(),
        b"[1, 2, 3]".to_vec(),
        vec![b'x'; 20_000],
        event(start + 2, "PERHAPS"),
        event(now + 86_400, "FAIL"),
    ];
    // Pushes the watermark, closes the window, and brings an event that comes too late for it.
    datagrams.push(event(start + 600, "SUCCESS"));
    datagrams.push(event(start + 3, "FAIL"));
    datagrams.push(event(start + 1200, "SUCCESS"));
    link.send(&datagrams);
    let lost = |reason: &str| format!("SELECT coalesce(sum(lost), 0) FROM losses WHERE reason = '{reason}'");
    for (reason, count) in
        [("malformed", 4), ("too_long", 1), ("unknown_state", 1), ("future", 1), ("late", 1)]
    {
        link.number_becomes(&lost(reason), count);
    }
    link.number_becomes("SELECT sum(fail) FROM windows", 1);
    link.aircraft.agent.stop();
    link.ground.ingest.stop();
}

#[test]
fn an_agent_whose_database_is_garbage_sets_it_aside_says_so_and_runs_on() {
    let mut link = Link::up("");
    let garbage = b"not a database at all, but perhaps evidence".repeat(200);
    fs::write(link.aircraft.database(), &garbage).expect("a file");
    link.aircraft.agent.start();
    let start = (Timestamp::now().as_second() - 7200).div_euclid(60) * 60;
    link.send(&[event(start, "FAIL"), event(start + 600, "SUCCESS")]);
    link.number_becomes("SELECT sum(fail) FROM windows", 1);
    link.number_becomes("SELECT count(*) FROM stream_starts", 1);
    let kept = fs::read_dir(link.folder.path().join("plane"))
        .expect("the folder")
        .flatten()
        .any(|entry| fs::read(entry.path()).is_ok_and(|bytes| bytes == garbage));
    assert!(kept, "the unreadable database is gone");
    assert!(link.aircraft.agent.said().contains("agent.db"), "{}", link.aircraft.agent.said());
    link.aircraft.agent.stop();
    link.ground.ingest.stop();
}

#[test]
fn a_message_from_a_future_version_is_set_aside_and_ingest_runs_on() {
    let mut link = Link::up("");
    let topic = "cabinwatch/v1/TC-NEW/up/frames";
    link.aircraft.agent.start();
    let start = (Timestamp::now().as_second() - 7200).div_euclid(60) * 60;
    link.send(&[event(start, "FAIL"), event(start + 600, "SUCCESS")]);
    link.number_becomes("SELECT sum(fail) FROM windows", 1);
    mqtt::publish(link.broker.port(), topic, &[2, 0, 1, 2, 3], false);
    link.number_becomes(
        "SELECT count(*) FROM set_aside WHERE tail = 'TC-NEW' AND message LIKE '%version 2%'",
        1,
    );
    mqtt::publish(link.broker.port(), topic, b"", false);
    mqtt::publish(link.broker.port(), topic, &[0xff; 5000], false);
    link.send(&[event(start + 1200, "FAIL"), event(start + 1800, "SUCCESS")]);
    link.number_becomes("SELECT sum(fail) FROM windows", 2);
    link.aircraft.agent.stop();
    link.ground.ingest.stop();
}

#[test]
fn a_bundle_with_a_wrong_signature_is_refused_and_reported() {
    let batch = Batch::trained();
    let bundle = fs::read_dir(batch.path("model"))
        .expect("the model folder")
        .flatten()
        .filter_map(|entry| fs::read(entry.path()).ok())
        .find(|bytes| bytes.starts_with(b"CWMB"))
        .expect("retrain leaves a bundle");
    let signer: String = bundle[6..38].iter().map(|byte| format!("{byte:02x}")).collect();
    let mut link = Link::up(&format!("[model]\ntrusted_keys = [\"{signer}\"]\n"));
    let mut forged = bundle.clone();
    *forged.last_mut().expect("a bundle has bytes") ^= 1;
    mqtt::publish(link.broker.port(), "cabinwatch/v1/models/fleet", &forged, true);
    link.aircraft.agent.start();
    link.number_becomes("SELECT count(*) FROM model_reports WHERE outcome = 'untrusted'", 1);
    link.number_becomes("SELECT count(*) FROM model_reports WHERE outcome = 'activated'", 0);
    let mut unsigned = bundle;
    unsigned.truncate(40);
    mqtt::publish(link.broker.port(), "cabinwatch/v1/models/fleet", &unsigned, true);
    link.number_becomes("SELECT count(*) FROM model_reports WHERE outcome = 'unreadable'", 1);
    link.aircraft.agent.stop();
    link.ground.ingest.stop();
}
