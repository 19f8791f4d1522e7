//! The suite that every implementation of the tables passes, each check in a keyspace of its own.

use std::time::Instant;

use cabinwatch_ground::config::TablesConfig;
use cabinwatch_ground::tables::*;
use cabinwatch_tests::cassandra::Cassandra;

#[path = "../../src/tables/conformance.rs"]
mod conformance;
#[path = "../../src/tables/examples.rs"]
mod examples;

/// New tables in a keyspace of their own.
fn made(cassandra: &Cassandra, keyspace: &str) -> Box<dyn Tables> {
    let (url, config) = (cassandra.url(keyspace), TablesConfig::default());
    let steps = init(&url, &config).expect("made");
    assert!(steps.iter().all(|step| matches!(step, InitStep::Made(_))), "{steps:?}");
    open(&url, &config).expect("opened")
}

#[test]
fn cassandra_does_what_every_implementation_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let cassandra = Cassandra::start(folder.path());
    for (number, (name, check)) in conformance::CHECKS.iter().enumerate() {
        let started = Instant::now();
        let mut tables = made(&cassandra, &format!("check_{number}"));
        let ready = started.elapsed();
        check(tables.as_mut());
        println!("{name} ({:?}, made in {ready:?})", started.elapsed());
    }
}
