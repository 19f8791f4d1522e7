//! The commands that scripts rely on: names, exit codes, what they print and what they leave.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::edr;
use cabinwatch_tests::ground::SIX_TABLES;
use cabinwatch_tests::program::{Ended, agent, ground};
use serde_json::Value;
use tempfile::TempDir;

/// Columns that users' queries rely on.
const COLUMNS: &str = "fault_key start_time end_time fail success total fail_rate mean_rate std_rate z_score \
                       anomaly_z anomaly_iforest anomaly_combined";

/// A folder with a calm history, and one file in which a fault breaks out at 14:00.
struct Desk {
    folder: TempDir,
    day: String,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().expect("a folder"), day: yesterday() };
        let cut = desk.day[2..].replace('-', "");
        for hour in 5..13 {
            edr::write(
                &desk.path("edr"),
                &format!("{cut}_{:02}0000", hour + 1),
                edr::calm_hour(&desk.day, hour),
            );
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn fault_breaks_out(&self) {
        let mut rows = edr::HEADER.to_owned();
        edr::append(&mut rows, &self.day, 14, 0, ("DHCP", "no address available"), 90, 10);
        edr::append(&mut rows, &self.day, 14, 0, ("AUTH", "EAP timeout"), 2, 32);
        edr::write(&self.path("edr"), &format!("{}_140500", self.day[2..].replace('-', "")), rows);
    }

    fn retrain(&self) -> Command {
        let mut command = ground(["retrain", "--days", "30"]);
        command
            .arg("--history")
            .arg(url("file", &self.path("edr")))
            .arg("--model-dir")
            .arg(self.path("model"));
        command
    }

    fn detect(&self) -> Command {
        let mut command = ground(["detect"]);
        command
            .arg("--history")
            .arg(url("file", &self.path("edr")))
            .arg("--model-dir")
            .arg(self.path("model"));
        command.arg("--tables").arg(url("sqlite", &self.path("tables.db")));
        command.arg("--mail").arg(url("file", &self.path("mail")));
        command.arg("--now").arg(format!("{}T14:06:00Z", self.day));
        command
    }

    fn table(&self, name: &str, format: &str) -> Command {
        let mut command = ground(["tables", "--table", name, "--format", format]);
        command.arg("--tables").arg(url("sqlite", &self.path("tables.db")));
        command
    }
}

fn yesterday() -> String {
    let now = jiff::Timestamp::now().as_second();
    jiff::Timestamp::from_second(now - 86_400).expect("a time of this century").to_string()[..10].to_owned()
}

fn url(scheme: &str, path: &Path) -> String {
    format!("{scheme}://{}", path.display())
}

#[test]
fn retrain_leaves_statistics_and_a_bundle() {
    let desk = Desk::new();
    Ended::well(&mut desk.retrain());
    let statistics = fs::read_to_string(desk.path("model").join("zscore_stats.csv")).expect("the statistics");
    assert!(statistics.starts_with("fault_key,mean_rate,std_rate\n"), "{statistics}");
    assert_eq!(statistics.lines().count(), 3, "{statistics}");
    let bundles = fs::read_dir(desk.path("model"))
        .expect("the model folder")
        .flatten()
        .filter(|entry| fs::read(entry.path()).is_ok_and(|bytes| bytes.starts_with(b"CWMB")))
        .count();
    assert!(bundles >= 1, "there is no bundle in the model folder");
}

