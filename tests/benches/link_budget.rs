//! What a day of one aircraft costs on the wire, in both modes of the link, by layer; and the same day as JSON. Prints
//! the table of docs/link-budget.md. Needs root, for the satellite line.
//!
//! `cargo bench -p cabinwatch-tests --bench link_budget` after a release build of both programs.

use std::error::Error;
use std::thread;

use cabinwatch_tests::link_budget::{Cost, Json, Mode, measure, measure_json};

const MOST_IN_ALL: u64 = 60_000;
const MOST_PAYLOAD: u64 = 25_000;
const LEAST_RATIO: f64 = 20.0;

fn main() -> Result<(), Box<dyn Error>> {
    println!("a day of 176 windows with 40 fault keys each, over 6 legs; bytes, both ways");
    let scheduled = thread::spawn(|| measure(Mode::Scheduled));
    let by_row = thread::spawn(|| measure_json(Json::Rows));
    let kept = measure(Mode::Kept);
    let scheduled = scheduled.join().map_err(|_| "the scheduled day did not end well")?;
    let jsons = [
        ("JSON, no scores, by window", measure_json(Json::Windows)),
        ("JSON, by window", measure_json(Json::FullWindows)),
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
    println!("\n{:<44}{:>10}{:>10}", "scheduled", "target", "measured");
    println!("{:<44}{:>10}{:>10}", "bytes a day in all, at most", MOST_IN_ALL, scheduled.total());
    println!("{:<44}{:>10}{:>10}", "bytes of frames a day, at most", MOST_PAYLOAD, scheduled.frames);
    for (name, (_, total)) in jsons {
        let ratio = total as f64 / scheduled.total() as f64;
        println!("{:<44}{LEAST_RATIO:>10.1}{ratio:>10.1}", format!("{name}: times as much, at least"));
    }
    for (name, cost) in [("scheduled", &scheduled), ("kept", &kept)] {
        println!("\n{:<32}{:>9}{:>9}{:>9}", format!("MQTT, {name}"), "packets", "bytes", "payload");
        for (packet, tally) in &cost.meter {
            println!("{packet:<32}{:>9}{:>9}{:>9}", tally.packets, tally.bytes, tally.payload);
        }
    }
    Ok(())
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
