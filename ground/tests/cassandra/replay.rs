//! What a crash leaves half done, and what comes late.

use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::verdict::Alarms;

use crate::examples::{row, window};
use crate::server::{Cql, Server};
use crate::*;

/// The second version of [`window`]: DHCP is no anomaly any more, DNS is gone, EAP is new.
fn second() -> ScoredWindow {
    let mut second = ScoredWindow { version: WindowVersion(2), ..window("TC-JJA", 0) };
    second.rows[0].verdict.alarms = Alarms::default();
    second.rows[1] =
        row("EAP", "rejected", Counts { fail: 2, success: 0 }, Alarms { z: true, forest: false });
    second
}

fn points(cql: &Cql, table: &str) -> Vec<String> {
    let mut points: Vec<_> = cql.rows::<(String,)>(&format!("SELECT edr_point FROM {table}"));
    points.sort();
    points.into_iter().map(|(point,)| point).collect()
}

fn assert_second(cql: &Cql) {
    assert_eq!(points(cql, "windows"), ["DHCP", "EAP"]);
    for one in ["combined_all", "zscore_all", "anomalies_by_key"] {
        assert_eq!(points(cql, one), ["EAP"], "{one}");
    }
    for none in ["combined_repeated", "zscore_repeated", "iforest_all", "iforest_repeated"] {
        assert_eq!(points(cql, none), [""; 0], "{none}");
    }
}

#[test]
fn a_window_that_takes_the_place_of_another_leaves_nothing_of_it() {
    let server = Server::shared();
    let keyspace = server.keyspace("second");
    let mut tables = keyspace.made();
    tables.replace(&[window("TC-JJA", 0)]).expect("stored");
    tables.replace(&[second()]).expect("stored");
    assert_second(&keyspace.cql());
}

/// A process died between the index row of a window and its rows.
#[test]
fn a_window_of_which_only_the_index_was_written_is_completed_by_the_replay() {
    let server = Server::shared();
    let keyspace = server.keyspace("index_only");
    let mut tables = keyspace.made();
    let cql = keyspace.cql();
    // What the index row of the second version is, an undisturbed process shows.
    let undisturbed = server.keyspace("undisturbed");
    undisturbed.made().replace(&[second()]).expect("stored");
    let index = undisturbed.cql().rows::<(i64, i64)>("SELECT version, digest FROM window_index");
    tables.replace(&[window("TC-JJA", 0)]).expect("stored");
    let (version, digest) = index[0];
    cql.run(&format!(
        "UPDATE window_index USING TIMESTAMP 2 SET version = {version}, digest = {digest}
         WHERE tail = 'TC-JJA' AND day = '1970-01-01' AND start_time = 0"
    ));
    let outcome = tables.replace(&[second()]).expect("stored");
    assert_eq!(outcome.replaced, 1);
    assert_second(&cql);
}

/// A process died when some of the rows of a window were replaced.
#[test]
fn a_window_that_was_half_replaced_is_completed_by_the_replay() {
    let server = Server::shared();
    let keyspace = server.keyspace("half");
    let mut tables = keyspace.made();
    let cql = keyspace.cql();
    tables.replace(&[window("TC-JJA", 0)]).expect("stored");
    tables.replace(&[second()]).expect("stored");
    // As if these had not been reached: rows of the first version that a delete had yet to take out, one of the second
    // that had yet to be written.
    for table in ["windows", "combined_all"] {
        cql.run(&format!("TRUNCATE {table}"));
    }
    cql.run("TRUNCATE anomalies_by_key");
    let hour = "hour = 0 AND shard = 2 AND tail = 'TC-JJA' AND start_time = 0";
    cql.run(&format!(
        "UPDATE combined_all USING TIMESTAMP 1 SET fail = 9, fault_key = 'DHCP | no address, none'
         WHERE {hour} AND edr_point = 'DHCP' AND description = 'no address, none'"
    ));
    cql.run(
        "UPDATE anomalies_by_key USING TIMESTAMP 1 SET fail = 9 WHERE fault_key = 'DHCP | no address, none'
         AND day = '1970-01-01' AND start_time = 0 AND tail = 'TC-JJA' AND edr_point = 'DHCP'
         AND description = 'no address, none'",
    );
    tables.replace(&[second()]).expect("stored");
    assert_second(&cql);
}

