//! The programs that are shipped to aircraft: each is started on its processor, or in qemu, and does all that it is
//! for. mosquitto asks it for its certificate, it takes a model, counts a window of events, scores and sends it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::edr;
use cabinwatch_tests::flight::Target;
use cabinwatch_tests::ground::Ground;
use cabinwatch_tests::mosquitto::{FleetBroker, Identity};
use cabinwatch_tests::producer::{Event, Producer};
use cabinwatch_tests::program::{Ended, ground};
use cabinwatch_tests::wait::eventually;
use serde_json::Value;

const TAIL: &str = "TC-FLY";
const START: &str = "14:00:00";
/// Far above what it takes in qemu.
const LIMIT: Duration = Duration::from_secs(180);

/// Yesterday: a model that was trained on it has not expired, and nothing of it lies in the future.
fn at(time: &str) -> String {
    let now = jiff::Timestamp::now().as_second();
    let yesterday = jiff::Timestamp::from_second(now - 86_400).expect("a time of this century");
    format!("{}T{time}Z", &yesterday.to_string()[..10])
}

/// A broker with TLS, an ingest, and a model for aircraft.
struct Fleet {
    broker: FleetBroker,
    ground: Ground,
    signer: String,
}

impl Fleet {
    fn with_a_model(path: &Path) -> Self {
        let broker = FleetBroker::start(path, Identity::Certificates, &[TAIL]);
        let mut ingest =
            Ground::with_access(&path.join("ground"), &broker.ground_url(), &broker.access("ingest"));
        ingest.ingest.start();
        let day = &at("00:00:00")[..10];
        for hour in 5..13 {
            let cut = format!("{}_{:02}0000", day[2..].replace('-', ""), hour + 1);
            edr::write(&path.join("edr"), &cut, edr::calm_hour(day, hour));
        }
        let desk = path.join("desk.toml");
        let config = format!(
            "[history]\nurl = \"file://{0}/edr\"\nwindow_seconds = 60\n[model]\ndir = \"{0}/model\"\n\
             [tables]\nurl = \"sqlite://{1}\"\n[broker]\nurl = \"{2}\"\n{3}",
            path.display(),
            ingest.database().display(),
            broker.ground_url(),
            broker.access("publish"),
        );
        fs::write(&desk, config).expect("the configuration can be written");
        let run = |command: &mut std::process::Command| Ended::well(command.arg("--config").arg(&desk));
        run(&mut ground(["retrain", "--days", "30"]));
        run(&mut ground(["publish"]));
        let signer = fs::read_to_string(path.join("model/signing.pub")).expect("retrain made a key");
        Self { broker, ground: ingest, signer: signer.trim().to_owned() }
    }

    fn aircraft(&self, folder: &Path, target: Target) -> Aircraft {
        let model = format!("[model]\ntrusted_keys = [\"{}\"]\n", self.signer);
        let more = self.broker.access(TAIL) + &Aircraft::sources(folder, &model);
        Aircraft::new(folder, TAIL, &self.broker.url(), &more).with_program_for(target)
    }
}

/// One window in which nearly everybody fails at one point, and the event that closes it.
fn send_a_window(folder: &Path, socket: &Path) {
    let mut producer = Producer::new("portal", folder, socket);
    let faults = [("DHCP", "no address available", 40, 4), ("AUTH", "EAP timeout", 2, 32)];
    for (point, description, fails, successes) in faults {
        for number in 0..fails + successes {
            let (at, point) = (at(&format!("14:00:{number:02}")), point.to_owned());
            let state = if number < fails { "FAIL" } else { "SUCCESS" };
            producer.send(&Event { at, point, description: description.to_owned(), state });
        }
    }
    let (at, point) = (at("14:10:00"), "END".to_owned());
    producer.send(&Event { at, point, description: String::new(), state: "SUCCESS" });
    producer.finish();
}

/// What the agent itself says of one fault in the closed window.
fn scored_on_board(aircraft: &Aircraft, point: &str) -> Value {
    let printed = Ended::well(aircraft.command("windows").arg("--json"));
    let rows = printed.lines().map(|line| serde_json::from_str::<Value>(line).expect("a row is JSON"));
    let mut rows = rows.filter(|row| row["edr_point"] == point && row["start_time"] == at(START));
    rows.next().unwrap_or_else(|| panic!("no row of {point} in {printed}"))
}

/// z score, forest score and alarm of that fault, as the ground reckons them.
fn scored_on_the_ground(ground: &Ground, point: &str) -> rusqlite::Result<(f64, f64, bool)> {
    let sql = "SELECT z_score, iforest_score, anomaly_combined FROM windows
               WHERE tail = ?1 AND start_time = ?2 AND edr_point = ?3 AND model_version = 1";
    let tables = ground.open().ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    tables.query_row(sql, [TAIL, &at(START), point], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

fn flies(target: Target) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let mut fleet = Fleet::with_a_model(path);
    let plane = path.join("plane");
    let mut aircraft = fleet.aircraft(&plane, target);
    aircraft.agent.start();
    aircraft.wait_for_socket(&aircraft.event_socket());
    eventually("the agent to take the model", LIMIT, || {
        (aircraft.status()["model"]["version"] == 1).then_some(())
    });

    send_a_window(path, &aircraft.event_socket());
    eventually("the window to arrive", LIMIT, || scored_on_the_ground(&fleet.ground, "DHCP").ok());
    eventually("the ground to say so", LIMIT, || aircraft.has_sent_all().then_some(()));
    for point in ["DHCP", "AUTH"] {
        let (z, forest, alarm) = scored_on_the_ground(&fleet.ground, point).expect("a scored row");
        let row = scored_on_board(&aircraft, point);
        // The same sources on another processor: the same numbers, to the last bit.
        let board =
            (row["z_score"].as_f64(), row["forest_score"].as_f64(), row["anomaly_combined"].as_bool());
        assert_eq!(board, (Some(z), Some(forest), Some(alarm)), "{point}");
        assert!(alarm || point != "DHCP", "nine in ten fail, and nobody is told");
    }
    aircraft.agent.stop();
    fleet.ground.ingest.stop();
    let said = fleet.ground.ingest.said();
    assert!(!said.contains("alarms differ"), "{said}");
    let stored = fleet.ground.stored().expect("the tables can be read");
    assert_eq!((stored.losses.len(), stored.gaps, stored.set_aside), (0, 0, 0));
}

#[test]
fn the_program_for_x86_64_scores_a_window_and_sends_it_over_tls() {
    flies(Target::X86_64);
}

#[test]
fn the_program_for_64_bit_arm_scores_a_window_and_sends_it_over_tls() {
    flies(Target::Aarch64);
}

#[test]
fn the_program_for_32_bit_arm_scores_a_window_and_sends_it_over_tls() {
    flies(Target::Armv7);
}
