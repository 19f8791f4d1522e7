//! The ground on Cassandra and mosquitto, while one part after the other fails. Whatever happens, every event that a
//! producer sent is in the tables exactly once in the end.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::broker::{Broker, Kind};
use cabinwatch_tests::cassandra::Cassandra;
use cabinwatch_tests::cql;
use cabinwatch_tests::fleet::Fleet;
use cabinwatch_tests::ground::{Ground, Stored};
use cabinwatch_tests::mqtt;
use cabinwatch_tests::program::{Ended, ground};
use cabinwatch_tests::wait::eventually;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

const KEYSPACE: &str = "cabinwatch";
const TAILS: [&str; 2] = ["TC-FLA", "TC-FLB"];
/// Far above what it takes; only a hang reaches it.
const LIMIT: Duration = Duration::from_secs(300);

/// Two aircraft that send without a pause, a broker, Cassandra, and ingest processes that share the load.
struct Scene {
    folder: TempDir,
    broker: Broker,
    cassandra: Cassandra,
    members: Vec<Ground>,
    fleet: Option<Fleet>,
}

impl Scene {
    fn with(processes: usize, seed: u64) -> Self {
        println!("seed {seed}");
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| -> PathBuf {
            let path = folder.path().join(name);
            fs::create_dir_all(&path).expect("a folder");
            path
        };
        let cassandra = Cassandra::start(&path("cassandra"));
        let broker = Broker::start(Kind::Mosquitto, &path("broker"));
        let tables = format!("[tables]\nurl = \"{}\"\n", cassandra.url(KEYSPACE));
        let mut members: Vec<_> = (0..processes)
            .map(|number| {
                let share = if processes > 1 { "share = \"ground\"\n" } else { "" };
                let more = format!("{share}client_id = \"ingest-{number}\"\n");
                Ground::with_tables(&path(&format!("ground-{number}")), &broker.url(), &tables, &more)
            })
            .collect();
        Ended::well(ground(["tables", "init", "--config"]).arg(members[0].config()));
        members.iter_mut().for_each(|member| member.ingest.start());
        let aircraft = TAILS.map(|tail| {
            let plane = path(tail);
            Aircraft::new(&plane, tail, &broker.url(), &Aircraft::sources(&plane, ""))
        });
        let fleet = Some(Fleet::start(aircraft, seed));
        let scene = Self { folder, broker, cassandra, members, fleet };
        eventually("the first rows to arrive", LIMIT, || {
            scene.stored().is_some_and(|stored| !stored.failures.is_empty()).then_some(())
        });
        scene
    }

    /// What is stored; none while Cassandra is away.
    fn stored(&self) -> Option<Stored> {
        cql::stored(self.cassandra.port(), KEYSPACE).ok()
    }

    /// Ends the traffic, waits until all of it is stored, ends the programs, and compares.
    fn check(mut self) -> Stored {
        let fleet = self.fleet.take().expect("a scene is checked once");
        let sent = fleet.finish(|| self.stored());
        self.members.iter_mut().for_each(|member| member.ingest.stop());
        let stored = cql::stored(self.cassandra.port(), KEYSPACE).expect("the tables can be read");
        sent.check(&stored);
        assert_eq!(stored.streams, TAILS.len() as i64, "an agent lost its database");
        stored
    }
}

#[test]
fn cassandra_is_killed_for_a_minute_under_load() {
    let mut scene = Scene::with(1, 41);
    scene.cassandra.process.kill();
    thread::sleep(Duration::from_secs(60));
    let log = scene.members[0].ingest.said();
    assert!(log.contains("cannot store; nothing is acknowledged until it works"), "{log}");
    scene.cassandra.process.start();
    thread::sleep(Duration::from_secs(3));
    assert_eq!(scene.check().set_aside, 0);
}

#[test]
fn cassandra_is_killed_again_and_again() {
    let mut scene = Scene::with(1, 42);
    let mut random = ChaCha8Rng::seed_from_u64(42);
    for _ in 0..4 {
        thread::sleep(Duration::from_millis(random.random_range(500..3000)));
        scene.cassandra.process.kill();
        scene.cassandra.process.start();
    }
    assert_eq!(scene.check().set_aside, 0);
}

#[test]
fn cassandra_is_slow() {
    let scene = Scene::with(1, 43);
    let start = Instant::now();
    // It answers for a tenth of the time.
    while start.elapsed() < Duration::from_secs(30) {
        scene.cassandra.process.freeze();
        thread::sleep(Duration::from_millis(900));
        scene.cassandra.process.thaw();
        thread::sleep(Duration::from_millis(100));
    }
    let peak = scene.members[0].ingest.peak_memory();
    println!("ingest has taken {peak} KiB at most");
    assert!(
        peak < 256 << 10,
        "what waits for a slow database is to wait at the broker, not in memory: {peak} KiB"
    );
    assert_eq!(scene.check().set_aside, 0);
}

#[test]
fn two_ingest_processes_are_killed_fifty_times() {
    let mut scene = Scene::with(2, 44);
    let mut random = ChaCha8Rng::seed_from_u64(44);
    for number in 1..=50 {
        thread::sleep(Duration::from_millis(random.random_range(50..600)));
        let victim = random.random_range(0..scene.members.len());
        println!("kill {number} of 50: ingest {victim}");
        scene.members[victim].ingest.kill();
        thread::sleep(Duration::from_millis(random.random_range(0..200)));
        scene.members[victim].ingest.start();
    }
    assert_eq!(scene.check().set_aside, 0);
}

#[test]
fn the_broker_is_killed_and_its_memory_deleted() {
    let mut scene = Scene::with(2, 46);
    let memory = scene.folder.path().join("broker/mosquitto.db");
    for _ in 0..4 {
        thread::sleep(Duration::from_secs(1));
        scene.broker.process.ask_to_save();
        eventually("the broker to save", LIMIT, || memory.exists().then_some(()));
        scene.broker.process.kill();
        fs::remove_file(&memory).expect("it can be deleted");
        scene.broker.process.start();
    }
    assert_eq!(scene.check().set_aside, 0);
}

#[test]
fn a_poison_frame_is_set_aside_with_its_reason_and_the_rest_flows() {
    let scene = Scene::with(1, 45);
    let topic = format!("cabinwatch/v1/{}/up/frames", TAILS[0]);
    mqtt::publish(scene.broker.port(), &topic, &[1, 0, 0xff, 0xff, 0xff], false);
    eventually("it to be set aside", LIMIT, || (scene.stored()?.set_aside == 1).then_some(()));
    let config = scene.members[0].config();
    let shown =
        Ended::well(ground(["tables", "--table", "set_aside", "--format", "json", "--config"]).arg(&config));
    assert!(shown.contains("undecodable"), "{shown}");
    assert_eq!(scene.check().set_aside, 1);
}
