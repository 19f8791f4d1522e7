//! `kill -9` of agent, ingest and broker at random moments, while producers send what must not be lost.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::thread;
use std::time::Duration;

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::broker::{Broker, Kind};
use cabinwatch_tests::fleet::Fleet;
use cabinwatch_tests::ground::Ground;
use cabinwatch_tests::wait::eventually;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const TAIL: &str = "TC-KIL";
const KILLS: usize = 14;
const LIMIT: Duration = Duration::from_secs(120);

/// Kills a random one of the three, waits a random while, starts it again; `KILLS` times. How often it was the agent.
fn kill_at_random(
    aircraft: &mut Aircraft,
    ground: &mut Ground,
    broker: &mut Broker,
    random: &mut impl Rng,
) -> i64 {
    let mut agents = 0;
    for number in 1..=KILLS {
        thread::sleep(Duration::from_millis(random.random_range(200..1500)));
        let down = Duration::from_millis(random.random_range(0..400));
        let victim = random.random_range(0..3);
        println!("kill {number} of {KILLS}: {}", ["agent", "ingest", "broker"][victim]);
        let process = match victim {
            0 => {
                agents += 1;
                &mut aircraft.agent
            }
            1 => &mut ground.ingest,
            _ => &mut broker.process,
        };
        process.kill();
        thread::sleep(down);
        process.start();
    }
    agents
}

/// An agent that is up when it takes events: one that is killed before has not begun, and its end is none of its own.
fn aircraft(folder: &Path, broker: &str) -> Aircraft {
    let mut aircraft = Aircraft::new(folder, TAIL, broker, &Aircraft::sources(folder, ""));
    aircraft.agent = aircraft.agent.ready_when_it_says("the agent runs");
    aircraft
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
    let mut fleet = Fleet::start([aircraft(&plane, &broker.url())], seed);
    let kills = kill_at_random(&mut fleet.aircraft[0], &mut ground, &mut broker, &mut random);
    let sent = fleet.finish(|| ground.stored().ok());
    ground.ingest.stop();
    let stored = ground.stored().expect("the tables can be read");
    sent.check_after_kills(kills, &stored);
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

#[test]
fn the_ground_hears_once_of_each_agent_that_ended_without_being_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let mut broker = Broker::start(Kind::Mosquitto, path);
    let mut ground = Ground::new(&path.join("ground"), &broker.url());
    ground.ingest.start();
    let mut plane = aircraft(&path.join("plane"), &broker.url());
    let heard = |plane: &Aircraft| {
        eventually("the ground to have all that the agent has to say", LIMIT, || {
            plane.has_sent_all().then_some(())
        });
        ground.losses().expect("the tables can be read")
    };
    let nothing = BTreeMap::new();
    let ends = |count: i64| BTreeMap::from([("unclean_end".to_owned(), count)]);
    plane.agent.start();
    for _ in 0..2 {
        plane.agent.stop();
        plane.agent.start();
        assert_eq!(heard(&plane), nothing, "it was stopped");
    }
    plane.agent.kill();
    plane.agent.start();
    assert_eq!(heard(&plane), ends(1));
    plane.agent.stop();
    plane.agent.start();
    assert_eq!(heard(&plane), ends(1), "only once");
    println!("two more while nobody can be told");
    broker.process.kill();
    for _ in 0..2 {
        plane.agent.kill();
        plane.agent.start();
    }
    plane.agent.stop();
    broker.process.start();
    plane.agent.start();
    assert_eq!(heard(&plane), ends(3));
    assert_eq!(plane.counter("unclean_end"), 3);
    let sql = "SELECT count(*) FROM losses WHERE since_time > until_time OR until_time > strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '+1 minute')";
    assert_eq!(ground.number(sql).expect("the tables can be read"), 0);
    plane.agent.stop();
    ground.ingest.stop();
}