/// A write of the first version was on its way for long, in a coordinator's hints perhaps.
#[test]
fn a_row_that_arrives_after_its_window_was_replaced_stays_invisible() {
    let server = Server::shared();
    let keyspace = server.keyspace("late");
    let mut tables = keyspace.made();
    tables.replace(&[window("TC-JJA", 0)]).expect("stored");
    tables.replace(&[second()]).expect("stored");
    let cql = keyspace.cql();
    cql.run(
        "UPDATE windows USING TIMESTAMP 1 SET fail = 1 WHERE hour = 0 AND shard = 2 AND tail = 'TC-JJA'
         AND start_time = 0 AND edr_point = 'DNS' AND description = 'refused'",
    );
    assert_second(&cql);
}

#[test]
fn what_was_set_aside_for_another_reason_is_kept_and_no_longer_waited_for() {
    let server = Server::shared();
    let keyspace = server.keyspace("again");
    let mut tables = keyspace.made();
    let frame = crate::examples::everything().set_aside.remove(0);
    let waiting = SetAside {
        reason: SetAsideReason::UnknownModel(cabinwatch_shared::model::ModelVersion(9)),
        ..frame.clone()
    };
    tables.commit(&Batch { set_aside: vec![waiting.clone()], ..Batch::default() }).expect("stored");
    assert_eq!(tables.awaited_models().expect("read").len(), 1);
    let (stream, seq) = frame.frame.expect("a frame");
    let recovered = vec![FrameId { tail: frame.tail.clone(), stream, seq }];
    let again = Batch { set_aside: vec![frame.clone()], recovered, ..Batch::default() };
    tables.commit(&again).expect("stored");
    assert_eq!(tables.set_aside(&Query::default()).expect("read"), [frame]);
    assert_eq!(tables.awaited_models().expect("read"), []);
}

/// What waited has lived its time, or a process died before it could say that nothing waits any more.
#[test]
fn a_model_that_nothing_waits_for_any_more_is_forgotten() {
    let server = Server::shared();
    let keyspace = server.keyspace("in_vain");
    let mut tables = keyspace.made();
    let model = cabinwatch_shared::model::ModelVersion(9);
    let frame = crate::examples::everything().set_aside.remove(0);
    let waiting = SetAside { reason: SetAsideReason::UnknownModel(model), ..frame };
    tables.commit(&Batch { set_aside: vec![waiting.clone()], ..Batch::default() }).expect("stored");
    keyspace.cql().run(&format!("DELETE FROM set_aside WHERE tail = '{}'", waiting.tail));
    assert_eq!(tables.awaited_models().expect("read"), [model]);
    assert_eq!(tables.awaiting_model(model, 9).expect("read"), []);
    assert_eq!(tables.awaited_models().expect("read"), []);
}

#[test]
fn no_more_is_set_aside_for_an_aircraft_than_there_is_room_for() {
    let server = Server::shared();
    let keyspace = server.keyspace("aside");
    let mut tables = keyspace.made();
    let frame = crate::examples::everything().set_aside.remove(0);
    let (stream, _) = frame.frame.expect("a frame");
    for number in 1..=80_u64 {
        let seq = cabinwatch_shared::wire::FrameSeq(number);
        let at = cabinwatch_shared::time::UnixSeconds(number as i64);
        let item = SetAside { frame: Some((stream, seq)), at, bytes: vec![7; 1 << 20], ..frame.clone() };
        tables.commit(&Batch { set_aside: vec![item], ..Batch::default() }).expect("stored");
    }
    let kept = tables.set_aside(&Query::default()).expect("read");
    assert!((60..=68).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept.last().and_then(|item| item.frame).map(|(_, seq)| seq.0), Some(80));
}
