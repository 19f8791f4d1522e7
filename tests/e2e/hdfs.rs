//! History and window archive on a real HDFS, and what happens when it goes away.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::broker::{Broker, Kind};
use cabinwatch_tests::edr;
use cabinwatch_tests::fleet::Fleet;
use cabinwatch_tests::ground::{FaultId, Ground, SIX_TABLES};
use cabinwatch_tests::hdfs::Hdfs;
use cabinwatch_tests::parts;
use cabinwatch_tests::process::Process;
use cabinwatch_tests::program::{Ended, ground};
use cabinwatch_tests::wait::eventually;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tempfile::TempDir;

const TAIL: &str = "TC-LAK";
/// Far above what it takes to begin; only a hang reaches it.
const BEGIN_LIMIT: Duration = Duration::from_secs(180);
/// A client without limits hangs for 185 s at a NameNode that is gone.
const NO_HANG: Duration = Duration::from_secs(30);

/// HDFS, and a folder for everything else.
struct Lake {
    folder: TempDir,
    hdfs: Hdfs,
}

impl Lake {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let hdfs = Hdfs::start(&folder.path().join("hdfs"));
        Self { folder, hdfs }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file_url(&self, name: &str) -> String {
        format!("file://{}", self.path(name).display())
    }

    /// A day of a simulated fleet, on this machine and on HDFS, in a file for each half hour.
    fn simulate(&self) {
        let edr = self.path("edr").display().to_string();
        Ended::well(&mut on_hdfs(&[
            "simulate",
            "--out",
            &edr,
            "--days",
            "1",
            "--files-per-day",
            "48",
            "--start",
            "2026-11-20T00:00:00Z",
        ]));
        self.hdfs.put(&self.path("edr"), "edr");
    }

    fn retrain(&self, history: &str, model: &str) -> Command {
        let mut command = on_hdfs(&["retrain", "--history", history, "--now", "2026-11-21T00:00:00Z"]);
        command.arg("--model-dir").arg(self.path(model));
        command
    }

    fn detect(&self, history: &str, tables: &str, now: &str) -> Command {
        let url = format!("sqlite://{}", self.path(tables).display());
        let mut command = on_hdfs(&["detect", "--history", history, "--tables", &url, "--now", now]);
        command.arg("--model-dir").arg(self.path("model"));
        command
    }

    /// All six tables as text.
    fn tables(&self, name: &str) -> String {
        let url = format!("sqlite://{}", self.path(name).display());
        let table = |table| {
            Ended::well(&mut on_hdfs(&["tables", "--tables", &url, "--table", table, "--format", "csv"]))
        };
        SIX_TABLES.map(table).concat()
    }
}

/// `cabinwatch-ground`, its client settings of Hadoop none but those a test gives.
fn on_hdfs(arguments: &[&str]) -> Command {
    let mut command = ground([]);
    command.args(arguments).env_remove("HADOOP_CONF_DIR").env_remove("HADOOP_HOME");
    command
}

/// `evaluation.json` of a model.
fn evaluation(model: &Path) -> Value {
    let text = fs::read_to_string(model.join("evaluation.json")).expect("the model is there");
    serde_json::from_str(&text).expect("JSON")
}

/// A command that must fail, and in time; what it said.
fn fails_in_time(command: &mut Command) -> String {
    let began = Instant::now();
    let said = Ended::badly(command, 1);
    assert!(began.elapsed() < NO_HANG, "it took {:?} to say: {said}", began.elapsed());
    said
}

#[test]
fn detect_and_retrain_give_exactly_what_they_give_on_local_files() {
    let lake = Lake::new();
    lake.simulate();
    let (local, remote) = (lake.file_url("edr"), lake.hdfs.url("edr"));
    Ended::well(&mut lake.retrain(&local, "model"));
    Ended::well(&mut lake.retrain(&remote, "model-hdfs"));
    let read = |model: &str, file: &str| fs::read_to_string(lake.path(model).join(file)).expect("a model");
    for file in ["zscore_stats.csv", "evaluation.json"] {
        assert_eq!(read("model-hdfs", file), read("model", file), "{file}");
    }
    // By recent files, by the newest of all, and under the logical name of the NameNode.
    for (now, says) in
        [("2026-11-20T12:00:00Z", "Read "), ("2026-12-24T00:00:00Z", "these are the newest 10")]
    {
        let (tables, tables_hdfs) = (format!("local-{now}.db"), format!("hdfs-{now}.db"));
        let said = Ended::well(&mut lake.detect(&local, &tables, now));
        assert!(said.contains(says), "{said}");
        assert_eq!(Ended::well(&mut lake.detect(&remote, &tables_hdfs, now)), said);
        assert_eq!(lake.tables(&tables_hdfs), lake.tables(&tables));
        let mut by_name = lake.detect(&lake.hdfs.logical_url("edr"), "name.db", now);
        assert_eq!(Ended::well(by_name.env("HADOOP_CONF_DIR", lake.hdfs.client_settings())), said);
    }
    let unknown =
        Ended::badly(&mut lake.detect(&lake.hdfs.logical_url("edr"), "name.db", "2026-11-20T12:00:00Z"), 2);
    assert!(unknown.contains("HADOOP_CONF_DIR"), "{unknown}");
    let missing = fails_in_time(&mut lake.retrain(&lake.hdfs.url("nowhere"), "none"));
    assert!(missing.contains("there is no") && missing.contains(&lake.hdfs.url("nowhere")), "{missing}");
}