#[test]
fn training_on_telemetry_leaves_a_model_and_a_bad_row_leaves_the_one_of_before() {
    let desk = Desk::new();
    let (csv, model) = (desk.path("traffic.csv"), desk.path("model/telemetry.cwt"));
    let retrain = |more: &[&str]| {
        let mut command = ground(["retrain", "--telemetry"]);
        command.arg(&csv).arg("--model-dir").arg(desk.path("model")).args(more);
        command
    };
    let header = "protocol,source_ip,dest_ip,dest_port,bytes_sent,bytes_recv\n";
    fs::write(&csv, format!("{header}TCP,a,b,443,10,20\nUDP,a,b,53,30,\"40\"\n,a,b,1,2,3\n"))
        .expect("written");
    let table = Ended::well(&mut retrain(&[]));
    assert!(
        table.contains("2, 1 dropped (0 without source_ip") && table.contains("telemetry.cwt"),
        "{table}"
    );
    let shown: Value = serde_json::from_str(&Ended::well(&mut retrain(&["--json"]))).expect("JSON");
    assert_eq!((shown["rows"].as_u64(), shown["dropped"]["protocol"].as_u64()), (Some(2), Some(1)));
    assert_eq!(
        (shown["scaling"][0]["mean"].as_f64(), shown["scaling"][0]["scale"].as_f64()),
        (Some(248.0), Some(195.0))
    );
    let before = fs::read(&model).expect("a model");
    assert!(before.starts_with(b"CWTM\x01"));
    fs::write(&csv, format!("{header}TCP,a,b,443,10,20\nTCP,a,b,https,10,20\n")).expect("written");
    let said = Ended::badly(&mut retrain(&[]), 1);
    assert!(said.contains("traffic.csv, line 3: `dest_port` is `https`"), "{said}");
    assert_eq!(fs::read(&model).expect("a model"), before);
    let said = Ended::badly(&mut retrain(&["--days", "3"]), 2);
    assert!(said.contains("'--telemetry <FILE>' cannot be used with '--days <N>'"), "{said}");
    Ended::badly(ground(["retrain", "--telemetry"]).arg(&csv), 2);
}

#[test]
fn model_show_says_what_is_in_the_folder() {
    let desk = Desk::new();
    let show = |more: &[&str]| {
        let mut command = ground(["model", "show", "--model-dir"]);
        command.arg(desk.path("model")).args(more);
        command
    };
    let said = Ended::badly(&mut show(&[]), 1);
    assert!(said.contains("there is no model in"), "{said}");
    Ended::well(&mut desk.retrain());
    let shown: Value = serde_json::from_str(&Ended::well(&mut show(&["--json", "--keys"]))).expect("JSON");
    let text = |name: &str| shown[name].as_str().expect(name).to_owned();
    assert_eq!(
        (text("cohort"), text("source"), text("self_test")),
        ("fleet".into(), "trained".into(), "passed".into())
    );
    assert_eq!((shown["version"].as_u64(), shown["trees"].as_u64()), (Some(1), Some(100)));
    assert_eq!((shown["trusted"].as_bool(), shown["expired"].as_bool()), (Some(true), Some(false)));
    let keys = shown["keys"].as_array().expect("keys");
    assert_eq!((keys.len(), keys[0]["edr_point"].as_str()), (2, Some("AUTH")));
    let table = Ended::well(&mut show(&[]));
    assert!(table.contains("trained on") && table.contains("trusted here"), "{table}");
    assert!(!table.contains("EAP timeout"), "keys are shown when asked for: {table}");
}

#[test]
fn a_broken_import_names_file_and_line_and_leaves_the_model_alone() {
    let desk = Desk::new();
    Ended::well(&mut desk.retrain());
    let before = fs::read(desk.path("model/model.cwm")).expect("a bundle");
    let (zscore, forest) = (desk.path("zscore_stats.csv"), desk.path("FOREST.json"));
    fs::write(&forest, "{}").expect("written");
    let import = || {
        let mut command = ground(["model", "import", "--zscore"]);
        command.arg(&zscore).arg("--forest").arg(&forest).arg("--model-dir").arg(desk.path("model"));
        command
    };
    for (statistics, expected) in [
        (
            "fault_key,mean_rate,std_rate\nDHCP | x,1,2\nDHCP | y,a,2\n",
            "zscore_stats.csv:3: mean_rate is `a`",
        ),
        (
            "fault_key,mean_rate,std_rate\nDHCP | x,1,2\n",
            "FOREST.json: it is no exported forest: missing field",
        ),
    ] {
        fs::write(&zscore, statistics).expect("written");
        let said = Ended::badly(&mut import(), 1);
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(fs::read(desk.path("model/model.cwm")).expect("a bundle"), before);
    Ended::badly(&mut ground(["model", "import", "--zscore", "x"]), 2);
}

#[test]
fn detect_fills_six_tables_that_can_be_read_in_three_formats_and_mails_a_report() {
    let desk = Desk::new();
    Ended::well(&mut desk.retrain());
    desk.fault_breaks_out();
    Ended::well(&mut desk.detect());
    for name in SIX_TABLES {
        let csv_text = Ended::well(&mut desk.table(name, "csv"));
        let mut reader = csv::Reader::from_reader(csv_text.as_bytes());
        let header = reader.headers().expect("a header").clone();
        for column in COLUMNS.split_whitespace() {
            assert!(header.iter().any(|found| found == column), "{name} has no column {column}: {header:?}");
        }
        let rows: Vec<_> = reader.records().collect::<Result<_, _>>().expect("the CSV is well formed");
        let printed = Ended::well(&mut desk.table(name, "json"));
        let json_rows = json_rows(&printed);
        assert_eq!(json_rows.len(), rows.len(), "{name}: JSON and CSV differ");
        assert!(
            json_rows.iter().all(|row| COLUMNS.split_whitespace().all(|column| row.get(column).is_some())),
            "{printed}"
        );
        Ended::well(&mut desk.table(name, "table"));
    }
    let confirmed = Ended::well(&mut desk.table("combined_repeated", "csv"));
    assert!(confirmed.contains("DHCP | no address available"), "{confirmed}");
    assert!(!confirmed.contains("EAP timeout"), "{confirmed}");
    assert!(confirmed.contains("90.0"), "{confirmed}");
    assert_eq!(mails(&desk).len(), 1);
}

/// An array, or one object a line: both are JSON for machines.
fn json_rows(printed: &str) -> Vec<Value> {
    match serde_json::from_str::<Value>(printed) {
        Ok(Value::Array(rows)) => rows,
        _ => printed.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect(),
    }
}

fn mails(desk: &Desk) -> Vec<PathBuf> {
    let entries = fs::read_dir(desk.path("mail")).expect("the mail folder").flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "eml"))
        .collect()
}

