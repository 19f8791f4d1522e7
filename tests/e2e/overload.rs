//! More than anybody means to send: faults whose texts never repeat, and events as fast as a program can send them. Memory
//! and database stay within their bounds, the watchdog is fed, and what arrives on the ground and what it is told as lost
//! add up to what was sent.
//!
//! `FLOOD_SECONDS=30` makes each flood last as long as the agent must stand it; `FLOOD_STATIC=1` takes the program that is
//! shipped (`make cross`), which is not slowed down by being built for tests.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::broker::{Broker, Kind, free_port};
use cabinwatch_tests::event_line::write_event;
use cabinwatch_tests::flight::Target;
use cabinwatch_tests::ground::{Ground, Stored};
use cabinwatch_tests::process::Process;
use cabinwatch_tests::wait::eventually;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

const TAIL: &str = "TC-OVR";
const LIMIT: Duration = Duration::from_secs(180);
/// What a gateway can spare.
const MOST_MEMORY_KIB: u64 = 32 << 10;

/// A broker, a ground, and one aircraft that flies.
struct Scene {
    folder: TempDir,
    _broker: Broker,
    ground: Ground,
    aircraft: Aircraft,
    manager: Manager,
}

impl Scene {
    /// `sources` are further keys of that section, `windows` the lines that say how long windows are and stay open.
    fn new(sources: impl FnOnce(&Path) -> String, windows: [&str; 2]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        let broker = Broker::start(Kind::Embedded, path);
        let mut ground = Ground::new(&path.join("ground"), &broker.url());
        ground.ingest.start();
        let mut aircraft = Aircraft::new(path, TAIL, &broker.url(), &Aircraft::sources(path, &sources(path)));
        let config = fs::read_to_string(aircraft.config()).expect("readable");
        let config =
            config.replace("window_seconds = 60", windows[0]).replace("lateness_seconds = 30", windows[1]);
        aircraft.configure(&config);
        let manager = Manager::start(&path.join("notify"));
        if env::var_os("FLOOD_STATIC").is_some() {
            aircraft = aircraft.with_program_for(Target::X86_64);
        }
        let mut command = aircraft.command("run");
        command.env("NOTIFY_SOCKET", path.join("notify"));
        command.env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
        aircraft.agent = Process::new(command, &path.join("agent.log"));
        aircraft.agent.start();
        aircraft.wait_for_socket(&path.join("events.sock"));
        Self { folder, _broker: broker, ground, aircraft, manager }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An event that bears no number; waits while the agent takes none.
    fn event(&self, text: &str) {
        let socket = UnixDatagram::unbound().expect("a socket");
        socket.send_to(text.as_bytes(), self.aircraft.event_socket()).expect("the agent takes it");
    }

    fn stored(&self) -> Stored {
        self.ground.stored().unwrap_or_default()
    }

    fn is_sound(&mut self) {
        self.aircraft.agent.assert_runs();
        let peak = self.aircraft.agent.peak_memory();
        println!("at most {peak} KiB resident");
        assert!(peak < MOST_MEMORY_KIB, "{peak} KiB");
    }
}

/// The watchdog's time: a quarter of that of the shipped unit.
const WATCHDOG: Duration = Duration::from_secs(30);

/// A service manager that watches.
struct Manager {
    leave: Arc<AtomicBool>,
    thread: Option<JoinHandle<Watch>>,
}

/// What it has seen.
#[derive(Debug, Default)]
struct Watch {
    fed: u32,
    longest_silence: Duration,
    hanging: Vec<String>,
}

impl Manager {
    fn start(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("set");
        let leave = Arc::new(AtomicBool::new(false));
        let left = Arc::clone(&leave);
        let thread = thread::spawn(move || {
            let (mut watch, mut last, mut buffer) = (Watch::default(), Instant::now(), [0; 512]);
            while !left.load(Ordering::Relaxed) {
                let Ok(length) = socket.recv(&mut buffer) else { continue };
                let text = String::from_utf8_lossy(&buffer[..length]);
                if text == "WATCHDOG=1" {
                    watch.fed += 1;
                    watch.longest_silence = watch.longest_silence.max(last.elapsed());
                    last = Instant::now();
                } else if text.contains("hangs") {
                    watch.hanging.push(text.into_owned());
                }
            }
            watch.longest_silence = watch.longest_silence.max(last.elapsed());
            watch
        });
        Self { leave, thread: Some(thread) }
    }

