use std::fs;

use cabinwatch_shared::wire::FrameSeq;

use super::*;
use crate::tables::{conformance, examples, open, open_to_read};

fn names() -> TablesConfig {
    TablesConfig::default()
}

fn url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

#[test]
fn it_does_what_all_tables_do() {
    for (name, check) in conformance::CHECKS {
        let dir = tempfile::tempdir().expect("a folder");
        let mut tables = open(&url(&dir.path().join("tables.db")), &names()).expect("opened");
        println!("{name}");
        check(tables.as_mut());
    }
}

#[test]
fn what_is_stored_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let url = url(&dir.path().join("tables.db"));
    open(&url, &names()).expect("opened").replace(&[examples::window("TC-JJA", 0)]).expect("stored");
    let tables = open_to_read(&url, &names()).expect("opened");
    assert_eq!(tables.scored_rows(&Query::default()).expect("read").len(), 2);
}

#[test]
fn a_batch_that_fails_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut tables = open(&url(&dir.path().join("tables.db")), &names()).expect("opened");
    let mut impossible = examples::window("TC-JJB", 0);
    impossible.points[0].1 = u64::MAX;
    let error = tables.replace(&[examples::window("TC-JJA", 0), impossible]).expect_err("refused");
    assert!(matches!(error, TablesError::Value { .. }), "{error}");
    assert_eq!(tables.scored_rows(&Query::default()).expect("read"), []);
}

#[test]
fn two_writers_take_turns() {
    let dir = tempfile::tempdir().expect("a folder");
    let url = url(&dir.path().join("tables.db"));
    let write = |tail: &'static str| {
        let url = url.clone();
        std::thread::spawn(move || {
            let mut tables = open(&url, &names()).expect("opened");
            for number in 0..20 {
                tables.replace(&[examples::window(tail, 300 * number)]).expect("stored");
            }
        })
    };
    let writers = [write("TC-JJA"), write("TC-JJB")];
    writers.into_iter().for_each(|writer| writer.join().expect("no panic"));
    let tables = open_to_read(&url, &names()).expect("opened");
    assert_eq!(tables.rows(Table::CombinedAll, &Query::default()).expect("read").len(), 40);
}

#[test]
fn several_processes_may_make_one_database_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    for round in 0..20 {
        let url = url(&dir.path().join(format!("{round}.db")));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| open(&url, &names()).expect("opened"));
            }
        });
    }
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("tables.db");
    fs::write(&path, [0x5a; 8192]).expect("written");
    let error = open(&url(&path), &names()).err().expect("refused");
    assert!(matches!(error, TablesError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
}

#[test]
fn a_damaged_page_is_an_error_that_names_the_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("tables.db");
    let windows: Vec<_> = (0..200).map(|number| examples::window("TC-JJA", 300 * number)).collect();
    open(&url(&path), &names()).expect("opened").replace(&windows).expect("stored");
    let mut bytes = fs::read(&path).expect("read");
    let last_tenth = bytes.len() / 10;
    let from = bytes.len() - 8 * last_tenth;
    bytes[from..].fill(0x5a);
    fs::write(&path, bytes).expect("written");
    let read = open(&url(&path), &names()).and_then(|tables| tables.scored_rows(&Query::default()));
    let error = read.expect_err("damaged");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
}

#[test]
fn a_database_of_another_release_or_program_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, sql, found) in
        [("newer.db", "PRAGMA user_version = 99", 99), ("other.db", "CREATE TABLE notes (text TEXT)", 0)]
    {
        let path = dir.path().join(name);
        Connection::open(&path).and_then(|connection| connection.execute_batch(sql)).expect("made");
        let error = open(&url(&path), &names()).err().expect("refused");
        assert!(matches!(error, TablesError::Schema { found: f, .. } if f == found), "{error}");
    }
}

/// What the release before made: streams without the newest frame that was told of.
fn make_one_of_the_schema_before(path: &Path) {
    let mut tables = open(&url(path), &names()).expect("opened");
    tables.commit(&examples::everything()).expect("stored");
    drop(tables);
    let sql = "ALTER TABLE streams DROP COLUMN newest; PRAGMA user_version = 4";
    Connection::open(path).and_then(|connection| connection.execute_batch(sql)).expect("as before");
}

#[test]
fn a_database_of_the_release_before_becomes_this_ones_with_all_it_holds() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("tables.db");
    make_one_of_the_schema_before(&path);
    let expected = {
        let untouched = url(&dir.path().join("untouched.db"));
        let mut tables = open(&untouched, &names()).expect("opened");
        tables.commit(&examples::everything()).expect("stored").streams
    };
    for _ in 0..2 {
        let tables = open(&url(&path), &names()).expect("opened");
        let streams = tables.streams().expect("read");
        let not_told = expected.iter().map(|state| StreamState { newest: FrameSeq(0), ..state.clone() });
        assert_eq!(streams, not_told.collect::<Vec<_>>());
        assert_eq!(tables.scored_rows(&Query::default()).expect("read").len(), 2);
    }
    let mut tables = open(&url(&path), &names()).expect("opened");
    assert_eq!(tables.commit(&examples::everything()).expect("stored").streams, expected);
}

#[test]
fn several_processes_may_find_a_database_of_the_release_before_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("tables.db");
    make_one_of_the_schema_before(&path);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| open(&url(&path), &names()).expect("opened"));
        }
    });
}

#[test]
fn reading_leaves_a_database_of_the_release_before_as_it_is_and_says_what_to_do() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("tables.db");
    make_one_of_the_schema_before(&path);
    for _ in 0..2 {
        let error = open_to_read(&url(&path), &names()).err().expect("refused").to_string();
        assert!(error.contains("schema 4") && error.contains("`ingest`"), "{error}");
    }
}

#[test]
fn reading_makes_no_database() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("tables.db");
    let error = open_to_read(&url(&path), &names()).err().expect("refused").to_string();
    assert!(error.contains(&path.display().to_string()), "{error}");
    assert!(!path.exists());
}

#[test]
fn tables_can_have_other_names() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("tables.db");
    let names = TablesConfig { combined_all: "wifi_anomalies".to_owned(), ..names() };
    open(&url(&path), &names).expect("opened").replace(&[examples::window("TC-JJA", 0)]).expect("stored");
    let count: i64 = Connection::open(&path)
        .and_then(|connection| {
            connection.query_row("SELECT count(*) FROM wifi_anomalies", [], |row| row.get(0))
        })
        .expect("counted");
    assert_eq!(count, 1);
}

#[test]
fn a_url_of_another_kind_says_what_is_supported_and_repeats_no_password() {
    for bad in [
        "",
        "tables.db",
        "cassandra://user:hunter2@host/keyspace",
        "sqlite://",
        "sqlite:///",
        "sqlite:///a.db?x=1",
        "sqlite://host/a.db",
    ] {
        let error = open(bad, &names()).err().expect(bad).to_string();
        assert!(error.contains("sqlite:///") && !error.contains("hunter2"), "{bad}: {error}");
    }
}
