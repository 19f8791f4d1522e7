//! A broker that dies and forgets, one that remembers, and a message nobody can read.

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::mosquitto::{FleetBroker, Identity};
use cabinwatch_tests::mqtt::Client;
use cabinwatch_tests::producer::{Event, Producer};
use cabinwatch_tests::wait::eventually;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{LIMIT, fleet, flow, ground, says};

const TAILS: [&str; 2] = ["TC-AAA", "TC-BBB"];
const KILLS: usize = 6;

#[test]
fn a_broker_that_is_killed_and_forgets_everything_costs_nothing_but_a_resend() {
    let seed = 20_261_124;
    println!("seed {seed}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let mut broker = FleetBroker::start(path, Identity::Certificates, &TAILS);
    let mut ground = ground(path, &broker).sharing();
    let mut other = ground.another(2).sharing();
    [&mut ground, &mut other].into_iter().for_each(|member| member.ingest.start());
    let fleet = fleet(path, &broker, &TAILS, seed);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for number in 1..=KILLS {
        flow(random.random_range(500..2000));
        println!("kill {number} of {KILLS}");
        broker.save();
        broker.process.kill();
        assert!(broker.forget(), "it had nothing to forget");
        broker.process.start();
    }
    let sent = fleet.finish(|| ground.stored().ok());
    ground.ingest.stop();
    other.ingest.stop();
    let stored = ground.stored().expect("the tables can be read");
    sent.check(&stored);
    assert_eq!((stored.set_aside, stored.streams), (0, 2));
}

#[test]
fn a_broker_that_stops_in_order_keeps_what_a_lone_ingest_has_not_fetched() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let mut broker = FleetBroker::start(path, Identity::Passwords, &["TC-AAA"]);
    let mut ground = ground(path, &broker);
    ground.ingest.start();
    // From here on the broker keeps a session for it.
    says("ingest", || ground.ingest.said(), "connected to the broker");
    let plane_folder = path.join("plane");
    let more = broker.access("TC-AAA") + &Aircraft::sources(&plane_folder, "[log]\nlevel = \"debug\"\n");
    let mut plane = Aircraft::new(&plane_folder, "TC-AAA", &broker.url(), &more);
    plane.agent.start();
    plane.wait_for_socket(&plane.event_socket());
    eventually("ingest to have subscribed", LIMIT, || {
        (ground.number("SELECT count(*) FROM aircraft").ok()? == 1).then_some(())
    });
    ground.ingest.kill();

    let mut producer = Producer::new("captive", path, &plane.event_socket());
    for (at, description) in [("2026-01-01T10:00:00Z", "kept"), ("2026-01-01T11:00:00Z", "closes it")] {
        let (at, point) = (at.to_owned(), "DHCP".to_owned());
        producer.send(&Event { at, point, description: description.to_owned(), state: "FAIL" });
    }
    producer.finish();
    says("the agent", || plane.agent.said(), "frames sent");
    // Neither the aircraft nor the broker's process is there any more: it is in the broker's file, or nowhere.
    plane.agent.stop();
    // It has read to the connection's end.
    let ended =
        |line: &str| line.contains("TC-AAA") && (line.contains("disconnect") || line.contains("closed"));
    eventually("the broker to have seen the aircraft leave", LIMIT, || {
        broker.process.said().lines().any(ended).then_some(())
    });
    broker.process.stop();
    broker.process.start();
    ground.ingest.start();
    eventually("the window", LIMIT, || {
        let failures = ground.failures().ok()?;
        failures.keys().any(|(_, _, _, description)| description == "kept").then_some(())
    });
    ground.ingest.stop();
}

#[test]
fn what_nobody_can_read_is_set_aside_with_its_reason_and_the_rest_flows() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let broker = FleetBroker::start(path, Identity::Certificates, &TAILS);
    let mut ground = ground(path, &broker);
    ground.ingest.start();
    let fleet = fleet(path, &broker, &["TC-AAA"], 30);
    says("ingest", || ground.ingest.said(), "connected to the broker");
    let mut poisoner = Client::connect(&broker.access_by_hand("TC-BBB", "TC-BBB"));
    let payloads = [&b""[..], b"\xff\xffpoison", b"\x01\x01\x10\xde\xad", &[0; 4096]];
    for payload in payloads {
        flow(300);
        assert!(poisoner.publish("cabinwatch/v1/TC-BBB/up/frames", payload, false) < 0x80);
    }
    let sent = fleet.finish(|| ground.stored().ok());
    eventually("the poison to be set aside", LIMIT, || {
        (ground.stored().ok()?.set_aside == payloads.len() as i64).then_some(())
    });
    ground.ingest.stop();
    sent.check(&ground.stored().expect("the tables can be read"));
    let unexplained = "SELECT count(*) FROM set_aside WHERE tail <> 'TC-BBB' OR reason = '' OR message = ''";
    assert_eq!(ground.number(unexplained), Ok(0));
}
