use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::super::summary::RejectReason;
use super::super::{Listing, open};
use super::*;

const HEADER: &str = "edr_date,tail,edr_point,description,state\n";

fn options() -> ReadOptions {
    ReadOptions { window: WindowLength::FIVE_MINUTES, max_line_bytes: 1000, strict: false }
}

/// A folder with these files, named in this order.
fn folder(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (minute, text) in files.iter().enumerate() {
        fs::write(folder.path().join(format!("e_261121_08{minute:02}00.csv")), text).expect("written");
    }
    folder
}

fn read(folder: &Path, options: &ReadOptions) -> Result<Aggregates, HistoryError> {
    let history =
        open(&format!("file://{}", folder.display()), "e", Duration::from_secs(10)).expect("a folder");
    let Listing { files, .. } = history.list().expect("a listing");
    aggregate(&*history, &files, options, &|| ())
}

/// `(window start minus 08:00, point, description, fail, success)`
fn rows(aggregates: &Aggregates) -> Vec<(i64, &str, &str, u64, u64)> {
    aggregates
        .rows()
        .map(|row| {
            let start = row.window.start().0 - 1_795_248_000;
            (start, row.key.edr_point, row.key.description, row.counts.fail, row.counts.success)
        })
        .collect()
}

fn counted(text: &str) -> Vec<(i64, String, String, u64, u64)> {
    let folder = folder(&[&format!("{HEADER}{text}")]);
    let aggregates = read(folder.path(), &options()).expect("counted");
    rows(&aggregates).into_iter().map(|(t, p, d, f, s)| (t, p.to_owned(), d.to_owned(), f, s)).collect()
}

#[test]
fn all_keys_of_a_point_share_its_successes() {
    let rows = counted(
        "2026-11-21 08:00:00,T,AUTH,timeout,FAIL\n2026-11-21 08:04:59.999,T,AUTH,refused,FAIL\n\
         2026-11-21 08:01:00,T,AUTH,whatever,SUCCESS\n2026-11-21 08:02:00,T,AUTH,,SUCCESS\n\
         2026-11-21 08:02:00,T,DHCP,,SUCCESS\n2026-11-21 08:02:00,T,AUTH,timeout,PENDING\n",
    );
    let row = |description: &str| (0, "AUTH".to_owned(), description.to_owned(), 1, 2);
    assert_eq!(rows, [row("refused"), row("timeout")]);
}

#[test]
fn successes_count_in_their_own_window_only() {
    let rows = counted("2026-11-21 08:04:59,T,AUTH,x,FAIL\n2026-11-21 08:05:00,T,AUTH,,SUCCESS\n");
    assert_eq!(rows, [(0, "AUTH".to_owned(), "x".to_owned(), 1, 0)]);
}

#[test]
fn offsets_in_dates_are_honoured() {
    let rows = counted("2026-11-21T11:01:00+03:00,T,AUTH,x,FAIL\n2026-11-21T08:02:00Z,T,AUTH,,SUCCESS\n");
    assert_eq!(rows, [(0, "AUTH".to_owned(), "x".to_owned(), 1, 1)]);
}

#[test]
fn a_point_may_hold_the_separator_of_fault_keys() {
    let rows = counted(
        "2026-11-21 08:00:00,T,A | B,c,FAIL\n2026-11-21 08:00:00,T,A,B | c,FAIL\n2026-11-21 08:00:00,T,A | B,,SUCCESS\n",
    );
    let expected =
        [(0, "A".to_owned(), "B | c".to_owned(), 1, 0), (0, "A | B".to_owned(), "c".to_owned(), 1, 1)];
    assert_eq!(rows, expected);
}

#[test]
fn a_window_may_lie_in_several_files() {
    let part = |state: &str| format!("{HEADER}2026-11-21 08:00:00,T,AUTH,x,{state}\n");
    let (fail, success) = (part("FAIL"), part("SUCCESS"));
    let folder = folder(&[&fail, &success, &success, &fail, &success]);
    let aggregates = read(folder.path(), &options()).expect("counted");
    assert_eq!(rows(&aggregates), [(0, "AUTH", "x", 2, 3)]);
    let successes: Vec<_> = aggregates.successes().map(|point| (point.edr_point, point.success)).collect();
    assert_eq!(successes, [("AUTH", 3)]);
}

