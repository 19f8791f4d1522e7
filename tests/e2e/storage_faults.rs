//! The real agent on disks that fill up, break and lie. Two producers send without a pause and send again what the agent
//! has not said it stored: in the end the ground must have every event once. What is dropped for want of room must be
//! exactly what the ground is told.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::broker::{Broker, Kind};
use cabinwatch_tests::disk::Disk;
use cabinwatch_tests::faulty_disk::{EIO, ENOSPC, EROFS, Faults, FaultyDisk};
use cabinwatch_tests::fleet::Fleet;
use cabinwatch_tests::ground::Ground;
use cabinwatch_tests::program::Ended;
use cabinwatch_tests::wait::eventually;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

const TAIL: &str = "TC-DSK";
const LIMIT: Duration = Duration::from_secs(180);
/// What a busy machine takes now and then for one datagram; far less than an outage lasts.
const NOT_KEPT_WAITING: Duration = Duration::from_secs(30);
const MIB: u64 = 1 << 20;

/// A broker, a ground, and a folder for one aircraft.
struct Scene {
    folder: TempDir,
    broker: Broker,
    ground: Ground,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let broker = Broker::start(Kind::Embedded, folder.path());
        let mut ground = Ground::new(&folder.path().join("ground"), &broker.url());
        ground.ingest.start();
        Self { folder, broker, ground }
    }

    fn aircraft(&self, plane: &Path) -> Aircraft {
        Aircraft::new(plane, TAIL, &self.broker.url(), &Aircraft::sources(plane, ""))
    }

    /// An aircraft of which only the database lies on the disk.
    fn aircraft_with_database_on(&self, disk: &Disk) -> Aircraft {
        let aircraft = self.aircraft(&self.folder.path().join("plane"));
        let config = fs::read_to_string(aircraft.config()).expect("readable");
        let (from, to) = (aircraft.database(), disk.folder().join("agent.db"));
        let config = config.replace(
            &format!("path = \"{}\"", from.display()),
            &format!("path = \"{}\"\nreserve_bytes = 262144", to.display()),
        );
        fs::write(aircraft.config(), config).expect("writable");
        aircraft
    }

    fn disk(&self, inodes: u32) -> Disk {
        Disk::new(self.folder.path(), 24 * MIB, inodes)
    }

    fn failures(&self) -> usize {
        self.ground.stored().map_or(0, |stored| stored.failures.len())
    }

    /// Waits until this many more failures have arrived.
    fn goes_on(&self, fleet: &mut Fleet, more: usize) {
        let goal = self.failures() + more;
        eventually("events to arrive", LIMIT, || {
            fleet.aircraft[0].agent.assert_runs();
            (self.failures() >= goal).then_some(())
        });
    }

    /// Ends it all: every event must be there once, or be among those that the ground was told of as lost.
    fn nothing_is_lost_untold(mut self, fleet: Fleet) {
        let sent = fleet.finish(|| self.ground.stored().ok());
        self.ground.ingest.stop();
        let stored = self.ground.stored().expect("the tables can be read");
        let lost = stored.losses.get("storage").copied().unwrap_or(0);
        println!("{lost} events lost and told");
        assert_eq!(sent.missing_events(&stored), lost, "what is missing is what the ground was told");
        let reasons: BTreeSet<_> = stored.losses.keys().map(String::as_str).collect();
        assert!(reasons.is_subset(&BTreeSet::from(["storage", "unclean_end"])), "{reasons:?}");
        assert_eq!((stored.gaps, stored.set_aside, stored.streams), (0, 0, 1));
    }

    /// Ends it all: every event must be there once, and nothing be lost. The ground knows how often the agent was killed.
    fn nothing_is_lost(mut self, fleet: Fleet, kills: i64) {
        let sent = fleet.finish(|| self.ground.stored().ok());
        self.ground.ingest.stop();
        let stored = self.ground.stored().expect("the tables can be read");
        sent.check_after_kills(kills, &stored);
        assert_eq!((stored.streams, stored.set_aside), (1, 0), "the agent lost its database");
    }
}

#[test]
fn a_disk_that_others_fill_costs_no_event_not_even_across_a_restart() {
    let scene = Scene::new();
    let disk = scene.disk(200);
    let mut fleet = Fleet::start([scene.aircraft(disk.folder())], 1);
    scene.goes_on(&mut fleet, 500);
    let goes_on = |fleet: &mut Fleet| {
        for _ in 0..10 {
            // Whatever becomes free for a moment, others take.
            disk.fill();
            scene.goes_on(fleet, 300);
        }
    };
    goes_on(&mut fleet);
    fleet.aircraft[0].agent.kill();
    disk.fill();
    fleet.aircraft[0].agent.start();
    goes_on(&mut fleet);
    assert_eq!(fleet.aircraft[0].counter("storage_outages"), 0, "no commit had to wait");
    scene.nothing_is_lost(fleet, 1);
}

