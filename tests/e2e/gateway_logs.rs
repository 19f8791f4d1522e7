//! The real logs of a gateway's daemons, through every way a log can reach the agent, to the ground's tables.
//!
//! The expected counts were taken from the logs by hand (`tests/gateway-logs/README.md` says what the lines mean),
//! not from a run of the programs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::broker::{Broker, Kind, free_port};
use cabinwatch_tests::ground::Ground;
use cabinwatch_tests::wait::eventually;
use serde_json::json;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);
/// Later than every line of the logs: closes all their windows.
const AFTERWARDS: &str = "2026-11-21T12:00:00Z";

/// Failures by point and description, successes by point.
type Totals = (BTreeMap<(String, String), i64>, BTreeMap<String, i64>);

fn log(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway-logs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One aircraft with its ground, both running.
struct Gateway {
    folder: TempDir,
    ground: Ground,
    aircraft: Aircraft,
    _broker: Broker,
}

impl Gateway {
    /// `sources` are keys of `[sources]`; `{folder}` stands for the aircraft's folder.
    fn with(sources: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let broker = Broker::start(Kind::Embedded, folder.path());
        let mut ground = Ground::new(&folder.path().join("ground"), &broker.url());
        ground.start();
        let plane = folder.path().join("plane");
        let sources = sources.replace("{folder}", &plane.display().to_string());
        let mut aircraft =
            Aircraft::new(&plane, "TC-LOG", &broker.url(), &Aircraft::sources(&plane, &sources));
        aircraft.start();
        aircraft.wait_for_socket(&aircraft.event_socket());
        Self { folder, ground, aircraft, _broker: broker }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("plane").join(name)
    }

    /// Waits until the agent has taken that many events.
    fn takes(&self, events: i64) {
        let mut seen = 0;
        eventually(&format!("{events} events (the last count follows on failure)"), LIMIT, || {
            seen = self.aircraft.status()["events"].as_i64()?;
            (seen >= events).then_some(())
        });
        assert_eq!(seen, events, "more events than the log holds");
    }

    /// Closes all windows, and waits for them on the ground.
    fn totals(&mut self) -> Totals {
        let socket = UnixDatagram::unbound().expect("a socket");
        let last =
            json!({ "edr_date": AFTERWARDS, "edr_point": "END", "description": "", "state": "SUCCESS" });
        socket
            .send_to(last.to_string().as_bytes(), self.aircraft.event_socket())
            .expect("the agent takes it");
        eventually("every frame to be committed", LIMIT, || {
            (self.aircraft.status()["outbox"]["frames"].as_i64()? == 0 && self.ground.failures().is_ok())
                .then_some(())
        });
        self.aircraft.stop();
        self.ground.stop();
        let mut totals = Totals::default();
        for ((_, _, point, description), count) in self.ground.failures().expect("the tables can be read") {
            *totals.0.entry((point, description)).or_default() += count;
        }
        for ((_, _, point), count) in self.ground.successes().expect("the tables can be read") {
            *totals.1.entry(point).or_default() += count;
        }
        assert_eq!(self.ground.losses().expect("the tables can be read"), BTreeMap::new());
        totals
    }
}

fn expected(failures: &[(&str, &str, i64)], successes: &[(&str, i64)]) -> Totals {
    (
        failures
            .iter()
            .map(|(point, description, count)| ((point.to_string(), description.to_string()), *count))
            .collect(),
        successes.iter().map(|(point, count)| (point.to_string(), *count)).collect(),
    )
}

/// Nothing that names a passenger may lie in the ground's tables: no MAC address, no user, no host.
fn names_nobody(totals: &Totals) {
    for (point, description) in totals.0.keys() {
        for private in ["02:00:00", "02-00-00", "alice", "bob", "host=", "10.77."] {
            assert!(!format!("{point} {description}").contains(private), "{point} | {description}");
        }
    }
}
