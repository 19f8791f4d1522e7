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
use std::thread;
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
        ground.ingest.start();
        let plane = folder.path().join("plane");
        let sources = sources.replace("{folder}", &plane.display().to_string());
        let mut aircraft =
            Aircraft::new(&plane, "TC-LOG", &broker.url(), &Aircraft::sources(&plane, &sources));
        aircraft.agent.start();
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
            seen = self.aircraft.status()["counters"]["events"].as_i64()?;
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
        // An empty outbox alone says little: it is empty until the last event has closed the windows.
        eventually("every window to be closed, and its frame committed", LIMIT, || {
            let status = self.aircraft.status();
            let open = status["open_windows"].as_array()?;
            let closed = open.len() == 1 && open[0]["start"] == AFTERWARDS;
            (closed && status["outbox"]["frames"] == 0 && self.ground.failures().is_ok()).then_some(())
        });
        self.aircraft.agent.stop();
        self.ground.ingest.stop();
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

const DHCP_AND_DNS: [(&str, &str, i64); 10] = [
    ("DHCP", "no address available", 6),
    ("DHCP", "ignored", 4),
    ("DHCP", "declined by the client", 2),
    ("DHCP", "wrong network", 3),
    ("DHCP", "address in use", 3),
    ("DHCP", "address not available", 1),
    ("DHCP", "wrong server-ID", 1),
    ("DNS", "SERVFAIL", 1),
    ("DNS", "REFUSED", 10),
    ("DNS", "too many concurrent queries", 2),
];

const LOGINS: [(&str, &str, i64); 13] = [
    ("AUTH", "wrong password", 4),
    ("AUTH", "no authentication method for the user", 1),
    ("AUTH", "rejected", 1),
    ("AUTH", "unknown user", 1),
    ("AUTH", "home server did not respond", 3),
    ("AUTH", "no live home server", 2),
    ("AUTH", "no password known for the user", 1),
    ("AUTH", "client does not trust the server's certificate", 1),
    ("AUTH", "client certificate refused", 1),
    ("AUTH", "no common EAP method", 1),
    ("AUTH", "shared secret is incorrect", 2),
    ("AUTH", "request from an unknown client", 1),
    ("AUTH", "home server dead", 1),
];

#[test]
fn dnsmasqs_log_through_a_syslog_socket() {
    let mut gateway = Gateway::with("syslog_sockets = [\"{folder}/log.sock\"]\n");
    let path = gateway.path("log.sock");
    gateway.aircraft.wait_for_socket(&path);
    let socket = UnixDatagram::unbound().expect("a socket");
    for line in log("dnsmasq.rfc5424.log").lines() {
        socket.send_to(line.as_bytes(), &path).expect("the agent takes the line");
    }
    gateway.takes(34 + 16 + 2);
    let totals = gateway.totals();
    names_nobody(&totals);
    let mut failures = DHCP_AND_DNS.to_vec();
    failures.push(("DNS", "server failed to start", 1));
    assert_eq!(totals, expected(&failures, &[("DHCP", 16), ("DNS", 2)]));
}

#[test]
fn freeradius_log_through_udp_on_loopback() {
    let port = free_port();
    let mut gateway = Gateway::with(&format!("syslog_udp = [\"127.0.0.1:{port}\"]\n"));
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(("127.0.0.1", port)).expect("loopback is there");
    // Where nobody listens yet, the kernel says so at the send after the one that was refused.
    eventually("the agent to listen on UDP", LIMIT, || {
        let probe = b"<30>1 2026-11-21T08:00:00Z vm probe - - - another program's line";
        socket.send(probe).ok()?;
        thread::sleep(Duration::from_millis(50));
        socket.send(probe).ok()
    });
    for line in log("freeradius.rfc5424.log").lines() {
        socket.send(line.as_bytes()).expect("the agent takes the line");
    }
    gateway.takes(22 + 6);
    let totals = gateway.totals();
    names_nobody(&totals);
    let mut failures = LOGINS.to_vec();
    failures.push(("AUTH", "home server does not respond (zombie)", 1));
    failures.push(("AUTH", "server failed to start", 1));
    assert_eq!(totals, expected(&failures, &[("AUTH", 6)]));
}

/// The whole gateway's log in one file that is followed while it grows, is rotated, and grows on while the agent is
/// down. It is cut where the daemons were started anew, as a restart there forgets nothing that matters.
#[test]
fn the_whole_gateways_log_through_a_file_that_rotates_while_the_agent_restarts() {
    let mut gateway = Gateway::with("tail = [\"{folder}/gateway.log\"]\n");
    let (file, text) = (gateway.path("gateway.log"), log("gateway-all.log"));
    let phase = |name: &str| {
        text.find(&format!("=== phase {name}")).and_then(|at| text[..at].rfind('\n')).map(|at| at + 1)
    };
    let (b, c) = (phase("B").expect("a phase"), phase("C").expect("a phase"));
    append(&file, &text[..b / 2]);
    append(&file, &text[b / 2..b]);
    gateway.takes(27);
    fs::rename(&file, gateway.path("gateway.log.1")).expect("the file can be renamed");
    append(&file, &text[b..c]);
    gateway.takes(29);
    gateway.aircraft.agent.stop();
    append(&file, &text[c..]);
    gateway.aircraft.agent.start();
    gateway.takes(40);
    let totals = gateway.totals();
    names_nobody(&totals);
    let failures = [
        ("WIFI", "wrong passphrase", 4),
        ("EAP", "authentication failed", 1),
        ("EAP", "RADIUS server unreachable", 6),
        ("DHCP", "no address available", 4),
        ("AUTH", "wrong password", 1),
    ];
    let successes = [("AUTH", 1), ("DHCP", 3), ("EAP", 1), ("WIFI", 19)];
    assert_eq!(totals, expected(&failures, &successes));
}

fn append(path: &Path, text: &str) {
    let mut file = fs::File::options().create(true).append(true).open(path).expect("the file can be written");
    file.write_all(text.as_bytes()).expect("the file can be written");
}
