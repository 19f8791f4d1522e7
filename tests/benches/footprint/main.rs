//! What the agent takes of a gateway, beside what it may take: size, memory, processor, and bytes written to flash.
//! Measured on the static x86_64 program as it flies: with a model, over TLS to a mosquitto, its settings at their
//! defaults. `make footprint` runs it, and fails when a target is missed.

mod floor;
mod gateway;
mod load;
mod process;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use cabinwatch_tests::flight::Target;
use cabinwatch_tests::wait::eventually;

use gateway::{Fleet, Gateway};
use load::Load;
use process::Usage;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Of each figure; odd, so that one of them is the median.
const RUNS: usize = 3;
/// What the agent is left alone for before it counts as idle.
const SETTLED: Duration = Duration::from_secs(20);

/// What the issue of a gateway's few megabytes comes to.
const SIZES: [(Target, f64); 3] =
    [(Target::X86_64, 4_000_000.0), (Target::Aarch64, 3_600_000.0), (Target::Armv7, 3_200_000.0)];
const IDLE_MIB: f64 = 5.0;
const BUSY_MIB: f64 = 10.0;
const CPU_PERCENT: f64 = 1.0;
const SLOW_FLASH: f64 = 1200.0;
const FAST_FLASH: f64 = 400.0;

/// As on a usual flight.
const SLOW: Load = Load { events_per_second: 50, seconds: 150 };
/// A bad hour.
const BUSY: Load = Load { events_per_second: 1000, seconds: 40 };
/// A storm.
const FAST: Load = Load { events_per_second: 10_000, seconds: 20 };

fn main() -> ExitCode {
    match measure() {
        Ok(table) => {
            let met = table.0.iter().all(Row::is_met);
            table.print();
            if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<Table> {
    let mut table = Table(Vec::new());
    for (target, most) in SIZES {
        let bytes = fs::metadata(target.program())?.len();
        table.add(format!("program for {}, bytes", target.triple()), most, bytes as f64, None);
    }
    let fleet = Fleet::start()?;
    say("idle");
    let idle = runs(|| idle(&fleet))?;
    table.add("idle, MiB resident".to_owned(), IDLE_MIB, median(&idle, |usage| usage.resident_mib), None);

    for (load, flash) in [(SLOW, SLOW_FLASH), (FAST, FAST_FLASH)] {
        say(&load.to_string());
        let used = runs(|| under(&fleet, load, None))?;
        let floor = floor::flash_bytes_per_event(fleet.disk(), load)?;
        let written = median(&used, |usage| usage.written / load.events() as f64);
        table.add(format!("flash at {load}, bytes an event"), flash, written, Some(floor));
        if load.events_per_second == SLOW.events_per_second {
            let cpu = median(&used, |usage| 100.0 * usage.cpu_seconds / usage.seconds);
            table.add(format!("processor at {load}, % of a core"), CPU_PERCENT, cpu, None);
        }
    }

    say(&format!("{BUSY} with a day's backlog"));
    let backlog = gateway::a_days_backlog(&fleet)?;
    let busy = runs(|| under(&fleet, BUSY, Some(&backlog)))?;
    let resident = median(&busy, |usage| usage.peak_mib);
    table.add(format!("{BUSY} and a day's backlog, MiB resident"), BUSY_MIB, resident, None);
    Ok(table)
}

/// Measures several times, side by side: each run is an aircraft of its own, and none needs much of the machine.
fn runs(measure: impl Fn() -> Result<Usage> + Sync) -> Result<Vec<Usage>> {
    let measured: Vec<std::result::Result<Usage, String>> = thread::scope(|scope| {
        let started: Vec<_> =
            (0..RUNS).map(|_| scope.spawn(|| measure().map_err(|error| error.to_string()))).collect();
        started
            .into_iter()
            .map(|run| run.join().unwrap_or_else(|_| Err("a run panicked".to_owned())))
            .collect()
    });
    Ok(measured.into_iter().collect::<std::result::Result<_, _>>()?)
}

fn idle(fleet: &Fleet) -> Result<Usage> {
    let gateway = Gateway::start(fleet, None)?;
    thread::sleep(SETTLED);
    let before = gateway.usage()?;
    Ok(gateway.usage()?.since(&before))
}

fn under(fleet: &Fleet, load: Load, backlog: Option<&Path>) -> Result<Usage> {
    let gateway = Gateway::start(fleet, backlog)?;
    let before = gateway.usage()?;
    load.send(gateway.event_socket())?;
    eventually("all events to be counted", Duration::from_secs(60), || {
        (gateway.events() >= load.events()).then_some(())
    });
    Ok(gateway.usage()?.since(&before))
}

fn median(runs: &[Usage], value: impl Fn(&Usage) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What is measured takes minutes: it says where it is.
fn say(what: &str) {
    eprintln!("measuring: {what}, {RUNS} runs");
}

/// One figure.
struct Row {
    what: String,
    at_most: f64,
    measured: f64,
    /// The same of a bare SQLite loop.
    floor: Option<f64>,
}

impl Row {
    fn is_met(&self) -> bool {
        self.measured <= self.at_most
    }
}

struct Table(Vec<Row>);

impl Table {
    fn add(&mut self, what: String, at_most: f64, measured: f64, floor: Option<f64>) {
        self.0.push(Row { what, at_most, measured, floor });
    }

    fn print(&self) {
        let mut out = std::io::stdout().lock();
        let number = |value: f64| {
            if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
        };
        // Nobody reads on when this fails.
        let _ = writeln!(out, "\n{:<58} {:>9} {:>9}  {:<6} bare loop", "medians", "at most", "measured", "");
        for row in &self.0 {
            let verdict = if row.is_met() { "met" } else { "MISSED" };
            let floor = row.floor.map(number).unwrap_or_default();
            let (at_most, measured) = (number(row.at_most), number(row.measured));
            let _ = writeln!(out, "{:<58} {at_most:>9} {measured:>9}  {verdict:<6} {floor:>9}", row.what);
        }
    }
}
