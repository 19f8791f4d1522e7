//! A real mosquitto between agents and ground, with the configuration that `broker-config` writes: who gets in and who
//! may do what, several ingest processes that share the load, and a broker that forgets.

mod access;
mod faults;
mod sharing;

use std::path::Path;
use std::thread;
use std::time::Duration;

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::ground::Ground;
use cabinwatch_tests::mosquitto::FleetBroker;
use cabinwatch_tests::traffic::{Oracle, Traffic};
use cabinwatch_tests::wait::eventually;

/// Far above what it takes; only a hang reaches it.
const LIMIT: Duration = Duration::from_secs(180);

/// The ground, let in as `ingest`.
fn ground(path: &Path, broker: &FleetBroker) -> Ground {
    Ground::with_access(&path.join("ground"), &broker.ground_url(), &broker.access("ingest"))
}

/// An aircraft that is let in under the name `name`.
fn aircraft_as(path: &Path, broker: &FleetBroker, tail: &str, name: &str) -> Aircraft {
    let folder = path.join(tail);
    let more = broker.access(name) + &Aircraft::sources(&folder, "");
    Aircraft::new(&folder, tail, &broker.url(), &more)
}

fn aircraft(path: &Path, broker: &FleetBroker, tail: &str) -> Aircraft {
    aircraft_as(path, broker, tail, tail)
}

/// Several aircraft with traffic on each.
struct Fleet {
    aircraft: Vec<Aircraft>,
    traffic: Vec<Traffic>,
}

impl Fleet {
    fn start(path: &Path, broker: &FleetBroker, tails: &[&str], seed: u64) -> Self {
        let mut fleet = Self { aircraft: Vec::new(), traffic: Vec::new() };
        for (tail, seed) in tails.iter().zip(seed..) {
            let mut plane = aircraft(path, broker, tail);
            plane.start();
            plane.wait_for_socket(&plane.event_socket());
            fleet.traffic.push(Traffic::start(tail, &path.join(tail), &plane.event_socket(), seed));
            fleet.aircraft.push(plane);
        }
        fleet
    }

    /// Ends the traffic and waits until all of it is in the tables; what was sent.
    fn finish(self, ground: &Ground) -> Oracle {
        let mut sent = Oracle::default();
        self.traffic.into_iter().for_each(|traffic| sent.extend(traffic.finish()));
        eventually("the last windows to arrive, and the outboxes to be empty", LIMIT, || {
            let arrived = sent.has_arrived(&ground.stored().ok()?);
            (arrived && self.aircraft.iter().all(Aircraft::has_sent_all)).then_some(())
        });
        self.aircraft.into_iter().for_each(|mut aircraft| aircraft.stop());
        sent
    }
}

/// Waits until a log holds a text.
fn says(what: &str, log: impl Fn() -> String, text: &str) {
    eventually(&format!("{what} to say {text:?}"), LIMIT, || log().contains(text).then_some(()));
}

/// Lets traffic flow for a while.
fn flow(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}
