//! What a day of one aircraft costs on the wire, in both modes of the link, by layer; and the same day as JSON. Prints
//! the table of docs/link-budget.md. Needs root, for the satellite line.
//!
//! `cargo bench -p cabinwatch-tests --bench link_budget` after a release build of both programs.

use std::thread;

use cabinwatch_tests::link_budget::{Cost, Mode, measure, measure_json};

const MOST_IN_ALL: u64 = 60_000;
const MOST_PAYLOAD: u64 = 25_000;
const LEAST_RATIO: f64 = 20.0;

fn main() {
    println!("a day of 176 windows with 40 fault keys each, over 6 legs; bytes, both ways");
    let scheduled = thread::spawn(|| measure(Mode::Scheduled));
    let by_row = thread::spawn(|| measure_json(true));
    let kept = measure(Mode::Kept);
    let scheduled = scheduled.join().expect("the day ends well");
    let (by_window, by_row) = (measure_json(false), by_row.join().expect("the day ends well"));
    println!(
        "\n{:<26}{:>12}{:>9}{:>9}{:>9}{:>9}{:>10}{:>9}",
        "", "connections", "frames", "MQTT", "TLS", "TCP/IP", "total", "packets"
    );
    print("scheduled", &scheduled);
    print("kept", &kept);
    println!("{:<26}{:>12}{:>9}{:>46}", "JSON, a message a window", 6, by_window.0, by_window.1);
    println!("{:<26}{:>12}{:>9}{:>46}", "JSON, a message a row", 6, by_row.0, by_row.1);
    println!("\n{:<44}{:>10}{:>10}", "scheduled", "target", "measured");
    println!("{:<44}{:>10}{:>10}", "bytes a day in all, at most", MOST_IN_ALL, scheduled.total());
    println!("{:<44}{:>10}{:>10}", "bytes of frames a day, at most", MOST_PAYLOAD, scheduled.frames);
    for (name, (_, total)) in jsons {
        let ratio = total as f64 / scheduled.total() as f64;
        println!("{:<44}{LEAST_RATIO:>10.1}{ratio:>10.1}", format!("{name}: times as much, at least"));
    }
    for (name, cost) in [("scheduled", &scheduled), ("kept", &kept)] {
        println!("\nMQTT, {name}: {:<20}{:>9}{:>9}{:>9}", "", "packets", "bytes", "payload");
        for (packet, tally) in &cost.meter {
            println!("  {packet:<30}{:>9}{:>9}{:>9}", tally.packets, tally.bytes, tally.payload);
        }
    }
}

fn print(name: &str, cost: &Cost) {
    println!(
        "{name:<26}{:>12}{:>9}{:>9}{:>9}{:>9}{:>10}{:>9}",
        cost.connections,
        cost.frames,
        cost.mqtt,
        cost.tls,
        cost.tcp_ip,
        cost.total(),
        cost.packets
    );
}
