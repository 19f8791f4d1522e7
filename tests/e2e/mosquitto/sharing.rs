//! Several ingest processes on one database share the fleet's frames.

use std::path::Path;

use cabinwatch_tests::fleet::Fleet;
use cabinwatch_tests::ground::Ground;
use cabinwatch_tests::mosquitto::{FleetBroker, Identity};
use cabinwatch_tests::wait::eventually;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{LIMIT, fleet, flow, ground, says};

const TAILS: [&str; 3] = ["TC-AAA", "TC-BBB", "TC-CCC"];
const KILLS: usize = 10;

/// A group of ingest processes. Whichever of them is asked, the tables are the same.
fn group(path: &Path, broker: &FleetBroker, count: usize) -> Vec<Ground> {
    let first = ground(path, broker).sharing();
    let mut members: Vec<_> = (2..=count).map(|number| first.another(number).sharing()).collect();
    members.push(first);
    for member in &mut members {
        member.ingest.start();
        says("ingest", || member.ingest.said(), "connected to the broker");
    }
    members
}

/// The number of frames a process that has stopped says it took.
fn frames(member: &Ground) -> u64 {
    let log = member.ingest.said();
    let (_, rest) = log.rsplit_once("\"frames\":").unwrap_or_else(|| panic!("no numbers in\n{log}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

fn check(ground: &Ground, fleet: Fleet) {
    let sent = fleet.finish(|| ground.stored().ok());
    let stored = ground.stored().expect("the tables can be read");
    sent.check(&stored);
    assert_eq!((stored.set_aside, stored.streams), (0, TAILS.len() as i64));
}

#[test]
fn two_processes_share_the_frames_and_each_event_is_counted_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let broker = FleetBroker::start(path, Identity::Certificates, &TAILS);
    let mut members = group(path, &broker, 2);
    let fleet = fleet(path, &broker, &TAILS, 10);
    flow(4000);
    check(&members[0], fleet);
    // No member alone sees all status messages of a shared subscription, nor any retained one.
    let known = "SELECT count(*) FROM aircraft WHERE release IS NOT NULL AND online = 0";
    eventually("the ground to know that all have left", LIMIT, || {
        (members[0].number(known).ok()? == TAILS.len() as i64).then_some(())
    });
    members.iter_mut().for_each(|member| member.ingest.stop());
    for member in &members {
        assert!(frames(member) > 0, "it got no share:\n{}", member.ingest.said());
    }
}

#[test]
fn three_processes_that_are_killed_and_leave_at_random_count_each_event_once() {
    let seed = 20_261_123;
    println!("seed {seed}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let broker = FleetBroker::start(path, Identity::Passwords, &TAILS);
    let mut members = group(path, &broker, 3);
    let fleet = fleet(path, &broker, &TAILS, seed);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for number in 1..=KILLS {
        flow(random.random_range(200..1200));
        let victim = random.random_range(0..members.len());
        let orderly = random.random_range(0..3) == 0;
        println!("{number} of {KILLS}: {} {victim}", if orderly { "stop" } else { "kill" });
        let member = &mut members[victim];
        if orderly {
            member.ingest.stop();
        } else {
            member.ingest.kill();
        }
        flow(random.random_range(0..400));
        member.ingest.start();
    }
    check(&members[0], fleet);
    members.iter_mut().for_each(|member| member.ingest.stop());
}

#[test]
fn a_process_that_starts_later_learns_what_aircraft_said_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let broker = FleetBroker::start(path, Identity::Passwords, &["TC-AAA"]);
    let mut plane = super::aircraft(path, &broker, "TC-AAA");
    plane.agent.start();
    says("the agent", || plane.agent.said(), "connected");
    let mut late = ground(path, &broker).sharing();
    late.ingest.start();
    eventually("the ground to know the aircraft", LIMIT, || {
        (late.number("SELECT count(*) FROM aircraft WHERE online = 1").ok()? == 1).then_some(())
    });
    says("the agent", || plane.agent.said(), "the agent runs");
    plane.agent.stop();
    late.ingest.stop();
}
