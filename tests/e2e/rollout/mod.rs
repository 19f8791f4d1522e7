//! New models on their way to aircraft: a real mosquitto, a canary and a fleet, the commands that ground operations type,
//! and agents that try, keep, roll back, follow keys, and are killed while they do.

mod keys;
mod kills;
mod staged;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::edr;
use cabinwatch_tests::ground::Ground;
use cabinwatch_tests::mosquitto::{FleetBroker, Identity};
use cabinwatch_tests::producer::{Event, Producer};
use cabinwatch_tests::program::{Ended, ground};
use cabinwatch_tests::wait::eventually;
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

/// Far above what it takes; only a hang reaches it.
const LIMIT: Duration = Duration::from_secs(180);
const WINDOW_SECONDS: i64 = 60;
/// What fails now and then.
const KEYS: [(&str, &str); 2] = [("DHCP", "no address available"), ("AUTH", "EAP timeout")];
/// Windows that end any trial here: three, and four quiet verdicts beside those of the worst window.
const TRIAL: usize = 4;

/// A broker, ingest, and a desk with a history to train on.
struct Airline {
    folder: TempDir,
    broker: FleetBroker,
    ingest: Ground,
}

impl Airline {
    fn start(tails: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        let broker = FleetBroker::start(path, Identity::Certificates, tails);
        let mut ingest =
            Ground::with_access(&path.join("ground"), &broker.ground_url(), &broker.access("ingest"));
        ingest.ingest.start();
        let airline = Self { folder, broker, ingest };
        airline.write_history();
        airline.new_key("first");
        airline.sign_with("first");
        airline
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Yesterday, on which nothing happened; and, in a folder of its own, a yesterday on which hardly anything failed at
    /// all. Who learnt from that one takes an everyday for an outage.
    fn write_history(&self) {
        let yesterday = Timestamp::now().as_second() - 86_400;
        let day =
            Timestamp::from_second(yesterday).expect("a time of this century").to_string()[..10].to_owned();
        let cut = day[2..].replace('-', "");
        for hour in 5..13 {
            let name = format!("{cut}_{:02}0000", hour + 1);
            edr::write(&self.path("edr"), &name, edr::calm_hour(&day, hour));
            let mut rows = edr::HEADER.to_owned();
            for window in 0..12 {
                KEYS.iter().for_each(|key| edr::append(&mut rows, &day, hour, window, *key, 1, 40 + window));
            }
            edr::write(&self.path("edr-too-good"), &name, rows);
        }
    }

    /// Makes a signing key of that name.
    fn new_key(&self, name: &str) {
        fs::create_dir_all(self.path("keys")).expect("a folder");
        Ended::well(ground(["keygen", "--out"]).arg(self.key(name)));
    }

    fn key(&self, name: &str) -> PathBuf {
        self.path("keys").join(name).with_extension("key")
    }

    /// The text that agents pin.
    fn public(&self, name: &str) -> String {
        let text = fs::read_to_string(self.key(name).with_extension("pub")).expect("a public key");
        text.trim().to_owned()
    }

    /// Writes the desk's configuration, with that key to sign with.
    fn sign_with(&self, key: &str) {
        let config = format!(
            "[broker]\nurl = \"{}\"\n{}[tables]\nurl = \"sqlite://{}\"\n[history]\nurl = \"file://{}\"\n\
             window_seconds = {WINDOW_SECONDS}\n[model]\ndir = \"{}\"\nsigning_key = \"{}\"\n",
            self.broker.ground_url(),
            self.broker.access("publish"),
            self.ingest.database().display(),
            self.path("edr").display(),
            self.path("model").display(),
            self.key(key).display(),
        );
        fs::write(self.path("desk.toml"), config).expect("the configuration can be written");
    }

    /// A command of the desk's.
    fn desk(&self, words: &[&str]) -> Command {
        let mut command = ground(["--config"]);
        command.arg(self.path("desk.toml")).args(words);
        command
    }

    /// Trains a model for a cohort and publishes it there; its version.
    fn release(&self, cohort: &str) -> u64 {
        self.release_from("edr", cohort)
    }

    /// One that is sound by every test, and alarms on every everyday window.
    fn release_noisy(&self, cohort: &str) -> u64 {
        self.release_from("edr-too-good", cohort)
    }

    fn release_from(&self, history: &str, cohort: &str) -> u64 {
        let history = format!("file://{}", self.path(history).display());
        Ended::well(&mut self.desk(&["retrain", "--cohort", cohort, "--history", &history]));
        Ended::well(&mut self.desk(&["publish", "--cohort", cohort]));
        self.newest(cohort)
    }

    fn newest(&self, cohort: &str) -> u64 {
        self.cohort(cohort)["version"].as_u64().expect("a version")
    }

    /// What `model status` says of a cohort.
    fn cohort(&self, cohort: &str) -> Value {
        let said = Ended::well(&mut self.desk(&["model", "status", "--json"]));
        let status: Value = serde_json::from_str(&said).expect("model status --json prints JSON");
        let cohorts = status["cohorts"].as_array().expect("cohorts");
        cohorts.iter().find(|known| known["cohort"] == cohort).cloned().unwrap_or(Value::Null)
    }

    /// Waits until so many aircraft of a cohort stand so with its newest model.
    fn stand(&self, cohort: &str, standing: &str, count: u64) {
        eventually(&format!("{count} aircraft of {cohort} to stand as {standing}"), LIMIT, || {
            (self.cohort(cohort)["numbers"][standing] == count).then_some(())
        });
    }

    /// An aircraft that takes a cohort's models.
    fn plane(&self, tail: &str, cohort: &str) -> Plane {
        let folder = self.path(tail);
        let model = format!(
            "[model]\ncohort = \"{cohort}\"\ntrusted_keys = [\"{}\"]\ntrial_windows = 3\ntrial_verdicts = 4\n",
            self.public("first")
        );
        let more = self.broker.access(tail) + &Aircraft::sources(&folder, &model);
        let aircraft = Aircraft::new(&folder, tail, &self.broker.url(), &more);
        let mut plane = Plane { aircraft, folder, producer: None, next: first_window() };
        plane.start();
        plane
    }
}

/// Five days ago: room for more windows than will be sent, none of them in the future.
fn first_window() -> i64 {
    (Timestamp::now().as_second() - 5 * 86_400).div_euclid(WINDOW_SECONDS) * WINDOW_SECONDS
}

/// An aircraft with a program that sends what happens in its cabin.
struct Plane {
    aircraft: Aircraft,
    folder: PathBuf,
    producer: Option<Producer>,
    next: i64,
}

impl Plane {
    fn start(&mut self) {
        self.aircraft.agent.start();
        self.aircraft.wait_for_socket(&self.aircraft.event_socket());
    }