#[test]
fn a_report_is_mailed_when_there_is_nothing_to_report_too() {
    let desk = Desk::new();
    Ended::well(&mut desk.retrain());
    let mut rows = edr::HEADER.to_owned();
    edr::append(&mut rows, &desk.day, 14, 0, ("AUTH", "EAP timeout"), 2, 32);
    edr::write(&desk.path("edr"), &format!("{}_140500", desk.day[2..].replace('-', "")), rows);
    Ended::well(&mut desk.detect());
    assert_eq!(Ended::well(&mut desk.table("combined_repeated", "csv")).lines().count(), 1);
    assert_eq!(mails(&desk).len(), 1);
}

#[test]
fn detecting_twice_leaves_the_same_rows() {
    let desk = Desk::new();
    Ended::well(&mut desk.retrain());
    desk.fault_breaks_out();
    Ended::well(&mut desk.detect());
    let read = || SIX_TABLES.map(|name| Ended::well(&mut desk.table(name, "csv")));
    let before = read();
    Ended::well(&mut desk.detect());
    assert_eq!(read(), before);
}

#[test]
fn training_again_on_the_same_rows_gives_the_same_scores() {
    let desk = Desk::new();
    Ended::well(&mut desk.retrain());
    desk.fault_breaks_out();
    Ended::well(&mut desk.detect());
    let scores = |column: &str| {
        let text = Ended::well(&mut desk.table("combined_all", "csv"));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let at = reader.headers().expect("a header").iter().position(|found| found == column).expect(column);
        reader.records().map(|row| row.expect("a row")[at].to_owned()).collect::<Vec<_>>()
    };
    let before = scores("iforest_score");
    assert!(!before.is_empty());
    // The file with the fault must not be trained on the second time either.
    fs::rename(desk.path("edr"), desk.path("edr-all")).expect("the folder moves");
    fs::create_dir(desk.path("edr")).expect("a folder");
    let fault = format!("thy_wifi_edr_{}_140500.csv", desk.day[2..].replace('-', ""));
    for entry in fs::read_dir(desk.path("edr-all")).expect("the folder").flatten() {
        if entry.file_name().to_string_lossy() != fault {
            fs::copy(entry.path(), desk.path("edr").join(entry.file_name())).expect("a copy");
        }
    }
    Ended::well(&mut desk.retrain());
    fs::copy(desk.path("edr-all").join(&fault), desk.path("edr").join(&fault)).expect("a copy");
    Ended::well(&mut desk.detect());
    assert_eq!(scores("iforest_score"), before);
}

#[test]
fn an_unknown_table_is_wrong_usage_and_the_message_lists_the_six() {
    let desk = Desk::new();
    let said = Ended::badly(&mut desk.table("combined", "csv"), 2);
    for name in SIX_TABLES {
        assert!(said.contains(name), "{said}");
    }
}

