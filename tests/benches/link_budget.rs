//! What a day of one aircraft costs on the wire, in both modes of the link, by layer; the same day as JSON; and how long
//! a day's backlog takes on a poor line. Prints the tables of docs/link-budget.md, and fails when a target is missed.
//! Needs root, for the satellite line.
//!
//! `make footprint` runs it.

use std::error::Error;
use std::process::ExitCode;
use std::thread;

use cabinwatch_tests::link_budget::{Cost, Json, Mode, measure, measure_json};
use cabinwatch_tests::remote::{DRAIN_LIMIT, Drained, drain_a_day};

const MOST_IN_ALL: u64 = 60_000;
const MOST_PAYLOAD: u64 = 25_000;
const LEAST_RATIO: f64 = 20.0;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    println!("a day of 176 windows with 40 fault keys each, over 6 legs; bytes, both ways");
    let scheduled = thread::spawn(|| measure(Mode::Scheduled));
    let by_row = thread::spawn(|| measure_json(Json::Rows));
    let kept = measure(Mode::Kept);
    let scheduled = scheduled.join().map_err(|_| "the scheduled day did not end well")?;
    let full = measure_json(Json::FullWindows);
    let jsons = [
        ("JSON, no scores, by window", measure_json(Json::Windows)),
        ("JSON, by window", full),
        ("JSON, by row", by_row.join().map_err(|_| "the rows were not sent")?),
    ];
    println!(
        "\n{:<28}{:>12}{:>10}{:>9}{:>9}{:>9}{:>10}{:>9}",
        "", "connections", "payload", "MQTT", "TLS", "TCP/IP", "total", "packets"
    );
    print("scheduled", &scheduled);
    print("kept", &kept);
    for (name, (payload, total)) in jsons {
        println!("{name:<28}{:>12}{payload:>10}{total:>37}", 6);
    }
    for (name, cost) in [("scheduled", &scheduled), ("kept", &kept)] {
        println!("\n{:<32}{:>9}{:>9}{:>9}", format!("MQTT, {name}"), "packets", "bytes", "payload");
        for (packet, tally) in &cost.meter {
            println!("{packet:<32}{:>9}{:>9}{:>9}", tally.packets, tally.bytes, tally.payload);
        }
    }
    let (usual, bad) = (drain_a_day(176, 40), drain_a_day(288, 257));
    Ok(beside_targets(&scheduled, &jsons, full.1, &usual, &bad))
}

/// Target and measured, side by side.
fn beside_targets(
    scheduled: &Cost,
    jsons: &[(&str, (u64, u64))],
    full: u64,
    usual: &Drained,
    bad: &Drained,
) -> ExitCode {
    let times = |bytes: u64| bytes as f64 / scheduled.total() as f64;
    println!("\n{:<60}{:>10}{:>10}", "the link, scheduled", "target", "measured");
    println!("{:<60}{MOST_IN_ALL:>10}{:>10}", "bytes a day in all, at most", scheduled.total());
    println!("{:<60}{MOST_PAYLOAD:>10}{:>10}", "bytes of frames a day, at most", scheduled.frames);
    for (name, (_, total)) in jsons {
        println!(
            "{:<60}{LEAST_RATIO:>10.1}{:>10.1}",
            format!("{name}: times as much, at least"),
            times(*total)
        );
    }
    let limit = DRAIN_LIMIT.as_secs();
    for (name, drained) in [("176 windows of 40 keys", usual), ("288 windows of 257 keys", bad)] {
        let what = format!("seconds until {name} have drained, at most");
        println!("{what:<60}{limit:>10}{:>10.1}", drained.took.as_secs_f64());
    }
    let met = scheduled.total() < MOST_IN_ALL
        && scheduled.frames < MOST_PAYLOAD
        && times(full) >= LEAST_RATIO
        && [usual, bad].iter().all(|drained| drained.took < DRAIN_LIMIT);
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(name: &str, cost: &Cost) {
    println!(
        "{name:<28}{:>12}{:>10}{:>9}{:>9}{:>9}{:>10}{:>9}",
        cost.connections,
        cost.frames,
        cost.mqtt,
        cost.tls,
        cost.tcp_ip,
        cost.total(),
        cost.packets
    );
}
