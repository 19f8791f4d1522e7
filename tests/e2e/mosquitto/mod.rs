//! A real mosquitto between agents and ground, with the configuration that `broker-config` writes: who gets in and who
//! may do what, several ingest processes that share the load, and a broker that forgets.

mod access;
mod faults;
mod sharing;

use std::path::Path;
use std::thread;
use std::time::Duration;

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::fleet::Fleet;
use cabinwatch_tests::ground::Ground;
use cabinwatch_tests::mosquitto::FleetBroker;
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
fn fleet(path: &Path, broker: &FleetBroker, tails: &[&str], seed: u64) -> Fleet {
    Fleet::start(tails.iter().map(|tail| aircraft(path, broker, tail)), seed)
}

/// Waits until a log holds a text.
fn says(what: &str, log: impl Fn() -> String, text: &str) {
    eventually(&format!("{what} to say {text:?}"), LIMIT, || log().contains(text).then_some(()));
}

/// Lets traffic flow for a while.
fn flow(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}