#[test]
fn a_file_system_without_inodes_costs_no_event_not_even_across_a_restart() {
    let scene = Scene::new();
    let disk = scene.disk(64);
    let mut fleet = Fleet::start([scene.aircraft(disk.folder())], 2);
    scene.goes_on(&mut fleet, 500);
    disk.use_up_inodes();
    scene.goes_on(&mut fleet, 1000);
    for kill in [true, false] {
        let agent = &mut fleet.aircraft[0].agent;
        if kill {
            agent.kill();
        } else {
            agent.stop();
        }
        // The socket's inode is free for a moment; nobody else takes it.
        agent.start();
        scene.goes_on(&mut fleet, 1000);
    }
    scene.nothing_is_lost(fleet, 1);
}

#[test]
fn on_a_disk_that_stays_full_without_a_link_the_oldest_frames_go_last_and_are_told() {
    let mut scene = Scene::new();
    let disk = scene.disk(200);
    let mut fleet = Fleet::start([scene.aircraft_with_database_on(&disk)], 3);
    scene.goes_on(&mut fleet, 200);
    scene.broker.process.kill();
    disk.fill();
    eventually("frames to give way", LIMIT, || {
        fleet.aircraft[0].agent.assert_runs();
        (fleet.aircraft[0].counter("storage") > 10).then_some(())
    });
    assert!(fleet.aircraft[0].counter("gave_way") > 0, "events and windows went before");
    scene.broker.process.start();
    let goal = scene.failures() + 2000;
    eventually("the ground to be told", LIMIT, || {
        let stored = scene.ground.stored().ok()?;
        (stored.failures.len() > goal && stored.losses.contains_key("storage")).then_some(())
    });
    let frames = |fleet: &Fleet| fleet.aircraft[0].status()["outbox"]["newest"].as_u64().expect("a number");
    let mut status = None;
    let sent = fleet.finish_with(
        || scene.ground.stored().ok(),
        |fleet| {
            let untold = fleet.aircraft[0].status()["untold_losses"][0]["count"].as_u64().unwrap_or(0);
            status = Some((frames(fleet), fleet.aircraft[0].counter("storage"), untold));
        },
    );
    scene.ground.ingest.stop();
    let stored = scene.ground.stored().expect("the tables can be read");
    let (newest, lost, untold) = status.expect("asked");
    let losses = stored.losses.get("storage").copied().unwrap_or(0);
    assert_eq!(u64::try_from(losses), Ok(lost - untold), "the ground is told of all");
    assert!(newest > lost);
    let missing = sent.missing_windows(&stored);
    println!("{lost} of {newest} frames gave way, {missing} windows among them");
    assert!(missing > 0 && missing as u64 <= lost, "{missing} windows are missing, {lost} frames are lost");
    assert!(stored.gaps > 0, "and it knows which numbers will never come");
}

/// Sends events that bear no number, as a daemon would that waits for nobody; how long the slowest took.
fn shout(aircraft: &Aircraft, times: usize) -> Duration {
    let socket = UnixDatagram::unbound().expect("a socket");
    let event = br#"{"edr_point":"SHOUT","state":"SUCCESS"}"#;
    let mut slowest = Duration::ZERO;
    for _ in 0..times {
        let began = Instant::now();
        socket.send_to(event, aircraft.event_socket()).expect("the agent takes it");
        slowest = slowest.max(began.elapsed());
        thread::sleep(Duration::from_millis(1));
    }
    slowest
}

#[test]
fn a_file_system_that_turns_read_only_neither_ends_the_agent_nor_makes_it_lie() {
    let scene = Scene::new();
    let disk = scene.disk(200);
    let aircraft = scene.aircraft_with_database_on(&disk);
    let memory = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let config = fs::read_to_string(aircraft.config()).expect("readable");
    let live = memory.path().join("live.json");
    aircraft.configure(&format!("{config}[service]\nlive_file = \"{}\"\n", live.display()));
    let mut fleet = Fleet::start([aircraft], 4);
    scene.goes_on(&mut fleet, 500);
    disk.find_damage();
    let aircraft = &mut fleet.aircraft[0];
    let slowest = shout(aircraft, 5000);
    println!("the slowest sender waited {slowest:?}");
    assert!(slowest < NOT_KEPT_WAITING, "senders are not kept waiting: {slowest:?}");
    aircraft.agent.assert_runs();
    // The kernel may still call the file system writable; the agent knows better.
    eventually("status to tell", LIMIT, || {
        let status = Ended::of(&mut aircraft.command("status"));
        (status.code == Some(3) && status.stdout.contains("nothing can be stored for")).then_some(())
    });
    aircraft.agent.kill();
    disk.repair();
    fleet.aircraft[0].agent.start();
    scene.goes_on(&mut fleet, 500);
    scene.nothing_is_lost(fleet, 1);
}