    /// So many windows of everyday trouble: two keys that fail now and then, as in the history.
    fn fly(&mut self, windows: usize) {
        for _ in 0..windows {
            self.send_window(2, 33);
        }
        self.close();
    }

    /// So many windows of an outage.
    fn outage(&mut self, windows: usize) {
        for _ in 0..windows {
            self.send_window(33, 2);
        }
        self.close();
    }

    fn send_window(&mut self, fails: i64, successes: i64) {
        for (point, description) in KEYS {
            for attempt in 0..fails + successes {
                let state = if attempt < fails { "FAIL" } else { "SUCCESS" };
                self.send(self.next + attempt, point, description, state);
            }
        }
        self.next += WINDOW_SECONDS;
    }

    /// Moves event time on, so that the windows close.
    fn close(&mut self) {
        self.send(self.next + 600, "END", "", "SUCCESS");
        self.next += 660;
        if let Some(producer) = &mut self.producer {
            producer.finish();
        }
    }

    fn send(&mut self, at: i64, point: &str, description: &str, state: &'static str) {
        let socket = self.aircraft.event_socket();
        let producer = self.producer.get_or_insert_with(|| Producer::new("cabin", &self.folder, &socket));
        let at = Timestamp::from_second(at).expect("a time of this century").to_string();
        let (point, description) = (point.to_owned(), description.to_owned());
        producer.send(&Event { at, point, description, state });
    }

    /// The version in use; 0 for none.
    fn version(&self) -> u64 {
        self.aircraft.status()["model"]["version"].as_u64().unwrap_or(0)
    }

    fn takes(&self, version: u64) {
        eventually(&format!("an aircraft to take model {version}"), LIMIT, || {
            (self.version() == version).then_some(())
        });
    }

    fn stop(mut self) {
        self.aircraft.agent.stop();
    }
}

/// The lines of a file of the model folder.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the file is there");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}