#[test]
fn columns_are_found_by_name_and_others_ignored() {
    let folder = folder(&["\u{feff}x,state,\"description\",y, edr_point ,edr_date\r\n\
          1,FAIL,\"a, \"\"b\"\"\nc\",2,AUTH,2026-11-21 08:00:00\r\n"]);
    let aggregates = read(folder.path(), &options()).expect("counted");
    assert_eq!(rows(&aggregates), [(0, "AUTH", "a, \"b\"\nc", 1, 0)]);
}

#[test]
fn a_row_that_cannot_be_read_is_counted_and_named() {
    let long = "x".repeat(2000);
    let text = format!(
        "{HEADER}yesterday,T,AUTH,x,FAIL\n2026-11-21 08:00:00,T,AUTH,x\n\n2026-11-21 08:00:00,T,AUTH,{long},FAIL\n\
         2026-11-21 08:00:00,T,AUTH,x,FAIL\n2026-11-21 08:00:00,T,\"AUTH"
    );
    let folder = folder(&[&text]);
    let summary = read(folder.path(), &options()).expect("counted").summary;
    let first: Vec<_> = summary.rejected_first.iter().map(|row| (row.line, row.reason)).collect();
    let expected = [
        (2, RejectReason::Date),
        (3, RejectReason::FieldCount),
        (5, RejectReason::TooLong),
        (7, RejectReason::OpenQuote),
    ];
    assert_eq!(first, expected);
    assert_eq!((summary.rows, summary.fail, summary.rejected_rows()), (5, 1, 4));
}

#[test]
fn every_row_is_counted_exactly_once_somewhere() {
    let text = format!(
        "{HEADER}{}",
        "2026-11-21 08:00:00,T,A,x,FAIL\n1900-01-01 00:00:00,T,A,x,SUCCESS\n9999-12-30 00:00:00,T,A,x,LATER\nno,T,A,x,FAIL\n"
            .repeat(50)
    );
    let folder = folder(&[&text]);
    let summary = read(folder.path(), &options()).expect("counted").summary;
    let parts = (summary.fail, summary.success, summary.ignored(), summary.rejected_rows());
    assert_eq!((summary.rows, parts), (200, (50, 50, 50, 50)));
    assert_eq!(summary.rejected_first.len(), 20);
    assert_eq!(summary.other_states["LATER"], 50);
}

#[test]
fn endlessly_many_states_are_told_apart_only_so_far() {
    let rows: String = (0..500).map(|n| format!("2026-11-21 08:00:00,T,A,x,S{n}\n")).collect();
    let folder = folder(&[&format!("{HEADER}{rows}")]);
    let summary = read(folder.path(), &options()).expect("counted").summary;
    assert_eq!((summary.other_states.len(), summary.more_states, summary.ignored()), (20, 480, 500));
}

#[test]
fn strict_reading_stops_at_the_first_bad_row_of_the_first_bad_file() {
    let good = format!("{HEADER}2026-11-21 08:00:00,T,A,x,FAIL\n");
    let bad = format!("{good}no,T,A,x,FAIL\nno,T,A,x,FAIL\n");
    let folder = folder(&[&good, &bad, &bad, &bad]);
    let error = read(folder.path(), &ReadOptions { strict: true, ..options() }).expect_err("refused");
    assert!(error.to_string().starts_with("e_261121_080100.csv:3:"), "{error}");
}

#[test]
fn a_file_with_an_unusable_header_is_set_aside_with_its_reason() {
    let good = format!("{HEADER}2026-11-21 08:00:00,T,A,x,FAIL\n");
    for (bad, says) in [
        ("edr_date,edr_point,state\n", "no column `description`"),
        ("edr_date,edr_point,state,description,state\n", "column `state` twice"),
        ("", "empty"),
        ("\0\u{1}\u{2}PK\n\n\"", "no column `edr_date`"),
    ] {
        let folder = folder(&[bad, &good]);
        let aggregates = read(folder.path(), &options()).expect("the other file is good");
        assert_eq!(aggregates.rows().len(), 1);
        let aside = aggregates.summary.set_aside[0].to_string();
        assert!(aside.contains(says) && aside.contains("e_261121_080000.csv"), "{aside}");
    }
}

