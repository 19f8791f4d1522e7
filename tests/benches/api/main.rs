//! `serve` beside the scorer it takes the place of: requests a second, latency and memory under wrk with four
//! connections and one event a request, in one run on one machine, and then a minute without an error. Prints each
//! target with what was measured.
//!
//! `cargo bench -p cabinwatch-tests --bench api` after a release build of the ground's program; wrk comes by `make setup`.

mod wrk;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cabinwatch_tests::process::Process;
use cabinwatch_tests::program::Ended;
use cabinwatch_tests::scorers::{FastApi, Serve, python, script, telemetry_csv};

use wrk::Figures;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Of each scorer, in turn; odd, so that one of them is the median.
const RUNS: usize = 5;
const RUN: Duration = Duration::from_secs(10);
const LONG_RUN: Duration = Duration::from_secs(60);
/// What both are trained on, and what they are asked about.
const TRAINED_ON: usize = 5000;
const ASKED: usize = 1000;

const LEAST_RATIO: f64 = 200.0;
const MOST_MEDIAN_MILLIS: f64 = 1.0;
const MOST_P99_MILLIS: f64 = 5.0;
const MOST_MIB: f64 = 40.0;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let csv = telemetry_csv(folder.path(), TRAINED_ON);
    let events = events(folder.path(), &csv)?;
    let peer = FastApi::start(folder.path(), &FastApi::train(folder.path(), &csv));
    let serve = Serve::start(folder.path(), &Serve::train(folder.path(), &csv), "");
    println!("{RUNS} runs of {} s each in turn, 4 connections, one event a request; medians", RUN.as_secs());
    // The first requests of a program are slower than all others.
    for url in [peer.url(), serve.url()] {
        wrk::load(&url, &events, Duration::from_secs(2))?;
    }
    let (mut today, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        today.push(wrk::load(&peer.url(), &events, RUN)?);
        ours.push(wrk::load(&serve.url(), &events, RUN)?);
    }
    let minute = wrk::load(&serve.url(), &events, LONG_RUN)?;
    let (today, ours) = (medians(&today), medians(&ours));
    println!("\n{:<12}{:>14}{:>14}{:>12}{:>16}", "", "requests/s", "median ms", "p99 ms", "resident MiB");
    for (name, figures, process) in [("FastAPI", today, &peer.process), ("serve", ours, &serve.process)] {
        let Figures { per_second, median_millis, p99_millis, .. } = figures;
        println!("{name:<12}{per_second:>14.0}{median_millis:>14.3}{p99_millis:>12.3}{:>16.1}", mib(process));
    }
    println!("\n{:<44}{:>10}{:>12}", "serve", "target", "measured");
    let ratio = ours.per_second / today.per_second;
    println!("{:<44}{LEAST_RATIO:>10}{ratio:>12.0}", "requests a second, times FastAPI's, at least");
    println!("{:<44}{MOST_MEDIAN_MILLIS:>10}{:>12.3}", "median latency in ms, under", ours.median_millis);
    println!("{:<44}{MOST_P99_MILLIS:>10}{:>12.3}", "p99 latency in ms, under", ours.p99_millis);
    println!("{:<44}{MOST_MIB:>10}{:>12.1}", "resident at most, in MiB, under", mib(&serve.process));
    println!(
        "{:<44}{:>10}{:>12}",
        format!("errors in a minute, of {} requests", minute.requests),
        0,
        minute.errors
    );
    Ok(())
}

fn mib(process: &Process) -> f64 {
    process.peak_memory() as f64 / 1024.0
}

/// The rows of the CSV as events, one JSON text a line.
fn events(folder: &Path, csv: &Path) -> Result<PathBuf> {
    let path = folder.join("events.ndjson");
    let mut command = Command::new(python());
    let lines = Ended::well(command.arg(script("as_events.py")).arg(csv).arg(ASKED.to_string()));
    std::fs::write(&path, lines)?;
    Ok(path)
}

fn medians(runs: &[Figures]) -> Figures {
    let median = |value: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Figures {
        per_second: median(|run| run.per_second),
        median_millis: median(|run| run.median_millis),
        p99_millis: median(|run| run.p99_millis),
        requests: runs.iter().map(|run| run.requests).sum(),
        errors: runs.iter().map(|run| run.errors).sum(),
    }
}
