//! The real agent on a machine whose wall clock is wrong: 1970 at its start, then set back by an hour and ahead by a
//! year. The ground must have every event once, in a window of the time at which it truly happened.
//!
//! The clock is set for the agent's process alone, by a preloaded library (`tests/parts/wall-clock`).

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::broker::{Broker, Kind};
use cabinwatch_tests::ground::Ground;
use cabinwatch_tests::process::Process;
use cabinwatch_tests::program::Ended;
use cabinwatch_tests::wait::eventually;
use serde_json::Value;

const TAIL: &str = "TC-CLK";
const LIMIT: Duration = Duration::from_secs(120);
const WINDOW_SECONDS: u64 = 5;
const YEAR: i64 = 365 * 86_400;

/// The seconds of the machine's own clock, which is right.
fn truth() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs().cast_signed()
}

/// The wall clock as the agent sees it.
struct WallClock {
    library: PathBuf,
    offset: PathBuf,
}

impl WallClock {
    /// Wrong by so many seconds.
    fn wrong_by(folder: &Path, seconds: i64) -> Self {
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("parts").join("wall-clock").join("wall_clock.c");
        let clock = Self { library: folder.join("wall_clock.so"), offset: folder.join("offset") };
        Ended::well(Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&clock.library).arg(source));
        clock.set(seconds);
        clock
    }

    fn set(&self, seconds: i64) {
        // Never truncated: the agent has it mapped.
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&self.offset);
        let file = file.as_mut().expect("the clock can be set");
        file.write_all(&seconds.to_ne_bytes()).expect("the clock can be set");
    }

    /// Has the agent run under this clock, with windows of five seconds.
    fn hang_over(&self, aircraft: &mut Aircraft) {
        let mut command = aircraft.command("run");
        command
            .env("LD_PRELOAD", &self.library)
            .env("WALL_CLOCK_OFFSET", &self.offset)
            .env("CABINWATCH_AGENT__WINDOW_SECONDS", WINDOW_SECONDS.to_string())
            .env("CABINWATCH_AGENT__LATENESS_SECONDS", "2");
        aircraft.agent = Process::new(command, &aircraft.folder().join("agent.log"));
    }
}

/// A program that the agent tells what it has stored, so that nothing is lost with a killed agent.
struct Sender {
    socket: UnixDatagram,
    sent: u64,
}

impl Sender {
    fn new(folder: &Path) -> Self {
        let socket = UnixDatagram::bind(folder.join("sender.sock")).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
        Self { socket, sent: 0 }
    }

    /// One failure, dated by the agent's machine as it comes, and stored when this returns.
    fn fail(&mut self, aircraft: &mut Aircraft) {
        self.sent += 1;
        let event = format!(
            r#"{{"edr_point":"DNS","description":"refused","state":"FAIL","producer":"clock","seq":{}}}"#,
            self.sent
        );
        eventually("an event to be stored", LIMIT, || {
            aircraft.agent.assert_runs();
            self.socket.send_to(event.as_bytes(), aircraft.event_socket()).ok()?;
            // What was sent twice is answered twice, so there may be an answer for the one before.
            let stored = || serde_json::from_slice::<Value>(&self.answer()?).ok()?["stored"].as_u64();
            std::iter::from_fn(stored).find(|stored| *stored == self.sent)
        });
    }

    fn answer(&self) -> Option<Vec<u8>> {
        let mut answer = vec![0; 256];
        let length = self.socket.recv(&mut answer).ok()?;
        answer.truncate(length);
        Some(answer)
    }

    /// So many, spread over a little more than a window.
    fn fail_for_a_while(&mut self, aircraft: &mut Aircraft) {
        for _ in 0..6 {
            self.fail(aircraft);
            thread::sleep(Duration::from_secs(1));
        }
    }
}

fn trust(aircraft: &Aircraft) -> String {
    aircraft.status()["clock"]["trust"].as_str().unwrap_or_default().to_owned()
}

fn wait_for_trust(aircraft: &Aircraft, expected: &str) {
    eventually(&format!("the clock to be {expected}"), LIMIT, || (trust(aircraft) == expected).then_some(()));
}

/// Seconds of a window's start, as the tables hold it.
fn seconds(start: &str) -> i64 {
    start.parse::<jiff::Timestamp>().expect("RFC 3339").as_second()
}

#[test]
fn every_event_is_counted_once_at_its_true_time_whatever_the_wall_clock_shows() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let broker = Broker::start(Kind::Embedded, path);
    let mut ground = Ground::new(&path.join("ground"), &broker.url());
    ground.ingest.start();
    let plane = path.join("plane");
    let mut aircraft = Aircraft::new(&plane, TAIL, &broker.url(), &Aircraft::sources(&plane, ""));
    let mut sender = Sender::new(path);
    let began = truth();

    let clock = WallClock::wrong_by(path, 100 - began);
    clock.hang_over(&mut aircraft);
    aircraft.agent.start();
    sender.fail_for_a_while(&mut aircraft);
    assert_eq!(trust(&aircraft), "provisional");
    assert_eq!(aircraft.status()["outbox"]["newest"], 0, "nothing is sent that would bear a wrong time");
    aircraft.agent.kill();
    aircraft.agent.start();
    sender.fail_for_a_while(&mut aircraft);
    assert_eq!(aircraft.status()["clock"]["waiting_events"], sender.sent);

    clock.set(0);
    wait_for_trust(&aircraft, "trusted");
    sender.fail_for_a_while(&mut aircraft);
    for wrong in [-3600, YEAR] {
        clock.set(wrong);
        sender.fail_for_a_while(&mut aircraft);
        wait_for_trust(&aircraft, "doubtful");
        sender.fail_for_a_while(&mut aircraft);
        clock.set(0);
        wait_for_trust(&aircraft, "trusted");
    }
    sender.fail_for_a_while(&mut aircraft);

    let expected = i64::try_from(sender.sent).expect("few");
    let stored = eventually("every event to reach the ground", LIMIT, || {
        let stored = ground.stored().ok()?;
        (stored.failures.values().sum::<i64>() >= expected).then_some(stored)
    });
    aircraft.agent.stop();
    ground.ingest.stop();
    assert_eq!(stored.failures.values().sum::<i64>(), expected);
    let ended = truth();
    for (_, start, ..) in stored.failures.keys() {
        let start = seconds(start);
        assert!(
            (began - 6..=ended).contains(&start),
            "a window from {start}, though all was in {began}..{ended}"
        );
    }
    assert_eq!((stored.gaps, stored.set_aside, stored.streams), (0, 0, 1));
    let status = aircraft.status();
    assert_eq!((&status["counters"]["late"], &status["counters"]["future"]), (&0.into(), &0.into()));
    assert_eq!(status["counters"]["provisional_guessed"], 0);
    let log = ground.ingest.said();
    assert!(log.contains("does not trust its clock"), "{log}");
}
