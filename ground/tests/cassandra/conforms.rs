//! What every implementation of the tables does, each check in a keyspace of its own.

use crate::conformance::CHECKS;
use crate::examples::{everything, row, window};
use crate::server::Server;
use crate::*;

use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::verdict::Alarms;

#[test]
fn cassandra_does_what_every_implementation_does() {
    let server = Server::shared();
    for (name, check) in CHECKS {
        check(server.keyspace("check").made().as_mut());
        println!("{name}");
    }
}

/// The server says so in its log where a batch is larger than is good for it, and refuses one ten times as large.
#[test]
fn no_batch_is_larger_than_cassandra_likes() {
    let server = Server::shared();
    let keyspace = server.keyspace("batches");
    let mut tables = keyspace.made();
    let alarms = Alarms { z: true, forest: true };
    let rows = (0..2_000).map(|number| {
        let description = format!("fault {number} {}", "of a long name ".repeat(number % 40));
        row("DHCP", &description, Counts { fail: 1, success: 1 }, alarms)
    });
    let large = ScoredWindow { rows: rows.collect(), ..window("TC-JJA", 600) };
    let batch = Batch { windows: vec![large, window("TC-JJA", 300)], ..everything() };
    let outcome = tables.commit(&batch).expect("stored");
    assert_eq!((outcome.windows, outcome.rows), (2, 2_002));
    assert_eq!(tables.rows(Table::IforestRepeated, &Query::default()).expect("read").len(), 2_001);
    assert_eq!(keyspace.cql().count("anomalies_by_key"), 2_001);
    assert!(!server.log().contains("exceeding specified threshold"), "{}", server.log());
}

/// EDR files may hold texts of any length. The server would refuse such a row when others of its batch are written.
#[test]
fn a_key_longer_than_cassandra_takes_is_refused_before_anything_is_written() {
    let server = Server::shared();
    let keyspace = server.keyspace("long_key");
    let mut tables = keyspace.made();
    let long = row("DHCP", &"no address ".repeat(6_000), Counts { fail: 1, success: 1 }, Alarms::default());
    let impossible = ScoredWindow { rows: vec![long], ..window("TC-JJA", 600) };
    let error = tables.replace(&[window("TC-JJA", 300), impossible]).expect_err("refused");
    assert!(matches!(error, TablesError::Value { what: "a fault key", .. }), "{error}");
    assert_eq!(tables.scored_rows(&Query::default()).expect("read"), []);
}

/// The broker's client calls the tables from within a runtime of its own.
#[test]
fn tables_can_be_used_and_dropped_within_another_runtime() {
    let server = Server::shared();
    let keyspace = server.keyspace("within");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut tables = keyspace.made();
        tables.commit(&everything()).expect("stored");
        assert_eq!(tables.streams().expect("read").len(), 1);
        drop(tables);
    });
}
