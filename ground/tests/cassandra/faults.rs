//! A server that is away, or says nothing.

use cabinwatch_ground::config::TablesConfig;
use cabinwatch_tests::cassandra::Cassandra;
use cabinwatch_tests::wait::eventually;
use std::time::Duration;

use crate::examples::everything;
use crate::*;

const LIMIT: Duration = Duration::from_secs(120);

fn quick() -> TablesConfig {
    TablesConfig { connect_timeout_seconds: 2, request_timeout_seconds: 2, ..TablesConfig::default() }
}

#[test]
fn a_server_that_comes_and_goes_is_an_error_as_long_as_it_is_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cassandra = Cassandra::start(folder.path());
    let url = cassandra.url("faults");
    init(&url, &quick()).expect("made");
    let mut tables = open(&url, &quick()).expect("opened");
    tables.commit(&everything()).expect("stored");
    cassandra.process.freeze();
    let error = tables.commit(&everything()).expect_err("nobody answers").to_string();
    let unread = tables.rows(Table::CombinedAll, &Query::default()).expect_err("nobody answers").to_string();
    assert!(unread.contains("cannot read rows"), "{unread}");
    let unopened = open(&url, &quick()).err().expect("nobody answers").to_string();
    assert!(unopened.contains("cannot open the tables in keyspace faults"), "{unopened}");
    assert!(error.contains("keyspace faults of Cassandra at 127.0.0.1"), "{error}");
    assert!(error.contains("cannot store frames"), "{error}");
    cassandra.process.thaw();
    eventually("the tables to work again after a silence", LIMIT, || tables.commit(&everything()).ok());
    cassandra.process.kill();
    tables.commit(&everything()).expect_err("nobody is there");
    let error = open(&url, &quick()).err().expect("nobody is there").to_string();
    assert!(error.contains("cannot open the tables in keyspace faults"), "{error}");
    cassandra.process.start();
    eventually("the tables to work again after a death", LIMIT, || tables.commit(&everything()).ok());
    let stored = tables.rows(Table::CombinedAll, &Query::default()).expect("read");
    assert_eq!(stored.len(), 1);
    assert_eq!(tables.streams().expect("read").len(), 1);
}
