//! The demo ends well, and its summary is true.

use std::fs;

use cabinwatch_tests::program::{Ended, ground};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

#[test]
fn the_demo_finds_what_it_injected_and_leaves_tables_and_mail() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let printed = Ended::well(&mut ground(["demo", "--for", "20s", "--out", &out.display().to_string()]));
    println!("{printed}");

    let text = fs::read_to_string(out.join("summary.json")).expect("the demo leaves a summary");
    let summary: Value = serde_json::from_str(&text).expect("the summary is JSON");
    let list = |name: &str| summary[name].as_array().cloned().unwrap_or_default();
    let number =
        |name: &str| summary[name].as_u64().unwrap_or_else(|| panic!("no number `{name}` in {text}"));
    assert!(!list("injected").is_empty(), "{text}");
    assert!(list("found").len() >= list("injected").len(), "{text}");
    assert!(number("events") > 0 && number("frames") > 0, "{text}");
    assert_eq!(number("lost"), 0, "{text}");

    let tables = Connection::open_with_flags(out.join("tables.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)
        .expect("the demo leaves tables");
    let confirmed: i64 = tables
        .query_row("SELECT count(*) FROM combined_repeated", [], |row| row.get(0))
        .expect("the table can be read");
    assert!(confirmed > 0, "no anomaly was confirmed");
    let mails: Vec<_> = fs::read_dir(out.join("mail")).expect("the demo leaves mail").flatten().collect();
    assert!(mails.iter().any(|mail| mail.path().extension().is_some_and(|end| end == "eml")));
}
