//! `kill -9` of agent, ingest and broker at random moments, while producers send what must not be lost.

use std::env;
use std::thread;
use std::time::Duration;

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::broker::{Broker, Kind};
use cabinwatch_tests::fleet::Fleet;
use cabinwatch_tests::ground::Ground;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const TAIL: &str = "TC-KIL";
const KILLS: usize = 14;

/// Kills a random one of the three, waits a random while, starts it again; `KILLS` times.
fn kill_at_random(aircraft: &mut Aircraft, ground: &mut Ground, broker: &mut Broker, random: &mut impl Rng) {
    for number in 1..=KILLS {
        thread::sleep(Duration::from_millis(random.random_range(200..1500)));
        let down = Duration::from_millis(random.random_range(0..400));
        let victim = random.random_range(0..3);
        println!("kill {number} of {KILLS}: {}", ["agent", "ingest", "broker"][victim]);
        let process = match victim {
            0 => &mut aircraft.agent,
            1 => &mut ground.ingest,
            _ => &mut broker.process,
        };
        process.kill();
        thread::sleep(down);
        process.start();
    }
}

/// `KILL_SEED=N` tries other moments.
fn every_event_is_counted_once(kind: Kind, seed: u64) {
    let seed = env::var("KILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(seed);
    println!("broker {kind:?}, seed {seed}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut broker = Broker::start(kind, path);
    let mut ground = Ground::new(&path.join("ground"), &broker.url());
    let plane = path.join("plane");
    ground.ingest.start();
    let mut fleet =
        Fleet::start([Aircraft::new(&plane, TAIL, &broker.url(), &Aircraft::sources(&plane, ""))], seed);
    kill_at_random(&mut fleet.aircraft[0], &mut ground, &mut broker, &mut random);
    let sent = fleet.finish(|| ground.stored().ok());
    ground.ingest.stop();
    let stored = ground.stored().expect("the tables can be read");
    sent.check(&stored);
    assert_eq!(stored.set_aside, 0, "frames were set aside");
    assert_eq!(stored.streams, 1, "the agent lost its database");
}

#[test]
fn every_event_is_counted_once_whatever_is_killed_with_the_embedded_broker() {
    every_event_is_counted_once(Kind::Embedded, 20_261_121);
}

#[test]
fn every_event_is_counted_once_whatever_is_killed_with_mosquitto() {
    every_event_is_counted_once(Kind::Mosquitto, 20_261_122);
}