#[test]
fn every_command_has_help_and_unknown_ones_are_wrong_usage() {
    for name in ["run", "record", "status", "windows", "export", "rules", "check-config"] {
        Ended::well(&mut agent([name, "--help"]));
    }
    let ground_commands = [
        "ingest",
        "detect",
        "retrain",
        "report",
        "publish",
        "tables",
        "simulate",
        "demo",
        "keygen",
        "broker",
        "check-config",
    ];
    for name in ground_commands {
        Ended::well(&mut ground([name, "--help"]));
    }
    Ended::well(&mut agent(["--version"]));
    Ended::well(&mut ground(["--version"]));
    Ended::badly(&mut agent(["fly"]), 2);
    Ended::badly(&mut ground(["fly"]), 2);
    Ended::badly(&mut ground(["detect", "--nonsense"]), 2);
}

#[test]
fn an_unknown_setting_is_an_error_that_names_key_and_file() {
    let desk = Desk::new();
    let config = desk.path("typo.toml");
    fs::write(&config, "[retrain]\nn_estimator = 10\n").expect("a file");
    let said = Ended::badly(desk.retrain().arg("--config").arg(&config), 2);
    assert!(said.contains("retrain.n_estimator") && said.contains("typo.toml"), "{said}");

    fs::write(&config, "tail = \"TC-JJA\"\n[store]\npathh = \"x\"\n").expect("a file");
    let said = Ended::badly(agent(["run", "--config"]).arg(&config), 2);
    assert!(said.contains("store.pathh") && said.contains("typo.toml"), "{said}");

    fs::write(&config, "[retrain]\nn_estimators = \"many\"\n").expect("a file");
    let said = Ended::badly(desk.retrain().arg("--config").arg(&config), 2);
    assert!(said.contains("retrain.n_estimators"), "{said}");

    let said = Ended::badly(desk.retrain().arg("--config").arg(desk.path("absent.toml")), 2);
    assert!(said.contains("absent.toml"), "{said}");
}

#[test]
fn check_config_says_what_is_in_force_and_where_it_came_from() {
    let desk = Desk::new();
    let config = desk.path("ground.toml");
    fs::write(&config, "[retrain]\nn_estimators = 77\n").expect("a file");
    let mut command = ground(["check-config", "--config"]);
    command.arg(&config).env("CABINWATCH_GROUND__HISTORY__NEWEST_FILES", "13");
    let printed = Ended::well(&mut command);
    let line = |key: &str| printed.lines().find(|line| line.contains(key)).unwrap_or_default();
    assert!(
        line("retrain.n_estimators").contains("77") && line("retrain.n_estimators").contains("ground.toml")
    );
    assert!(line("history.newest_files").contains("13"), "{printed}");
    assert!(line("history.newest_files").contains("CABINWATCH_GROUND__HISTORY__NEWEST_FILES"), "{printed}");
    assert!(line("retrain.random_state").contains("42"), "{printed}");

    let aircraft = Aircraft::new(&desk.path("plane"), "TC-JJA", "", "");
    let printed = Ended::well(&mut aircraft.command("check-config"));
    let tail = printed.lines().find(|line| line.starts_with("tail ")).unwrap_or_default();
    assert!(tail.contains("TC-JJA") && tail.contains("agent.toml"), "{printed}");
}

#[test]
fn an_agent_without_a_tail_does_not_start() {
    let desk = Desk::new();
    let aircraft = Aircraft::new(&desk.path("plane"), "", "", "");
    let said = Ended::badly(&mut aircraft.command("run"), 2);
    assert!(said.contains("tail"), "{said}");
}

#[test]
fn rules_test_prints_one_json_object_a_line() {
    let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway-logs");
    let mut command = agent(["rules", "test", "--json"]);
    let printed = Ended::well(command.arg(logs.join("gateway-all.log")));
    let mut last = 0;
    for line in printed.lines() {
        let object: Value = serde_json::from_str(line).expect("a JSON object");
        let number = object["line"].as_u64().expect("a line number");
        assert!(number >= last, "lines out of order at {line}");
        last = number;
        if object["unknown"] != Value::Bool(true) {
            assert!(object["edr_point"].is_string() && object["description"].is_string(), "{line}");
            assert!(matches!(object["state"].as_str(), Some("FAIL" | "SUCCESS")), "{line}");
        }
    }
    assert!(last > 0, "the gateway's log yields nothing");
    Ended::badly(agent(["rules", "test"]).arg(logs.join("absent.log")), 1);
}