#[test]
fn nodes_that_are_gone_or_hang_are_errors_within_seconds_that_name_them() {
    let mut lake = Lake::new();
    lake.simulate();
    let (url, now) = (lake.hdfs.url("edr"), "2026-11-20T12:00:00Z");
    Ended::well(&mut lake.retrain(&url, "model"));
    let name_node = lake.hdfs.address();
    let impatient = |mut command: Command| {
        command.env("CABINWATCH_GROUND__HISTORY__TIMEOUT_SECONDS", "3");
        fails_in_time(&mut command)
    };

    for node in [&lake.hdfs.data_node, &lake.hdfs.name_node] {
        node.freeze();
        let said = impatient(lake.detect(&url, "tables.db", now));
        assert!(said.contains("no answer for 3 s") && said.contains(&name_node), "{said}");
        node.thaw();
    }
    Ended::well(&mut lake.detect(&url, "tables.db", now));

    lake.hdfs.data_node.kill();
    let said = fails_in_time(&mut lake.detect(&url, "tables.db", now));
    assert!(said.contains("no DataNode that holds") && said.contains("thy_wifi_edr_2611"), "{said}");
    lake.hdfs.name_node.kill();
    let said = fails_in_time(&mut lake.detect(&url, "tables.db", now));
    assert!(said.contains(&format!("cannot reach the HDFS NameNode {name_node}")), "{said}");
    let compact = &mut on_hdfs(&["archive", "compact", "--archive", &lake.hdfs.url("archive")]);
    assert!(fails_in_time(compact).contains(&name_node));

    lake.hdfs.start_both();
    Ended::well(&mut lake.detect(&url, "tables.db", now));
}

#[test]
fn a_retrain_that_loses_hdfs_leaves_the_model_as_it_was_and_works_after_a_restart() {
    let mut lake = Lake::new();
    // Enough to be read for a while, in files that are read at once.
    for hour in 0..24 {
        let mut text = edr::calm_hour("2026-11-20", hour);
        let rows = text.split_off(edr::HEADER.len());
        edr::write(&lake.path("edr"), &format!("261120_{hour:02}5900"), text + &rows.repeat(150));
    }
    lake.hdfs.put(&lake.path("edr"), "edr");
    let url = lake.hdfs.url("edr");
    Ended::well(&mut lake.retrain(&url, "model"));
    let folder = |path: &Path| -> BTreeMap<String, Vec<u8>> {
        let file = |entry: std::io::Result<fs::DirEntry>| {
            let path = entry.expect("an entry").path();
            (path.display().to_string(), fs::read(&path).expect("a file"))
        };
        fs::read_dir(path).expect("a folder").map(file).collect()
    };
    let before = folder(&lake.path("model"));

    for (kills_name_node, log) in [(false, "one.log"), (true, "both.log")] {
        let mut retrain = Process::new(lake.retrain(&url, "model"), &lake.path(log));
        retrain.start();
        eventually("the files to be read", BEGIN_LIMIT, || {
            retrain.assert_runs();
            retrain.said().contains("reading EDR files").then_some(())
        });
        lake.hdfs.data_node.kill();
        if kills_name_node {
            lake.hdfs.name_node.kill();
        }
        let said = eventually("retrain to give up", NO_HANG, || {
            let said = retrain.said();
            said.contains("cabinwatch-ground: cannot read").then_some(said)
        });
        assert!(said.contains(&lake.hdfs.address()) && !said.contains("panicked"), "{said}");
        drop(retrain);
        assert_eq!(folder(&lake.path("model")), before);
        if kills_name_node {
            lake.hdfs.start_both();
        } else {
            lake.hdfs.data_node.start();
        }
    }
    Ended::well(&mut lake.retrain(&url, "model"));
    assert_eq!(evaluation(&lake.path("model"))["model_version"], 2);
}