#[test]
fn a_run_without_a_usable_file_is_an_error() {
    let folder = folder(&["", "a,b\n"]);
    let error = read(folder.path(), &options()).expect_err("refused").to_string();
    assert!(error.contains("none of the 2 EDR files") && error.contains("e_261121_080000.csv"), "{error}");
    let empty = tempfile::tempdir().expect("a folder");
    let error = read(empty.path(), &options()).expect_err("refused").to_string();
    assert!(
        error.contains("e_YYMMDD_HHMMSS*.csv") && error.contains(&empty.path().display().to_string()),
        "{error}"
    );
}

#[test]
fn a_header_alone_is_a_file_without_rows() {
    let folder = folder(&[HEADER]);
    let aggregates = read(folder.path(), &options()).expect("counted");
    assert_eq!((aggregates.rows().len(), aggregates.summary.rows), (0, 0));
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let file = |shift: usize| {
        let row = |n: usize| {
            let other = format!("S{}", n % 101);
            let state = ["FAIL", "SUCCESS", &other][n * 7 % 3];
            format!("2026-11-21 08:{:02}:00,T,P{},d{},{state}\n", n % 60, n % 5, n % (11 + shift))
        };
        format!("{HEADER}{}bad\n", (shift..shift + 300).map(row).collect::<String>())
    };
    let files: Vec<String> = (0..12).map(file).collect();
    let folder = folder(&files.iter().map(String::as_str).collect::<Vec<_>>());
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| read(folder.path(), &options())).expect("counted")
    };
    let alone = on(1);
    assert!(alone.rows().len() > 100 && alone.summary.more_states > 100);
    assert_eq!(alone, on(3));
    assert_eq!(alone, on(7));
}

/// A file that has another fault, or another point, in every row, and a limit only against a test without end.
struct NeverTheSame {
    row: fn(u64) -> String,
    rows: Arc<AtomicU64>,
    waiting: Vec<u8>,
}

const ROWS_WITHOUT_END: u64 = 2 << 20;

impl Read for NeverTheSame {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.waiting.len() < out.len() && self.rows.load(Ordering::Relaxed) < ROWS_WITHOUT_END {
            self.waiting.extend((self.row)(self.rows.fetch_add(1, Ordering::Relaxed)).as_bytes());
        }
        let take = out.len().min(self.waiting.len());
        out[..take].copy_from_slice(&self.waiting[..take]);
        self.waiting.drain(..take);
        Ok(take)
    }
}

struct OneFile {
    row: fn(u64) -> String,
    rows: Arc<AtomicU64>,
}

impl History for OneFile {
    fn list(&self) -> Result<Listing, HistoryError> {
        Ok(Listing::default())
    }

    fn open(&self, _: &HistoryFile) -> Result<Box<dyn Read + Send>, HistoryError> {
        let waiting = HEADER.as_bytes().to_vec();
        Ok(Box::new(NeverTheSame { row: self.row, rows: self.rows.clone(), waiting }))
    }

    fn describe(&self) -> String {
        String::new()
    }
}

#[test]
fn a_file_in_which_nothing_comes_twice_is_refused_before_it_fills_the_memory() {
    let faults: fn(u64) -> String = |row| format!("2026-11-21 08:00:00,T,A,{row},FAIL\n");
    let points: fn(u64) -> String = |row| format!("2026-11-21 08:00:00,T,{row},,SUCCESS\n");
    for row in [faults, points] {
        let history = OneFile { row, rows: Arc::default() };
        let file = HistoryFile { name: "e".to_owned(), cut: UnixSeconds(0) };
        let refused = aggregate(&history, &[file], &options(), &|| ());
        assert!(matches!(refused, Err(HistoryError::TooManyKeys(_))), "{refused:?}");
        assert!(history.rows.load(Ordering::Relaxed) < ROWS_WITHOUT_END, "the whole file was read first");
    }
}
