//! The shipped rules against the logs of real daemons (`tests/gateway-logs`), and each trap those logs hold.
//!
//! The expected counts were worked out from the logs and from what was done while they were written (the lines of
//! `vap-mark`), not taken from the program.
#![allow(clippy::expect_used, reason = "in a test's helpers a broken premise should panic too")]

mod command;
mod dnsmasq;
mod hostapd;
mod personal;
mod radiusd;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cabinwatch_agent::rules::{Hints, Interpreter, LineOutcome, RuleSet};
use cabinwatch_shared::time::UnixMillis;

type Counts = BTreeMap<(String, String, String), u64>;
type Row = (&'static str, &'static str, &'static str, u64);

fn log(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/gateway-logs").join(name)
}

fn interpreter() -> Interpreter {
    Interpreter::new(Arc::new(RuleSet::shipped().expect("the shipped rules")), Hints::default())
}

/// What lines yield that all arrive at once.
fn interpret<'a>(lines: impl IntoIterator<Item = &'a str>) -> (Counts, Vec<LineOutcome>) {
    let (mut interpreter, mut counts) = (interpreter(), Counts::new());
    let now = UnixMillis::parse("2026-11-21T09:00:00Z").expect("a date");
    let outcomes = lines
        .into_iter()
        .map(|line| {
            interpreter.interpret(line, now, &mut |event| {
                let key = (event.key.edr_point, event.key.description, event.state.as_str());
                *counts.entry((key.0.to_owned(), key.1.to_owned(), key.2.to_owned())).or_default() += 1;
            })
        })
        .collect();
    (counts, outcomes)
}

fn expected(rows: &[Row]) -> Counts {
    rows.iter().map(|row| ((row.0.to_owned(), row.1.to_owned(), row.2.to_owned()), row.3)).collect()
}

#[track_caller]
fn yields(lines: &str, rows: &[Row]) {
    let (counts, outcomes) = interpret(lines.lines());
    assert_eq!(counts, expected(rows));
    for (line, outcome) in lines.lines().zip(outcomes) {
        assert!(!matches!(outcome, LineOutcome::Unknown | LineOutcome::Malformed), "{outcome:?}: {line}");
    }
}

#[track_caller]
fn file_yields(name: &str, rows: &[Row]) {
    yields(&std::fs::read_to_string(log(name)).expect("the log"), rows);
}

#[test]
fn the_whole_gateway() {
    file_yields(
        "gateway-all.log",
        &[
            // Phase A: sta1, sta2; sta4 four times in its loop; sta5; sta1 and sta2 again after deauth and disassoc;
            // 3 after the restart, 3 after the kill, 2 after the ACL run. Phase B: sta1. Phase C: sta1.
            ("WIFI", "joined", "SUCCESS", 2 + 4 + 1 + 2 + 3 + 3 + 2 + 1 + 1),
            // sta3 tries at 08:10:15, 08:10:29 and 08:10:53 in phase A and once in phase B, four lines each. Its
            // attempt of phase C ends in an EAP failure, sta4's there is cut off by the stop: no failures here.
            ("WIFI", "wrong passphrase", "FAIL", 4),
            // Phase C: sta1 by both loggers' lines and the control event; sta3 with a wrong password.
            ("EAP", "authenticated", "SUCCESS", 1),
            ("EAP", "authentication failed", "FAIL", 1),
            // "radius server stopped": each of sta4's six packets meets a closed port.
            ("EAP", "RADIUS server unreachable", "FAIL", 6),
            // sta1, sta2 and sta4 get the pool's three addresses; sta5 asks four times in vain.
            ("DHCP", "lease given", "SUCCESS", 3),
            ("DHCP", "no address available", "FAIL", 4),
            // Inner (8) and outer (9) login of sta1; inner (17) and outer (18) of sta3.
            ("AUTH", "login accepted", "SUCCESS", 1),
            ("AUTH", "wrong password", "FAIL", 1),
        ],
    );
}

#[test]
fn unknown_lines_are_told_from_those_of_other_programs_and_from_junk() {
    let (counts, outcomes) = interpret([
        "Nov 21 07:57:04 vm dnsmasq[9]: the moon is full tonight",
        "Nov 21 07:57:04 vm kernel: DHCPACK(br0) 10.0.0.1 02:00:00:00:00:01",
        "\u{1}\u{2} junk",
        "",
    ]);
    assert_eq!(counts, Counts::new());
    let expected =
        [LineOutcome::Unknown, LineOutcome::OtherProgram, LineOutcome::Malformed, LineOutcome::NoEvent];
    assert_eq!(outcomes, expected);
}
