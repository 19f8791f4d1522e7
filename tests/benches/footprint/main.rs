//! What the agent takes of a gateway, beside what it may take: memory, processor, and bytes written to flash. Measured
//! on the static x86_64 program as it flies: with a model, over TLS to a mosquitto, its settings at their defaults.
//! `make footprint` runs it, and fails when a target is missed. With the argument `flash` it measures instead what flash pays
//! for how soon events are stored, which `docs/footprint.md` shows.

mod floor;
mod gateway;
mod load;
mod process;

use std::io::Write as _;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use cabinwatch_tests::wait::eventually;

use gateway::{Fleet, Gateway, Setup};
use load::Load;
use process::Usage;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Of each figure; odd, so that one of them is the median.
const RUNS: usize = 3;
/// What the agent is left alone for before it counts as idle.
const SETTLED: Duration = Duration::from_secs(20);

const IDLE_MIB: f64 = 5.0;
const BUSY_MIB: f64 = 10.0;
const CPU_PERCENT: f64 = 1.0;
const SLOW_FLASH: f64 = 1200.0;
const FAST_FLASH: f64 = 400.0;

/// Five seconds that may be lost with the power, for flash that lives longer.
const PATIENT_MILLIS: u32 = 5000;

/// As on a usual flight.
const SLOW: Load = Load { events_per_second: 50, seconds: 150 };
/// A bad hour.
const BUSY: Load = Load { events_per_second: 1000, seconds: 40 };
/// A storm.
const FAST: Load = Load { events_per_second: 10_000, seconds: 20 };

/// How long the first event of a commit waits for others, in the table of flash.
const WAITS_MILLIS: [u32; 4] = [250, 1000, 5000, 30_000];
/// How many events come in a second there; two windows close meanwhile.
const RATES: [u64; 3] = [1, 50, 1000];
const TABLE_SECONDS: u64 = 180;

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "flash") {
        return match flash_table() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&*error),
        };
    }
    match measure() {
        Ok(table) => {
            let met = table.0.iter().all(Row::is_met);
            table.print();
            if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => fail(&*error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

fn measure() -> Result<Table> {
    let mut table = Table(Vec::new());
    let fleet = Fleet::start()?;
    let usual = Setup::default();
    let patient = Setup { group_millis: PATIENT_MILLIS, ..Setup::default() };

    let idle = runs("idle", || idle(&fleet))?;
    table.add("idle, MiB resident", IDLE_MIB, median(&idle, |usage| usage.resident_mib), None);

    let slow = runs("50 events/s", || under(&fleet, &usual, SLOW))?;
    let cpu = median(&slow, |usage| 100.0 * usage.cpu_seconds / usage.seconds);
    table.add("processor at 50 events/s, % of a core", CPU_PERCENT, cpu, None);
    let floor = |load: Load, group_millis| floor::flash_bytes_per_event(fleet.disk(), load, group_millis);
    let bare = floor(SLOW, usual.group_millis)?;
    table.add("flash at 50 events/s, bytes an event", SLOW_FLASH, written(&slow, SLOW), Some(bare));
    let slow = runs("50 events/s, store.group_millis = 5000", || under(&fleet, &patient, SLOW))?;
    let bare = floor(SLOW, patient.group_millis)?;
    table.add("the same with store.group_millis = 5000", SLOW_FLASH, written(&slow, SLOW), Some(bare));

    let fast = runs("10,000 events/s", || under(&fleet, &usual, FAST))?;
    let bare = floor(FAST, usual.group_millis)?;
    table.add("flash at 10,000 events/s, bytes an event", FAST_FLASH, written(&fast, FAST), Some(bare));

    let backlog = Setup { database: Some(gateway::a_days_backlog(&fleet)?), ..Setup::default() };
    let busy = runs("1,000 events/s with a day's backlog", || under(&fleet, &backlog, BUSY))?;
    let peak = median(&busy, |usage| usage.peak_mib);
    table.add("1,000 events/s and a day's backlog, MiB resident", BUSY_MIB, peak, None);
    Ok(table)
}

/// Prints what an event costs the flash, all agents side by side: the kernel counts for each process what it writes.
fn flash_table() -> Result<()> {
    let fleet = Fleet::start()?;
    let measure = |group_millis, events_per_second| -> std::result::Result<f64, String> {
        let load = Load { events_per_second, seconds: TABLE_SECONDS };
        let setup = Setup { group_millis, ..Setup::default() };
        under(&fleet, &setup, load)
            .map(|usage| usage.written / load.events() as f64)
            .map_err(|error| error.to_string())
    };
    let rows = thread::scope(|scope| {
        let measure = &measure;
        let started =
            WAITS_MILLIS.map(|wait| (wait, RATES.map(|rate| scope.spawn(move || measure(wait, rate)))));
        started.map(|(wait, runs)| {
            let run = |run: thread::ScopedJoinHandle<'_, _>| {
                run.join().unwrap_or_else(|_| Err("a run panicked".to_owned()))
            };
            (wait, runs.map(run))
        })
    });
    println!("bytes written an event, by events a second");
    println!("{:<20}{:>12}{:>12}{:>12}", "store.group_millis", RATES[0], RATES[1], RATES[2]);
    for (wait, runs) in rows {
        let [first, second, third] = runs;
        println!("{wait:<20}{:>12.0}{:>12.0}{:>12.0}", first?, second?, third?);
    }
    Ok(())
}

/// Bytes an event.
fn written(runs: &[Usage], load: Load) -> f64 {
    median(runs, |usage| usage.written / load.events() as f64)
}

/// Measures several times, side by side: each run is an aircraft of its own, and none needs much of the machine.
fn runs(what: &str, measure: impl Fn() -> Result<Usage> + Sync) -> Result<Vec<Usage>> {
    eprintln!("measuring: {what}, {RUNS} runs");
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
    let gateway = Gateway::start(fleet, &Setup::default())?;
    thread::sleep(SETTLED);
    let before = gateway.usage()?;
    Ok(gateway.usage()?.since(&before))
}

fn under(fleet: &Fleet, setup: &Setup, load: Load) -> Result<Usage> {
    let gateway = Gateway::start(fleet, setup)?;
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

/// One figure.
struct Row {
    what: &'static str,
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
    fn add(&mut self, what: &'static str, at_most: f64, measured: f64, floor: Option<f64>) {
        self.0.push(Row { what, at_most, measured, floor });
    }

    fn print(&self) {
        let mut out = std::io::stdout().lock();
        let number = |value: f64| {
            if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
        };
        // Nobody reads on when this fails.
        let _ = writeln!(out, "\n{:<50} {:>9} {:>9}  {:<6} bare loop", "medians", "at most", "measured", "");
        for row in &self.0 {
            let verdict = if row.is_met() { "met" } else { "MISSED" };
            let floor = row.floor.map(number).unwrap_or_default();
            let (at_most, measured) = (number(row.at_most), number(row.measured));
            let _ = writeln!(out, "{:<50} {at_most:>9} {measured:>9}  {verdict:<6} {floor:>9}", row.what);
        }
    }
}
