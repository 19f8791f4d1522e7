//! Making tables, and opening only those that are there and ours.

use cabinwatch_ground::config::TablesConfig;

use crate::examples::{everything, window};
use crate::server::Server;
use crate::*;

fn steps(server: &Server, keyspace: &str, config: &TablesConfig) -> Vec<String> {
    let steps = init(&server.url(keyspace), config).expect("made");
    steps.iter().map(ToString::to_string).collect()
}

fn refused(server: &Server, keyspace: &str) -> String {
    let refused = open(&server.url(keyspace), &TablesConfig::default());
    refused.err().expect("refused").to_string()
}

#[test]
fn tables_are_made_once_and_what_differs_is_said_and_left() {
    let server = Server::shared();
    let config = TablesConfig::default();
    assert!(steps(&server, "once", &config).iter().all(|step| step.starts_with("made ")));
    assert!(steps(&server, "once", &config).iter().all(|step| step.starts_with("there ")));
    let renamed = TablesConfig {
        combined_all: "wifi".to_owned(),
        ttl_days: 30,
        replication: "datacenter1=2".to_owned(),
        ..config
    };
    let steps = steps(&server, "once", &renamed);
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
    let mut tables = server.made_with("ending", &TablesConfig { ttl_days: 2, ..TablesConfig::default() });
    tables.commit(&everything()).expect("stored");
    let cql = server.cql("ending");
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
    assert!(refused(&server, "nowhere").contains("`cabinwatch-ground tables init`"));
    drop(server.made("somewhere"));
    let renamed = TablesConfig { iforest_all: "elsewhere".to_owned(), ..TablesConfig::default() };
    let error = open(&server.url("somewhere"), &renamed).err().expect("refused").to_string();
    assert!(error.contains("`cabinwatch-ground tables init`"), "{error}");
}

#[test]
fn tables_of_another_release_or_program_are_refused() {
    let server = Server::shared();
    drop(server.made("newer"));
    server.cql("newer").run("UPDATE schema_info SET version = 99 WHERE name = 'tables'");
    let error = refused(&server, "newer");
    assert!(error.contains("have schema 99"), "{error}");
    let error = init(&server.url("newer"), &TablesConfig::default()).expect_err("refused").to_string();
    assert!(error.contains("have schema 99"), "{error}");
    drop(server.made("foreign"));
    let cql = server.cql("foreign");
    cql.run("DROP TABLE losses");
    cql.run("CREATE TABLE losses (id int PRIMARY KEY, money double)");
    let error = init(&server.url("foreign"), &TablesConfig::default()).expect_err("refused").to_string();
    assert!(error.contains("table losses") && error.contains("no column"), "{error}");
}

#[test]
fn the_six_tables_are_called_as_configured() {
    let server = Server::shared();
    let config = TablesConfig { combined_repeated: "Teyitli_2".to_owned(), ..TablesConfig::default() };
    let mut tables = server.made_with("names", &config);
    tables.replace(&[window("TC-JJA", 0)]).expect("stored");
    assert_eq!(tables.rows(Table::CombinedRepeated, &Query::default()).expect("read").len(), 1);
    assert_eq!(server.cql("names").count("\"Teyitli_2\""), 1);
}