/// The agent is told of faults by a library; `storm` lets them come and go.
fn survives(seed: u64, storm: impl FnOnce(&Scene, &mut Fleet, &FaultyDisk)) {
    let scene = Scene::new();
    let plane = scene.folder.path().join("plane");
    let mut aircraft = scene.aircraft(&plane);
    let disk = FaultyDisk::under(&mut aircraft);
    let mut fleet = Fleet::start([aircraft], seed);
    scene.goes_on(&mut fleet, 300);
    storm(&scene, &mut fleet, &disk);
    disk.set(Faults::default());
    scene.goes_on(&mut fleet, 300);
    let log = fleet.aircraft[0].agent.said();
    let lines = log.lines().filter(|line| line.contains("ERROR")).count();
    println!("{lines} lines of errors");
    assert!(lines < 200, "the log is flooded:\n{}", log.lines().take(50).collect::<Vec<_>>().join("\n"));
    scene.nothing_is_lost_untold(fleet);
}

#[test]
fn while_every_write_fails_events_are_counted_and_told_when_it_works_again() {
    for (seed, error) in [(5, EIO), (6, ENOSPC), (7, EROFS)] {
        survives(seed, |_, fleet, disk| {
            disk.set(Faults { writes: 1000, syncs: 1000, error, ..Faults::default() });
            let aircraft = &mut fleet.aircraft[0];
            eventually("the agent to say so", LIMIT, || {
                aircraft.agent.said().contains("nothing can be written").then_some(())
            });
            let slowest = shout_nothing_new(aircraft);
            assert!(slowest < NOT_KEPT_WAITING, "senders are not kept waiting: {slowest:?}");
            aircraft.agent.assert_runs();
            disk.set(Faults::default());
            eventually("writing to work again", LIMIT, || {
                aircraft.agent.said().contains("writing works again").then_some(())
            });
            let outages = eventually("the outage to be counted", LIMIT, || {
                Some(aircraft.counter("storage_outages")).filter(|count| *count > 0)
            });
            println!("{outages} outages with error {error}");
        });
    }
}

/// Datagrams that are no events: they take the same way and change no window.
fn shout_nothing_new(aircraft: &Aircraft) -> Duration {
    let socket = UnixDatagram::unbound().expect("a socket");
    let repeated = br#"{"edr_point":"DNS","description":"x","state":"FAIL","producer":"captive","seq":1}"#;
    let mut slowest = Duration::ZERO;
    for _ in 0..3000 {
        let began = Instant::now();
        socket.send_to(repeated, aircraft.event_socket()).expect("the agent takes it");
        slowest = slowest.max(began.elapsed());
        thread::sleep(Duration::from_millis(1));
    }
    slowest
}

#[test]
fn whatever_writes_and_syncs_fail_in_between_every_event_is_counted_once() {
    survives(8, |scene, fleet, disk| {
        let mut random = ChaCha8Rng::seed_from_u64(8);
        for round in 0..12 {
            let faults = Faults {
                writes: random.random_range(0..60),
                syncs: random.random_range(0..60),
                error: [EIO, ENOSPC][round % 2],
                ..Faults::default()
            };
            disk.set(faults);
            thread::sleep(Duration::from_millis(random.random_range(200..1500)));
            if round % 4 == 3 {
                fleet.aircraft[0].agent.kill();
                disk.set(Faults::default());
                fleet.aircraft[0].agent.start();
                scene.goes_on(fleet, 10);
            }
        }
    });
}

#[test]
fn reads_that_fail_for_a_while_lose_nothing_that_is_not_told() {
    survives(9, |scene, fleet, disk| {
        for _ in 0..6 {
            disk.set(Faults { reads: 300, error: EIO, ..Faults::default() });
            thread::sleep(Duration::from_millis(700));
            disk.set(Faults::default());
            scene.goes_on(fleet, 150);
        }
    });
}