    fn saw(&mut self) -> Watch {
        self.leave.store(true, Ordering::Relaxed);
        self.thread.take().expect("asked once").join().expect("it watches")
    }
}

const WINDOWS: i64 = 100;
const KEYS_IN_A_WINDOW: i64 = 1000;
/// Of each window (`store.max_fault_keys`).
const NAMED: i64 = 256;
/// What the agent's database holds (`docs/agent-store.md`), and what it has in use besides.
const MOST_KEYS: i64 = 16_384 + 4_096;

#[test]
fn a_hundred_thousand_fault_keys_bound_memory_and_database_and_every_failure_arrives() {
    let mut scene = Scene::new(|_| String::new(), ["window_seconds = 60", "lateness_seconds = 30"]);
    let first = (jiff::Timestamp::now().as_second() - (WINDOWS + 20) * 60).div_euclid(60) * 60;
    let at = |seconds: i64| jiff::Timestamp::from_second(first + seconds).expect("a time");
    let socket = UnixDatagram::unbound().expect("a socket");
    socket.connect(scene.aircraft.event_socket()).expect("the agent listens");
    let mut line = String::new();
    for key in 0..WINDOWS * KEYS_IN_A_WINDOW {
        line.clear();
        let date = at(key * 60 / KEYS_IN_A_WINDOW);
        let _ = write!(
            line,
            r#"{{"edr_date":"{date}","edr_point":"WIFI","description":"session {key:08x} rejected by its server","state":"FAIL"}}"#
        );
        socket.send(line.as_bytes()).expect("the agent takes it");
    }
    // Its window stays open, and closes the others.
    let last = at((WINDOWS + 2) * 60);
    scene
        .event(&format!(r#"{{"edr_date":"{last}","edr_point":"WIFI","description":"last","state":"FAIL"}}"#));
    let failures = eventually("all windows to arrive", LIMIT, || {
        let failures = scene.ground.failures().ok()?;
        (failures.values().sum::<i64>() >= WINDOWS * KEYS_IN_A_WINDOW).then_some(failures)
    });
    scene.is_sound();
    let others = failures.iter().filter(|((_, _, point, _), _)| point == "OTHER");
    let others: Vec<i64> = others.map(|(_, count)| *count).collect();
    let (named, put_together) = (failures.len() - others.len(), others.iter().sum::<i64>());
    println!("{named} keys by name, {put_together} put together in {} windows", others.len());
    assert_eq!(failures.values().sum::<i64>(), WINDOWS * KEYS_IN_A_WINDOW);
    assert_eq!((named as i64, others.len() as i64), (WINDOWS * NAMED, WINDOWS));
    assert_eq!(
        put_together.unsigned_abs(),
        scene.aircraft.counter("key_overflow"),
        "the ground knows how many"
    );
    assert!(scene.stored().losses.is_empty(), "nothing is lost");

    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = Connection::open_with_flags(scene.aircraft.database(), flags).expect("opens");
    let keys: i64 = database.query_row("SELECT count(*) FROM keys", [], |row| row.get(0)).expect("counted");
    let disk = scene.aircraft.status()["disk"].clone();
    println!("the database holds {keys} keys; {disk}");
    assert!(keys > 0 && keys <= MOST_KEYS, "{keys} keys");
    assert!(disk["database_bytes"].as_u64().is_some_and(|bytes| bytes < 16 << 20), "{disk}");
    assert!(scene.aircraft.counter("gave_way") > 0, "the oldest stored events made room");
    scene.aircraft.agent.stop();
    let watch = scene.manager.saw();
    assert!(watch.hanging.is_empty() && watch.longest_silence < WATCHDOG, "{watch:?}");
}

/// What a flood comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Events,
    SyslogSocket,
    SyslogUdp,
}

/// A socket that is connected to the agent's.
enum Sender {
    Unix(UnixDatagram),
    Udp(UdpSocket),
}

impl Sender {
    /// Whether it was sent. Unix sockets wait for room; UDP never does.
    fn send(&self, text: &str) -> bool {
        match self {
            Self::Unix(socket) => socket.send(text.as_bytes()).map(drop).expect("the agent takes it"),
            Self::Udp(socket) => return socket.send(text.as_bytes()).is_ok(),
        }
        true
    }
}

/// As fast as it is asked to be, where the agent keeps up.
const RATE: f64 = 100_000.0;

/// How long each way is flooded. 30 s is what the agent must stand; from the moment on when its queue is full, which is within
/// the first second, nothing changes any more.
fn flood_time() -> Duration {
    let seconds = env::var("FLOOD_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(10))
}

/// One event each; one in fifty is a failure.
fn write_line(line: &mut String, way: Way, number: u64) {
    if way == Way::Events {
        return write_event(line, number, jiff::Timestamp::now());
    }
    line.clear();
    let station = number & 0xffff;
    let message = if number.is_multiple_of(50) { "DHCPNAK" } else { "DHCPACK" };
    let _ = write!(
        line,
        "<30>1 - gw dnsmasq-dhcp 185 - - {message}(br0) 10.77.0.9 02:00:00:00:{:02x}:{:02x} wrong network",
        station >> 8,
        station & 0xff
    );
}

/// Sends for that long; how many were sent.
fn flood(sender: &Sender, way: Way, time: Duration) -> u64 {
    let (began, mut sent, mut line) = (Instant::now(), 0, String::new());
    while began.elapsed() < time {
        if sent as f64 > began.elapsed().as_secs_f64() * RATE {
            thread::sleep(Duration::from_micros(200));
            continue;
        }
        write_line(&mut line, way, sent);
        sent += u64::from(sender.send(&line));
    }
    sent
}

/// Packets that the kernel has dropped before they reached any socket. Nobody is told of them.
fn dropped_on_the_way() -> u64 {
    let text = fs::read_to_string("/proc/net/softnet_stat").unwrap_or_default();
    let column = |line: &str| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok();
    text.lines().filter_map(column).sum()
}

/// Whether the kernel keeps no packet for this port, as far as it tells.
fn is_read(port: u16) -> bool {
    let text = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let queue = |line: &str| {
        let mut columns = line.split_whitespace();
        let is_ours = columns.nth(1)?.ends_with(&format!(":{port:04X}"));
        let (_, received) = columns.nth(2)?.split_once(':')?;
        is_ours.then(|| received.chars().any(|digit| digit != '0'))
    };
    !text.lines().filter_map(queue).any(|waits| waits)
}

/// What the ground has: events counted, and events it was told of as lost.
fn arrived(stored: &Stored) -> (u64, u64) {
    let counted: i64 = stored.failures.values().chain(stored.successes.values()).sum();
    let lost: i64 = stored.losses.values().sum();
    (counted.unsigned_abs(), lost.unsigned_abs())
}

#[test]
fn a_flood_of_events_neither_ends_the_agent_nor_is_anything_lost_untold() {
    let port = free_port();
    let sources = |folder: &Path| {
        let folder = folder.display();
        format!("syslog_sockets = [\"{folder}/log.sock\"]\nsyslog_udp = [\"127.0.0.1:{port}\"]\n")
    };
    // Short windows, so that live ones can be waited for.
    let mut scene = Scene::new(sources, ["window_seconds = 10", "lateness_seconds = 2"]);
    let log = scene.path("log.sock");
    scene.aircraft.wait_for_socket(&log);
    let unix = |path: &Path| {
        let socket = UnixDatagram::unbound().expect("a socket");
        socket.connect(path).expect("the agent listens");
        Sender::Unix(socket)
    };
    let mut before = (0, 0);
    for way in [Way::Events, Way::SyslogSocket, Way::SyslogUdp] {
        let sender = match way {
            Way::Events => unix(&scene.aircraft.event_socket()),
            Way::SyslogSocket => unix(&log),
            Way::SyslogUdp => {
                let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
                socket.connect(("127.0.0.1", port)).expect("loopback is there");
                Sender::Udp(socket)
            }
        };
        before = stand(&mut scene, &sender, way, before);
    }
    let losses = scene.stored().losses;
    assert!(losses.keys().all(|reason| reason == "queue_full"), "{losses:?}");
    let watch = scene.manager.saw();
    println!("{watch:?}");
    assert!(watch.fed > 0 && watch.hanging.is_empty() && watch.longest_silence < WATCHDOG, "{watch:?}");
    scene.aircraft.agent.stop();
}

/// Lets one flood come; what has arrived in all after it.
fn stand(scene: &mut Scene, sender: &Sender, way: Way, before: (u64, u64)) -> (u64, u64) {
    let (time, unseen) = (flood_time(), dropped_on_the_way());
    let mut sent = thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(sender, way, time));
        while !flooding.is_finished() {
            // Looking at it must work all the while.
            assert_eq!(scene.aircraft.status()["tail"], TAIL);
            thread::sleep(Duration::from_secs(1));
        }
        flooding.join().expect("sent")
    });
    let rate = sent as f64 / time.as_secs_f64();
    scene.is_sound();
    if let Sender::Udp(socket) = sender {
        let port = socket.peer_addr().expect("connected").port();
        eventually("the agent to read what the kernel kept", LIMIT, || is_read(port).then_some(()));
    }
    let mut line = String::new();
    // Of what it dropped last, the kernel tells with the next message, for which there must be room.
    write_line(&mut line, way, 1);
    sent += u64::from(sender.send(&line));
    let ended = Instant::now();
    let live = format!("after {way:?}");
    scene.event(&format!(r#"{{"edr_point":"LIVE","description":"{live}","state":"FAIL"}}"#));
    eventually("a live window", LIMIT, || {
        scene.stored().failures.keys().any(|(_, _, _, what)| *what == live).then_some(())
    });
    println!(
        "{way:?}: a live window was on the ground {:.1} s after the flood",
        ended.elapsed().as_secs_f64()
    );
    let unseen = || if way == Way::SyslogUdp { dropped_on_the_way() - unseen } else { 0 };
    let after = eventually("all to be counted or told", LIMIT, || {
        let (counted, lost) = arrived(&scene.stored());
        (counted + lost + unseen() > before.0 + before.1 + sent).then_some((counted, lost))
    });
    let (counted, lost) = (after.0 - before.0 - 1, after.1 - before.1);
    println!(
        "{way:?}: {sent} sent ({rate:.0}/s), {counted} counted, {lost} told as lost, {} unseen",
        unseen()
    );
    assert!(counted + lost <= sent, "{counted} and {lost} of {sent}");
    assert!(way == Way::SyslogUdp || (counted, lost) == (sent, 0), "where senders wait, nothing is lost");
    after
}
