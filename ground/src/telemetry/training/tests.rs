use std::fmt::Write as _;

use proptest::prelude::*;

use super::csv::read_rows;
use super::*;
use crate::telemetry::read_event;

const HEADER: &str = "timestamp,source_ip,dest_ip,dest_port,bytes_sent,bytes_recv,protocol,user_context\n";

fn read(text: &str) -> Result<TrainingSet, CsvError> {
    read_rows(text.as_bytes(), Path::new("traffic.csv"), &mut |_| ())
}

fn message(text: &str) -> String {
    read(text).expect_err("refused").to_string()
}

/// Ordinary traffic with two odd rows behind it.
fn traffic(rows: usize) -> String {
    let mut text = HEADER.to_owned();
    for row in 0..rows {
        let (port, protocol) = [(443, "TCP"), (53, "UDP"), (80, "TCP")][row % 3];
        let (sent, received) = (500 + row * 37 % 400, 2000 + row * 91 % 3000);
        writeln!(text, "t,10.0.0.{},1.1.1.1,{port},{sent},{received},{protocol},u", row % 200)
            .expect("memory");
    }
    text + "t,10.0.0.9,6.6.6.6,31337,90000000,5,TCP,u\nt,10.0.0.9,6.6.6.6,9,800000000,5,ICMP,u\n"
}

fn trained(text: &str) -> Trained {
    train(&read(text).expect("rows"), UnixSeconds(1_793_491_200)).expect("trained")
}

fn event(port: i64, sent: i64, received: i64, protocol: &str) -> Vec<u8> {
    let event = serde_json::json!({
        "timestamp": "", "process_path": "", "process_hash": "", "source_ip": "", "dest_ip": "", "dest_port": port,
        "bytes_sent": sent, "bytes_recv": received, "protocol": protocol,
    });
    event.to_string().into_bytes()
}

#[test]
fn a_trained_model_tells_the_odd_from_the_ordinary() {
    let dir = tempfile::tempdir().expect("a folder");
    let trained = trained(&traffic(600));
    let folder = dir.path().join("new/model");
    assert!(matches!(Scorer::open(&folder), Err(crate::telemetry::ModelError::NoModel(_))));
    assert_eq!(trained.write(&folder).expect("written"), folder.join(MODEL_FILE));
    let scorer = Scorer::open(&folder).expect("a model");
    assert_eq!((scorer.rows(), scorer.trained()), (602, UnixSeconds(1_793_491_200)));
    assert_eq!(scorer.protocols().collect::<Vec<_>>(), ["ICMP", "TCP", "UDP"]);
    let decision = |body: &[u8]| {
        let event = read_event(body).expect("an event");
        let scored = scorer.score(&event);
        assert_eq!(scored.is_anomaly(), scored.decision.0 < 0.0);
        (scored.decision.0, scored.contributions())
    };
    let (ordinary, _) = decision(&event(443, 600, 3000, "TCP"));
    let (odd, shares) = decision(&event(443, 90_000_000, 3000, "TCP"));
    assert!(ordinary > 0.0 && odd < 0.0, "{ordinary} {odd}");
    let largest = shares.into_iter().max_by(|one, other| one.1.total_cmp(&other.1)).expect("four");
    assert_eq!(largest.0, Feature::BytesSent, "{shares:?}");
    let score: f64 = shares.iter().map(|(_, share)| share).sum();
    assert!((score - (1.0 + (0.5 - odd).log2())).abs() < 1e-9, "{score} {odd}");
}

#[test]
fn the_same_rows_give_the_same_bytes_in_any_order_of_columns() {
    let rows = traffic(300);
    let turned: String =
        rows.lines().map(|line| line.split(',').rev().collect::<Vec<_>>().join(",") + "\r\n").collect();
    assert_eq!(trained(&rows).file, trained(&format!("\u{feff}{turned}")).file);
}

#[test]
fn rows_that_lack_something_are_dropped_and_counted() {
    let rows = "\
        t,a,b,1,2,3,TCP,u\n\
        t,,b,1,2,3,TCP,u\n\
        t,a,NaN,1,2,3,TCP,u\n\
        t,a,b,,2,3,,u\n\
        t,a,b,x\n\
        t,a,b,1,2,3,None,u\n\
        t,a,b,1,null?,,TCP,u\n\
        t,a,\"b,\"\"\nc\",443.0, 2 ,3,\"U,DP\",u\n";
    let rows = read(&format!("{HEADER}{rows}")).expect("rows");
    assert_eq!((rows.rows(), rows.dropped().total()), (2, 6));
    assert_eq!(rows.dropped(), Dropped { source_ip: 1, dest_ip: 1, dest_port: 1, protocol: 2, bytes: 1 });
    assert_eq!(rows.sorted_protocols(), ["TCP", "U,DP"].map(Box::from));
}

#[test]
fn what_cannot_be_understood_is_named_with_file_and_line() {
    let with = |row: &str| message(&format!("{HEADER}t,a,b,1,2,3,\"T\nCP\",u\n\n{row}\n"));
    assert_eq!(
        with("t,a,b,1,2.5,3,TCP,u"),
        "traffic.csv, line 5: `bytes_sent` is `2.5`; it must be a whole number of at most 64 bits"
    );
    assert!(with("t,a,b,9223372036854775808,2,3,TCP,u").contains("line 5: `dest_port`"));
    assert_eq!(with("t,a,b,1,2,3,TCP,u,"), "traffic.csv, line 5: it has more fields than the header");
    assert!(with("t,a,b,1,2,3,\"TCP,u").contains("line 5: it opens a quote"));
    assert!(with(&"x".repeat(1 << 21)).contains("line 5: the row is longer"));
    assert!(message("").contains("traffic.csv: it is empty"));
    assert!(message("source_ip,dest_ip\n").contains("no column `dest_port`"));
    assert!(message(&HEADER.replace("timestamp", "protocol")).contains("column `protocol` twice"));
    let protocols: String = (0..=4096).map(|n| format!("t,a,b,1,2,3,p{n},u\n")).collect();
    assert!(message(&format!("{HEADER}{protocols}")).contains("line 4098: this is protocol 4097"));
}

#[test]
fn without_a_row_there_is_no_model() {
    let nothing = train(&read(&format!("{HEADER},,,,,,,\n")).expect("read"), UnixSeconds(0));
    let error = nothing.expect_err("no rows").to_string();
    assert!(error.starts_with("no row is left to train on: 1 dropped (1 without source_ip,"), "{error}");
}

#[test]
fn one_row_is_average() {
    let one = trained(&format!("{HEADER}t,a,b,443,2,3,TCP,u\n"));
    let scorer = Scorer::from_bytes(&one.file).expect("a model");
    let body = event(1, 1, 1, "UDP");
    let scored = scorer.score(&read_event(&body).expect("an event")).decision;
    assert_eq!((scored.0, one.summary.anomalies, one.summary.max_samples), (0.0, 0, 1));
}

proptest! {
    #[test]
    fn no_file_breaks_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..300), rows in "(([0-9.a,\"-]{0,9},){7}u\n){0,5}") {
        for text in [bytes, format!("{HEADER}{rows}").into_bytes()] {
            if let Ok(set) = read_rows(text.as_slice(), Path::new("x"), &mut |_| ()) {
                let trained = train(&set, UnixSeconds(0));
                prop_assert!(trained.is_ok() || set.rows() == 0);
            }
        }
    }
}
