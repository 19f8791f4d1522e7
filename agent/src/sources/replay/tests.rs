use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use cabinwatch_shared::event::State;

use super::*;
use crate::pipeline::Input;

struct Bench {
    folder: tempfile::TempDir,
    outlet: Outlet,
    engine: Receiver<Input>,
}

type Taken = (Vec<(i64, String, State)>, BTreeMap<LossReason, u64>, Vec<Vec<u8>>);

impl Bench {
    fn new() -> Self {
        let (queue, engine) = sync_channel(10_000);
        let outlet = Outlet::new(queue, Arc::default());
        Self { folder: tempfile::tempdir().expect("a folder"), outlet, engine }
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.folder.path().join(name), text).expect("written");
    }

    fn replay(&self, speed: Speed, cursor: Option<&Vec<u8>>) -> Taken {
        let mut replay = Replay::new(self.folder.path(), speed, 1000, &self.outlet, cursor);
        replay.run().expect("replayed");
        let (mut events, mut losses, mut cursors) = (Vec::new(), BTreeMap::new(), Vec::new());
        while let Ok(Input::Batch(batch)) = self.engine.try_recv() {
            events.extend(
                batch.events().map(|event| (event.at.0, event.key.description.to_owned(), event.state)),
            );
            for (reason, count) in batch.losses {
                *losses.entry(reason).or_default() += count;
            }
            cursors.extend(batch.cursors.into_iter().map(|cursor| cursor.position));
        }
        (events, losses, cursors)
    }
}

const HEADER: &str = "seat,edr_date,edr_point,description,state\n";

fn descriptions(taken: &Taken) -> Vec<&str> {
    taken.0.iter().map(|(_, description, _)| description.as_str()).collect()
}

#[test]
fn columns_are_found_by_name_and_fields_may_be_quoted() {
    let bench = Bench::new();
    bench.write(
        "a.csv",
        format!("\u{feff}{HEADER}12C,1970-01-01 00:00:01.5,DHCP,\"none, \"\"really\"\"\",FAIL\n"),
    );
    assert_eq!(bench.replay(Speed::Unpaced, None).0, [(1500, "none, \"really\"".to_owned(), State::Fail)]);
}

#[test]
fn files_are_replayed_in_the_order_of_their_names() {
    let bench = Bench::new();
    for name in ["b", "a", "c"] {
        bench.write(&format!("{name}.csv"), format!("{HEADER}1,1970-01-01 00:00:01,DHCP,{name},FAIL\n"));
    }
    bench.write("readme.txt", "not a table");
    assert_eq!(descriptions(&bench.replay(Speed::Unpaced, None)), ["a", "b", "c"]);
}

#[test]
fn bad_rows_are_counted_by_reason_and_do_not_hide_good_ones() {
    let bench = Bench::new();
    let mut text = HEADER.to_owned();
    text += "1,yesterday,DHCP,x,FAIL\n1,1970-01-01 00:00:01,DHCP\n1,1970-01-01 00:00:01,DHCP,x,MAYBE\n";
    text += &format!("1,1970-01-01 00:00:01,DHCP,{},FAIL\n", "y".repeat(1001));
    let mut bytes = text.into_bytes();
    bytes.extend(b"1,1970-01-01 00:00:01,DHCP,\xff\xfe,FAIL\n1,1970-01-01 00:00:01,DHCP,good,FAIL\n");
    bench.write("a.csv", bytes);
    let taken = bench.replay(Speed::Unpaced, None);
    assert_eq!(descriptions(&taken), ["good"]);
    let losses = [(LossReason::Malformed, 3), (LossReason::TooLong, 1), (LossReason::UnknownState, 1)];
    assert_eq!(taken.1, BTreeMap::from(losses));
}

#[test]
fn a_quote_that_is_never_closed_costs_its_line_and_not_the_rest() {
    let bench = Bench::new();
    let good = "1,1970-01-01 00:00:01,DHCP,good,FAIL\n";
    let text = format!("{HEADER}{good}1,1970-01-01 00:00:01,DHCP,\"open,FAIL\n{}", good.repeat(2000));
    bench.write("a.csv", text);
    let taken = bench.replay(Speed::Unpaced, None);
    assert_eq!((taken.0.len(), taken.1.get(&LossReason::TooLong)), (2001, Some(&1)));
}

#[test]
fn a_line_of_a_megabyte_is_too_long() {
    let bench = Bench::new();
    bench.write("a.csv", format!("{HEADER}{}\n1,1970-01-01 00:00:01,DHCP,good,FAIL\n", "z".repeat(1 << 20)));
    let taken = bench.replay(Speed::Unpaced, None);
    assert_eq!(descriptions(&taken), ["good"]);
    assert_eq!(taken.1, BTreeMap::from([(LossReason::TooLong, 1)]));
}

#[test]
fn a_file_whose_header_is_useless_is_passed_over_and_counted_once() {
    let bench = Bench::new();
    bench.write("a.csv", "edr_date,edr_point,state\n");
    bench.write("b.csv", "edr_date,edr_point,description,state,state\n");
    bench.write("c.csv", "");
    let (events, losses, cursors) = bench.replay(Speed::Unpaced, None);
    assert!(events.is_empty());
    assert_eq!(losses, BTreeMap::from([(LossReason::Malformed, 3)]));
    let (_, losses, _) = bench.replay(Speed::Unpaced, cursors.last());
    assert!(losses.is_empty());
}

#[test]
fn a_restart_at_any_cursor_goes_on_with_the_next_row() {
    let bench = Bench::new();
    for name in ["a", "b"] {
        let rows: String =
            (0..3).map(|row| format!("1,1970-01-01 00:00:01,DHCP,\"{name}\n{row}\",FAIL\n")).collect();
        bench.write(&format!("{name}.csv"), format!("{HEADER}{rows}"));
    }
    // Paced, each row has a cursor of its own.
    let whole = bench.replay(Speed::Times(1e6), None);
    assert_eq!(whole.0.len(), 6);
    let mut rests: Vec<usize> =
        whole.2.iter().map(|cursor| bench.replay(Speed::Unpaced, Some(cursor)).0.len()).collect();
    rests.dedup();
    assert_eq!(rests, [5, 4, 3, 2, 1, 0]);
}

#[test]
fn a_speed_stretches_the_time_between_rows() {
    let bench = Bench::new();
    let text = format!("{HEADER}1,1970-01-01 00:00:00,A,x,FAIL\n1,1970-01-01 00:00:20,A,x,FAIL\n");
    bench.write("a.csv", text);
    let began = Instant::now();
    assert_eq!(bench.replay(Speed::Times(100.0), None).0.len(), 2);
    assert!(began.elapsed() >= Duration::from_millis(200));
}

#[test]
fn a_missing_folder_is_a_fault_that_names_it() {
    let bench = Bench::new();
    let mut replay = Replay::new(Path::new("/nowhere/edr"), Speed::Unpaced, 1000, &bench.outlet, None);
    assert!(replay.run().expect_err("missing").to_string().contains("/nowhere/edr"));
}
