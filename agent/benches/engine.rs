//! What the engine costs, beside the least that could be done: `cargo bench -p cabinwatch-agent --bench engine`.
//!
//! Both sides take the same 2 million events in batches of 64 and commit 512 at a time, durably, into a file on the
//! same disk. The engine counts them into windows, closes those, and logs every event; the bare loop inserts each
//! event's JSON as a row and does nothing else. Neither reads a socket, so the figure is about the engine alone.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cabinwatch_agent::config::Config;
use cabinwatch_agent::pipeline::clock::SystemClock;
use cabinwatch_agent::pipeline::{Engine, Input, Settings};
use cabinwatch_agent::sources::EventBatch;
use cabinwatch_shared::event::{Event, State};
use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::time::UnixMillis;
use nix::time::{ClockId, clock_gettime};
use rusqlite::Connection;

const EVENTS: usize = 2_000_000;
const BATCH: usize = 64;
const GROUP: usize = 512;
/// 2 million events fall into ten windows.
const EVENTS_A_SECOND: i64 = 667;
const START: i64 = 1_795_248_600_000;

const POINTS: [&str; 5] = ["AUTH", "DHCP", "DNS", "PORTAL", "WIFI"];
const DESCRIPTIONS: [&str; 8] = [
    "no address available",
    "server failure",
    "query timed out",
    "credentials refused",
    "page not served",
    "RADIUS server unreachable",
    "association never completed",
    "lease lost to another client",
];

/// Three in four work, as on a good flight.
fn event(number: usize) -> Event<'static> {
    let mixed = number.wrapping_mul(2_654_435_761) >> 7;
    let state = if mixed.is_multiple_of(4) { State::Fail } else { State::Success };
    let description = if state == State::Fail { DESCRIPTIONS[mixed / 4 % DESCRIPTIONS.len()] } else { "" };
    let key = FaultKey { edr_point: POINTS[mixed / 64 % POINTS.len()], description };
    Event { at: UnixMillis(START + number as i64 * 1000 / EVENTS_A_SECOND), key, state }
}

/// Seconds on the wall, and of processor time.
struct Cost {
    wall: f64,
    cpu: f64,
}

type Done<T = ()> = Result<T, Box<dyn Error>>;

fn cpu_seconds() -> Done<f64> {
    let now = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    Ok(now.tv_sec() as f64 + now.tv_nsec() as f64 / 1e9)
}

fn measure(work: impl FnOnce() -> Done) -> Done<Cost> {
    let (wall, cpu) = (Instant::now(), cpu_seconds()?);
    work()?;
    Ok(Cost { wall: wall.elapsed().as_secs_f64(), cpu: cpu_seconds()? - cpu })
}

fn run_engine(path: &Path) -> Done {
    let config = Config { tail: "TC-JJA".to_owned(), ..Config::default() };
    let settings = Settings::from_config(&config)?;
    let mut engine = Engine::open(path.to_owned(), settings, SystemClock, Arc::default())?;
    for first in (0..EVENTS).step_by(BATCH) {
        let mut batch = EventBatch::default();
        (first..EVENTS.min(first + BATCH)).for_each(|number| batch.push(&event(number)));
        engine.take(Input::Batch(batch))?;
        engine.tick()?;
    }
    Ok(())
}

fn run_bare_loop(path: &Path) -> Done {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch("CREATE TABLE events (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")?;
    let mut insert = connection.prepare("INSERT INTO events (body) VALUES (?1)")?;
    for first in (0..EVENTS).step_by(GROUP) {
        connection.execute_batch("BEGIN")?;
        for number in first..EVENTS.min(first + GROUP) {
            let Event { at, key, state } = event(number);
            let body = format!(
                r#"{{"edr_date":{},"edr_point":"{}","description":"{}","state":"{state}"}}"#,
                at.0, key.edr_point, key.description
            );
            insert.execute([body.as_bytes()])?;
        }
        connection.execute_batch("COMMIT")?;
    }
    Ok(())
}

/// The most memory the process has held so far, in MiB.
fn peak_resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
}

fn report(name: &str, cost: &Cost) {
    let rate = EVENTS as f64 / cost.wall;
    let cpu = cost.cpu * 100_000.0 / EVENTS as f64;
    println!("{name:10} {rate:>10.0} events/s   {cpu:.3} CPU s per 100,000 events");
}

fn main() -> Done {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let engine = measure(|| run_engine(&folder.path().join("engine.db")))?;
    let resident = peak_resident();
    let bare = measure(|| run_bare_loop(&folder.path().join("bare.db")))?;
    report("engine", &engine);
    report("bare loop", &bare);
    println!(
        "the engine takes {:.2} times the CPU of the bare loop; {resident:.1} MiB resident",
        engine.cpu / bare.cpu
    );
    Ok(())
}