/// The rows of an archive as polars reads them: a reader that knows nothing of us.
fn rows_by_polars(lake: &Lake, folder: &str) -> BTreeMap<FaultId, i64> {
    let copy = lake.path("copy");
    let _ = fs::remove_dir_all(&copy);
    lake.hdfs.shell(&["-get", &format!("/{folder}"), &copy.display().to_string()]);
    let mut command = Command::new(parts::fetched("venv").join("bin/python"));
    let printed = Ended::well(command.arg(parts::own("hdfs/read_archive.py")).arg(&copy));
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(printed.as_bytes());
    let row = |row: Result<(String, String, String, String, i64), csv::Error>| {
        let (tail, start, point, description, fail) = row.expect("a row");
        ((tail, start, point, description), fail)
    };
    let rows: Vec<_> = reader.deserialize().map(row).collect();
    let count = rows.len();
    let rows: BTreeMap<_, _> = rows.into_iter().collect();
    assert_eq!(rows.len(), count, "rows are there twice");
    rows
}

/// Compacts with a kill at a random moment, again and again, then to the end.
fn compact_with_kills(lake: &Lake, random: &mut ChaCha8Rng) -> Value {
    let command = || on_hdfs(&["archive", "compact", "--json", "--archive", &lake.hdfs.url("archive")]);
    for _ in 0..8 {
        let mut child = command().stdout(std::process::Stdio::null()).spawn().expect("it starts");
        thread::sleep(Duration::from_millis(random.random_range(5..120)));
        let _ = child.kill();
        child.wait().expect("it has ended");
    }
    serde_json::from_str(&Ended::well(&mut command())).expect("JSON")
}

#[test]
fn every_window_is_in_the_archive_once_though_hdfs_ingest_and_compaction_are_killed() {
    let mut lake = Lake::new();
    let mut random = ChaCha8Rng::seed_from_u64(20_261_121);
    let broker = Broker::start(Kind::Mosquitto, lake.folder.path());
    let mut ground = Ground::new(&lake.path("ground"), &broker.url());
    let config = fs::read_to_string(ground.config()).expect("a configuration");
    let config = config.replace(&lake.file_url("ground/archive"), &lake.hdfs.url("archive"));
    fs::write(ground.config(), config).expect("written");
    let plane = lake.path("plane");
    ground.ingest.start();
    let fleet = Fleet::start([Aircraft::new(&plane, TAIL, &broker.url(), &Aircraft::sources(&plane, ""))], 1);
    for number in 0..3 {
        let node = if number == 1 { &mut lake.hdfs.name_node } else { &mut lake.hdfs.data_node };
        thread::sleep(Duration::from_millis(1500));
        node.kill();
        thread::sleep(Duration::from_millis(1500));
        ground.ingest.kill();
        ground.ingest.start();
        node.start();
    }
    let sent = fleet.finish(|| ground.stored().ok());
    ground.ingest.stop();
    drop(broker);
    let stored = ground.stored().expect("the tables can be read");
    sent.check(&stored);

    let trained = |model: &str| {
        let archive = lake.hdfs.url("archive");
        let mut command = on_hdfs(&["retrain", "--archive", &archive]);
        command
            .env("CABINWATCH_GROUND__HISTORY__WINDOW_SECONDS", "60")
            .arg("--model-dir")
            .arg(lake.path(model));
        Ended::well(&mut command);
        evaluation(&lake.path(model))
    };
    let before = trained("before");
    let compacted = compact_with_kills(&lake, &mut random);
    println!("{compacted}");
    let days = compacted["days"].as_array().expect("days");
    assert!(!days.is_empty() && days.iter().all(|day| day["files_after"] == 1), "{compacted}");
    let after = trained("after");
    let without_files = |mut evaluation: Value| {
        evaluation["archive"]["files"] = Value::Null;
        evaluation
    };
    assert_eq!(without_files(after.clone()), without_files(before));
    assert_eq!(after["archive"]["fail"], stored.failures.values().sum::<i64>());
    assert_eq!(after["archive"]["success"], stored.successes.values().sum::<i64>());
    assert_eq!(rows_by_polars(&lake, "archive"), stored.failures);
}
