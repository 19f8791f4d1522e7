//! Making tables, and opening only those that are there and ours.

use cabinwatch_ground::config::TablesConfig;
use cabinwatch_shared::wire::FrameSeq;

use crate::examples::{everything, window};
use crate::server::{Keyspace, Server};
use crate::*;

fn steps(keyspace: &Keyspace<'_>, config: &TablesConfig) -> Vec<String> {
    let steps = init(&keyspace.url(), config).expect("made");
    steps.iter().map(ToString::to_string).collect()
}

fn refused(keyspace: &Keyspace<'_>) -> String {
    let refused = open(&keyspace.url(), &TablesConfig::default());
    refused.err().expect("refused").to_string()
}

#[test]
fn tables_are_made_once_and_what_differs_is_said_and_left() {
    let server = Server::shared();
    let keyspace = server.keyspace("once");
    let config = TablesConfig::default();
    assert!(steps(&keyspace, &config).iter().all(|step| step.starts_with("made ")));
    assert!(steps(&keyspace, &config).iter().all(|step| step.starts_with("there ")));
    let renamed = TablesConfig {
        combined_all: "wifi".to_owned(),
        ttl_days: 30,
        replication: "datacenter1=2".to_owned(),
        ..config
    };
    let steps = steps(&keyspace, &renamed);
    let said =
        |start: &str, end: &str| steps.iter().any(|step| step.starts_with(start) && step.contains(end));
    assert!(said("made     table wifi", ""), "{steps:?}");
    assert!(
        said(
            "differs  table windows",
            "ALTER TABLE \"once\".\"windows\" WITH default_time_to_live = 2592000"
        ),
        "{steps:?}"
    );
    assert!(said("differs  keyspace once", "'datacenter1': 2"), "{steps:?}");
    assert!(said("there    table streams", ""), "{steps:?}");
}

#[test]
fn rows_go_by_themselves_after_the_configured_days_and_what_the_ground_works_with_stays() {
    let server = Server::shared();
    let keyspace = server.keyspace("ending");
    let mut tables = keyspace.made_with(&TablesConfig { ttl_days: 2, ..TablesConfig::default() });
    tables.commit(&everything()).expect("stored");
    let cql = keyspace.cql();
    let left = |query: &str| cql.rows::<(Option<i32>,)>(&format!("SELECT ttl({query}"))[0].0;
    for history in
        ["fail) FROM windows", "fail) FROM combined_all", "lost) FROM losses", "version) FROM window_index"]
    {
        assert!(left(history).is_some_and(|seconds| (172_000..=172_800).contains(&seconds)), "{history}");
    }
    for state in ["last_seq) FROM streams", "last_contact) FROM aircraft"] {
        assert_eq!(left(state), None, "{state}");
    }
}

#[test]
fn tables_that_were_not_made_are_not_made_on_the_way() {
    let server = Server::shared();
    assert!(refused(&server.keyspace("nowhere")).contains("`cabinwatch-ground tables init`"));
    let keyspace = server.keyspace("somewhere");
    drop(keyspace.made());
    let renamed = TablesConfig { iforest_all: "elsewhere".to_owned(), ..TablesConfig::default() };
    let error = open(&keyspace.url(), &renamed).err().expect("refused").to_string();
    assert!(error.contains("`cabinwatch-ground tables init`"), "{error}");
}

#[test]
fn tables_of_another_release_or_program_are_refused() {
    let server = Server::shared();
    let keyspace = server.keyspace("newer");
    drop(keyspace.made());
    keyspace.cql().run("UPDATE schema_info SET version = 99 WHERE name = 'tables'");
    let error = refused(&keyspace);
    assert!(error.contains("have schema 99"), "{error}");
    let error = init(&keyspace.url(), &TablesConfig::default()).expect_err("refused").to_string();
    assert!(error.contains("have schema 99"), "{error}");
    let keyspace = server.keyspace("foreign");
    drop(keyspace.made());
    let cql = keyspace.cql();
    cql.run("DROP TABLE losses");
    cql.run("CREATE TABLE losses (id int PRIMARY KEY, money double)");
    let error = init(&keyspace.url(), &TablesConfig::default()).expect_err("refused").to_string();
    assert!(error.contains("table losses") && error.contains("no column"), "{error}");
}

#[test]
fn tables_of_the_release_before_are_brought_to_this_one_by_init_and_keep_what_they_hold() {
    let server = Server::shared();
    let keyspace = server.keyspace("before");
    drop(keyspace.made());
    let cql = keyspace.cql();
    // Made anew, because Cassandra believes no older writes to a column that was dropped and added again.
    cql.run("DROP TABLE streams");
    cql.run(
        "CREATE TABLE streams (oldest bigint static, settled bigint static, updated timestamp static, tail text,
         stream text, first_seq bigint, last_seq bigint, PRIMARY KEY ((tail, stream), first_seq))",
    );
    cql.run(
        "INSERT INTO streams (tail, stream, oldest, updated, first_seq, last_seq)
         VALUES ('TC-JJA', '0000000000000007', 1, 300000, 1, 4) USING TIMESTAMP 4",
    );
    let as_before = "UPDATE schema_info SET version = 3 WHERE name = 'tables'";
    cql.run(as_before);
    let error = refused(&keyspace);
    assert!(error.contains("have schema 3") && error.contains("`cabinwatch-ground tables init`"), "{error}");
    let updated = |steps: &[String]| steps.iter().filter(|step| step.starts_with("updated ")).count();
    let said = steps(&keyspace, &TablesConfig::default());
    assert_eq!(updated(&said), 1, "{said:?}");
    // An update that ends before the version is written down is finished by the next.
    cql.run(as_before);
    let said = steps(&keyspace, &TablesConfig::default());
    assert!(said.iter().all(|step| step.starts_with("there ")), "{said:?}");
    let mut tables = keyspace.opened();
    let before = tables.streams().expect("read").remove(0);
    assert_eq!((before.committed, before.newest, before.on_board()), (FrameSeq(4), FrameSeq(0), 0));
    let streams = tables.commit(&everything()).expect("stored").streams;
    assert_eq!((streams[0].committed, streams[0].newest), (FrameSeq(9), FrameSeq(14)));
}

#[test]
fn the_six_tables_are_called_as_configured() {
    let server = Server::shared();
    let keyspace = server.keyspace("names");
    let config = TablesConfig { combined_repeated: "Teyitli_2".to_owned(), ..TablesConfig::default() };
    let mut tables = keyspace.made_with(&config);
    tables.replace(&[window("TC-JJA", 0)]).expect("stored");
    assert_eq!(tables.rows(Table::CombinedRepeated, &Query::default()).expect("read").len(), 1);
    assert_eq!(keyspace.cql().count("\"Teyitli_2\""), 1);
}
