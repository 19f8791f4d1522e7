//! `kill -9` of agent, ingest and broker at random moments, while producers send what must not be lost.
//!
//! Every failure that is sent has a description of its own within its window, so the ground's rows tell each event
//! from every other: one that was lost is a missing row, one that was counted twice is a row that says 2.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::broker::{Broker, Kind};
use cabinwatch_tests::ground::{FaultId, Ground};
use cabinwatch_tests::producer::{Event, Producer};
use cabinwatch_tests::wait::eventually;
use jiff::Timestamp;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const TAIL: &str = "TC-KIL";
const WINDOW_SECONDS: i64 = 60;
const FAILS_A_WINDOW: usize = 150;
const SUCCESSES_A_WINDOW: usize = 40;
const POINTS: [&str; 4] = ["AUTH", "DHCP", "DNS", "PORTAL"];
const KILLS: usize = 14;
/// Far above what catching up takes; only a hang reaches it.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(180);

/// What the producers sent, as the ground must show it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Oracle {
    failures: BTreeMap<FaultId, i64>,
    successes: BTreeMap<(String, String, String), i64>,
}

/// Seconds since the epoch as RFC 3339, as the tables show a window's start.
fn rfc3339(seconds: i64) -> String {
    Timestamp::from_second(seconds).expect("a time of this century").to_string()
}

/// Sends window after window through two producers until told to stop, then one event later than all of them, so
/// that every window closes.
fn produce(folder: &Path, socket: &Path, seed: u64, stop: &AtomicBool) -> Oracle {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut producers = [Producer::new("captive", folder, socket), Producer::new("probe", folder, socket)];
    let mut oracle = Oracle::default();
    // Five days ago: room for more windows than will be sent, none of them in the future.
    let mut start = (Timestamp::now().as_second() - 5 * 86_400).div_euclid(WINDOW_SECONDS) * WINDOW_SECONDS;
    while !stop.load(Ordering::Relaxed) {
        for event in window_events(start, &mut random) {
            oracle.add(start, &event);
            producers[random.random_range(0..2)].send(&event);
        }
        producers.iter_mut().for_each(Producer::finish);
        start += WINDOW_SECONDS;
    }
    let last = Event {
        at: rfc3339(start + 600),
        point: "END".to_owned(),
        description: String::new(),
        state: "SUCCESS",
    };
    producers[0].send(&last);
    producers[0].finish();
    let total = |count: fn(&Producer) -> u64| producers.iter().map(count).sum::<u64>();
    println!("{} events, {} datagrams sent again", total(Producer::sent), total(Producer::resent));
    oracle
}

fn window_events(start: i64, random: &mut impl Rng) -> Vec<Event> {
    let mut events = Vec::new();
    for number in 0..FAILS_A_WINDOW + SUCCESSES_A_WINDOW {
        let fails = number < FAILS_A_WINDOW;
        events.push(Event {
            at: rfc3339(start + random.random_range(0..WINDOW_SECONDS)),
            point: POINTS[number % POINTS.len()].to_owned(),
            description: if fails { format!("event {number}") } else { String::new() },
            state: if fails { "FAIL" } else { "SUCCESS" },
        });
    }
    events
}

impl Oracle {
    fn add(&mut self, start: i64, event: &Event) {
        let (tail, start, point) = (TAIL.to_owned(), rfc3339(start), event.point.clone());
        if event.state == "FAIL" {
            *self.failures.entry((tail, start, point, event.description.clone())).or_default() += 1;
        } else {
            *self.successes.entry((tail, start, point)).or_default() += 1;
        }
    }
}

/// Kills a random one of the three, waits a random while, starts it again; `KILLS` times.
fn kill_at_random(aircraft: &mut Aircraft, ground: &mut Ground, broker: &mut Broker, random: &mut impl Rng) {
    for number in 1..=KILLS {
        thread::sleep(Duration::from_millis(random.random_range(200..1500)));
        let down = Duration::from_millis(random.random_range(0..400));
        let victim = random.random_range(0..3);
        println!("kill {number} of {KILLS}: {}", ["agent", "ingest", "broker"][victim]);
        match victim {
            0 => aircraft.kill(),
            1 => ground.kill(),
            _ => broker.kill(),
        }
        thread::sleep(down);
        match victim {
            0 => aircraft.start(),
            1 => ground.start(),
            _ => broker.restart(),
        }
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
    fs::create_dir_all(&plane).expect("a folder");
    let mut aircraft = Aircraft::new(&plane, TAIL, &broker.url(), &Aircraft::sources(&plane, ""));
    ground.start();
    aircraft.start();
    aircraft.wait_for_socket(&aircraft.event_socket());

    let stop = Arc::new(AtomicBool::new(false));
    let producing = thread::spawn({
        let (stop, folder, socket) = (Arc::clone(&stop), path.to_owned(), aircraft.event_socket());
        move || produce(&folder, &socket, seed, &stop)
    });
    kill_at_random(&mut aircraft, &mut ground, &mut broker, &mut random);
    stop.store(true, Ordering::Relaxed);
    let expected = producing.join().expect("the producers end well");

    let last = expected.failures.keys().next_back().expect("events were sent").1.clone();
    eventually("the last window to arrive, and the outbox to be empty", CATCH_UP_LIMIT, || {
        let arrived = ground.failures().ok()?.keys().any(|(_, start, ..)| *start == last);
        let waiting = aircraft.status()["outbox"]["frames"].as_i64()?;
        (arrived && waiting == 0).then_some(())
    });
    aircraft.stop();
    ground.stop();
    check(&ground, &expected);
}

fn check(ground: &Ground, expected: &Oracle) {
    let failures = ground.failures().expect("the tables can be read");
    let wrong: Vec<_> = expected
        .failures
        .iter()
        .map(|(id, count)| (id, *count, failures.get(id).copied().unwrap_or(0)))
        .filter(|(_, expected, found)| expected != found)
        .collect();
    assert!(
        wrong.is_empty(),
        "{} events counted wrong (id, sent, counted): {:?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
    assert_eq!(failures.len(), expected.failures.len(), "rows that nobody sent");
    let mut successes = ground.successes().expect("the tables can be read");
    successes.retain(|(_, _, point), _| point != "END");
    assert_eq!(successes, expected.successes);
    assert_eq!(ground.losses().expect("the tables can be read"), BTreeMap::new());
    for (what, sql) in
        [("gaps", "SELECT count(*) FROM gaps"), ("frames set aside", "SELECT count(*) FROM set_aside")]
    {
        assert_eq!(ground.number(sql), Ok(0), "there are {what}");
    }
    assert_eq!(ground.number("SELECT count(*) FROM streams"), Ok(1), "the agent lost its database");
    println!("{} rows, all as sent", failures.len());
}

#[test]
fn every_event_is_counted_once_whatever_is_killed_with_the_embedded_broker() {
    every_event_is_counted_once(Kind::Embedded, 20_261_121);
}

#[test]
fn every_event_is_counted_once_whatever_is_killed_with_mosquitto() {
    every_event_is_counted_once(Kind::Mosquitto, 20_261_122);
}
