//! Who gets in, who may do what, and what those who may not are told.

use cabinwatch_tests::authority::Authority;
use cabinwatch_tests::ground::Ground;
use cabinwatch_tests::mosquitto::{FleetBroker, Identity};
use cabinwatch_tests::mqtt::{Client, NOT_AUTHORIZED};
use cabinwatch_tests::wait::eventually;

use super::{LIMIT, aircraft, aircraft_as, fleet, flow, ground, says};

fn every_event_gets_through(identity: Identity, seed: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let tails = ["TC-AAA", "TC-BBB"];
    let broker = FleetBroker::start(path, identity, &tails);
    let mut ground = ground(path, &broker);
    ground.ingest.start();
    let fleet = fleet(path, &broker, &tails, seed);
    flow(3000);
    let sent = fleet.finish(|| ground.stored().ok());
    ground.ingest.stop();
    let stored = ground.stored().expect("the tables can be read");
    sent.check(&stored);
    assert_eq!((stored.set_aside, stored.streams), (0, 2));
}

#[test]
fn every_event_gets_through_by_certificates() {
    every_event_gets_through(Identity::Certificates, 1);
}

#[test]
fn every_event_gets_through_by_passwords() {
    every_event_gets_through(Identity::Passwords, 2);
}

#[test]
fn certificates_by_our_script_let_everyone_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let mut broker = FleetBroker::start(path, Identity::Certificates, &["TC-AAA"]);
    broker.process.stop();
    broker.issue_by_script();
    broker.process.start();
    let mut ground = ground(path, &broker);
    ground.ingest.start();
    let mut plane = aircraft(path, &broker, "TC-AAA");
    plane.agent.start();
    eventually("ingest to know the aircraft", LIMIT, || {
        (ground.number("SELECT count(*) FROM aircraft").ok()? == 1).then_some(())
    });
    says("the agent", || plane.agent.said(), "the agent runs");
    plane.agent.stop();
    ground.ingest.stop();
}

#[test]
fn an_aircraft_writes_only_below_its_own_tail() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let broker = FleetBroker::start(path, Identity::Certificates, &["TC-AAA", "TC-BBB"]);
    let mut ground = ground(path, &broker);
    ground.ingest.start();
    says("ingest", || ground.ingest.said(), "connected to the broker");

    // mosquitto says why, and ends the connection.
    let publish = |topic: &str, payload: &[u8]| {
        Client::connect(&broker.access_by_hand("TC-AAA", "cabinwatch-TC-AAA")).publish(topic, payload, false)
    };
    for topic in [
        "cabinwatch/v1/TC-BBB/up/frames",
        "cabinwatch/v1/TC-BBB/up/status",
        "cabinwatch/v1/TC-AAA/down/ack",
        "cabinwatch/v1/models/fleet",
        "elsewhere",
    ] {
        assert_eq!(publish(topic, b"not mine"), NOT_AUTHORIZED, "{topic}");
    }
    // The messages before were refused, so this one is the only one that can arrive.
    eventually("ingest to take a message of TC-AAA", LIMIT, || {
        assert!(publish("cabinwatch/v1/TC-AAA/up/frames", b"mine") < 0x80);
        (ground.number("SELECT count(*) FROM set_aside").ok()? > 0).then_some(())
    });
    ground.ingest.stop();
    assert_eq!(ground.number("SELECT count(DISTINCT tail) FROM set_aside"), Ok(1));
    assert_eq!(ground.number("SELECT count(*) FROM aircraft WHERE tail <> 'TC-AAA'"), Ok(0));
}

#[test]
fn only_publish_writes_models_and_only_ingest_acknowledges() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = FleetBroker::start(folder.path(), Identity::Passwords, &["TC-AAA"]);
    let publish = |name: &str, topic: &str| {
        Client::connect(&broker.access_by_hand(name, name)).publish(topic, b"", true)
    };
    let (model, ack) = ("cabinwatch/v1/models/fleet", "cabinwatch/v1/TC-AAA/down/ack");
    assert!(publish("publish", model) < 0x80);
    assert!(publish("ingest", ack) < 0x80);
    assert_eq!(publish("publish", ack), NOT_AUTHORIZED);
    assert_eq!(publish("ingest", model), NOT_AUTHORIZED);
    assert_eq!(publish("ingest", "cabinwatch/v1/TC-AAA/up/frames"), NOT_AUTHORIZED);
}

#[test]
fn an_aircraft_cannot_take_over_anothers_session() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = FleetBroker::start(folder.path(), Identity::Certificates, &["TC-AAA", "TC-BBB"]);
    let mut aaa = Client::connect(&broker.access_by_hand("TC-AAA", "TC-AAA"));
    let mut bbb = Client::connect(&broker.access_by_hand("TC-BBB", "TC-AAA"));
    says("the broker", || broker.process.said(), "as TC-BBB ");
    assert!(bbb.publish("cabinwatch/v1/TC-BBB/up/status", b"", false) < 0x80);
    assert!(aaa.publish("cabinwatch/v1/TC-AAA/up/status", b"", false) < 0x80, "it was thrown out");
}

