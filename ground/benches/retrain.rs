//! `retrain` over 1.7 million EDR rows in 576 files, against polars' time for the same read and aggregation.
//!
//! `cargo bench -p cabinwatch-ground --bench retrain`, with `PYTHON` naming an interpreter that has polars (without
//! one only our own time is measured). `ROWS` changes the number of rows. Both take turns, so that neither has the
//! machine to itself; the medians and their ratio are printed.

use std::error::Error;
use std::io;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use cabinwatch_ground::commands::retrain::{self, RetrainArgs};
use cabinwatch_ground::config::Config;
use cabinwatch_ground::simulate::{FilePlan, Fleet, FleetPlan, write_files};
use cabinwatch_shared::time::UnixSeconds;

const ROWS: u64 = 1_700_000;
const FILES_PER_DAY: u32 = 288;
const DAYS: u32 = 2;
const ROUNDS: usize = 7;
/// 2026-11-01T00:00:00Z
const START: UnixSeconds = UnixSeconds(1_793_491_200);

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let edr = folder.path().join("edr");
    let rows = std::env::var("ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(ROWS);
    let seconds = DAYS * 86_400;
    let fleet = Fleet::new(FleetPlan {
        seed: 1,
        aircraft: 40,
        start: START,
        seconds,
        events: Some(rows),
        faults: 20,
    });
    let files_per_day = NonZeroU32::new(FILES_PER_DAY).unwrap_or(NonZeroU32::MIN);
    let plan = FilePlan { folder: edr.clone(), prefix: "edr".to_owned(), files_per_day };
    let began = Instant::now();
    let written = write_files(&fleet, &plan, || ())?;
    println!("simulated {} rows in {} files in {:.3?}", written.rows, written.files, began.elapsed());
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        ours.push(retrain_once(folder.path(), &edr, round)?);
        match polars_once(&python, &edr) {
            Ok(seconds) => theirs.push(seconds),
            Err(error) if round == 0 => println!("polars is not measured: {error}"),
            Err(_) => {}
        }
    }
    let ours = median(&mut ours);
    println!("retrain, whole (read, aggregate, statistics, forest, bundle): {ours:.3} s");
    if !theirs.is_empty() {
        let theirs = median(&mut theirs);
        println!("polars, read and aggregate only: {theirs:.3} s");
        println!("ratio retrain / polars: {:.2} (at most 1 is wanted)", ours / theirs);
    }
    Ok(())
}

fn retrain_once(folder: &Path, edr: &Path, round: usize) -> Result<f64, Box<dyn Error>> {
    let mut config = Config::default();
    config.history.url = format!("file://{}", edr.display());
    config.history.prefix = "edr".to_owned();
    config.model.dir = folder.join(format!("model-{round}"));
    let began = Instant::now();
    let evaluation = retrain::run(&config, &RetrainArgs::default(), &mut io::sink())?;
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "  retrain {seconds:.6} {} {} (seconds, rows out, FAIL)",
        evaluation.rows, evaluation.history.fail
    );
    Ok(seconds)
}

fn polars_once(python: &str, edr: &Path) -> Result<f64, Box<dyn Error>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/polars_peer.py");
    let output = Command::new(python).arg(script).arg(edr).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8(output.stdout)?;
    println!("  polars  {} (seconds, rows out, FAIL)", text.trim());
    Ok(text.split_whitespace().next().ok_or("polars printed nothing")?.parse()?)
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_unstable_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}