#[test]
fn an_agent_with_anothers_certificate_gets_nothing_through_and_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let broker = FleetBroker::start(path, Identity::Certificates, &["TC-AAA", "TC-BBB"]);
    let mut ground = ground(path, &broker);
    ground.ingest.start();
    let mut bbb = aircraft_as(path, &broker, "TC-BBB", "TC-AAA");
    bbb.agent.start();
    says("the agent", || bbb.agent.said(), "does not let us write below cabinwatch/v1/TC-BBB/up");
    bbb.agent.kill();
    let mut aaa = aircraft(path, &broker, "TC-AAA");
    aaa.agent.start();
    let known = |tail: &str| ground.number(&format!("SELECT count(*) FROM aircraft WHERE tail = '{tail}'"));
    eventually("ingest to know TC-AAA", LIMIT, || (known("TC-AAA").ok()? == 1).then_some(()));
    // Not even the last will that the broker was to send in its stead.
    assert_eq!(known("TC-BBB"), Ok(0));
    says("the agent", || aaa.agent.said(), "the agent runs");
    aaa.agent.stop();
    ground.ingest.stop();
}

#[test]
fn an_agent_with_an_expired_certificate_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = FleetBroker::start(folder.path(), Identity::Certificates, &["TC-AAA"]);
    broker.let_expire("TC-AAA");
    let mut aaa = aircraft(folder.path(), &broker, "TC-AAA");
    aaa.agent.start();
    says("the agent", || aaa.agent.said(), "TC-AAA.pem (`link.client_certificate`): it has expired");
    says("the agent", || aaa.agent.said(), "the agent runs");
    aaa.agent.stop();
}

#[test]
fn ingest_says_what_is_wrong_with_the_certificates() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let broker = FleetBroker::start(path, Identity::Certificates, &["TC-AAA"]);
    let ca = format!("ca_file = \"{}\"\n", broker.ca_file().display());
    let mut nameless = Ground::with_access(&path.join("nameless"), &broker.ground_url(), &ca);
    nameless.ingest.start();
    says("ingest", || nameless.ingest.said(), "set `broker.client_certificate` and `broker.client_key`");
    nameless.ingest.stop();

    let strange = Authority::new("Somebody else").certificate_file(path);
    let ca = format!("ca_file = \"{}\"\n", strange.display());
    let mut deceived = Ground::with_access(&path.join("deceived"), &broker.ground_url(), &ca);
    deceived.ingest.start();
    says("ingest", || deceived.ingest.said(), "was signed by no authority in");
    deceived.ingest.stop();
}

#[test]
fn the_certificate_of_an_aircraft_that_left_opens_the_door_and_nothing_behind_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = FleetBroker::start(folder.path(), Identity::Certificates, &["TC-AAA", "TC-BBB"]);
    let publish = || {
        let mut aaa = Client::connect(&broker.access_by_hand("TC-AAA", "TC-AAA"));
        aaa.publish("cabinwatch/v1/TC-AAA/up/frames", b"", false)
    };
    assert!(publish() < 0x80);
    broker.configure(&["TC-BBB"]);
    broker.process.hang_up();
    eventually("its rights to be gone", LIMIT, || (publish() == NOT_AUTHORIZED).then_some(()));
}

#[test]
fn a_new_aircraft_gets_in_one_that_left_does_not_and_the_others_notice_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let broker = FleetBroker::start(path, Identity::Passwords, &["TC-AAA", "TC-BBB"]);
    let mut ground = ground(path, &broker);
    ground.ingest.start();
    let mut leaves = aircraft(path, &broker, "TC-AAA");
    leaves.agent.start();
    says("the agent", || leaves.agent.said(), "connected");
    let stays = fleet(path, &broker, &["TC-BBB"], 3);
    flow(1000);

    broker.configure(&["TC-BBB", "TC-CCC"]);
    broker.process.hang_up();
    let mut comes = aircraft(path, &broker, "TC-CCC");
    comes.agent.start();
    says("the new agent", || comes.agent.said(), "connected");
    says("the new agent", || comes.agent.said(), "the agent runs");
    // mosquitto ends its connection, and does not let it in again.
    says(
        "the agent that left",
        || leaves.agent.said(),
        "the broker does not let \"TC-AAA\" with this password",
    );

    let sent = stays.finish(|| ground.stored().ok());
    comes.agent.stop();
    leaves.agent.stop();
    ground.ingest.stop();
    sent.check(&ground.stored().expect("the tables can be read"));
}
