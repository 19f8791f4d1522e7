//! `detect` over one window's files, from start to end of the process: on a real HDFS, on the same files on this
//! machine, and against what today's system takes for it.
//!
//! `cargo bench -p cabinwatch-tests --bench detect_hdfs` after a release build of the programs and `make setup`.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use cabinwatch_tests::hdfs::Hdfs;
use cabinwatch_tests::program::{Ended, ground};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A run of today's system, in seconds: PySpark over the same kind of folder, its start included.
const TODAY: f64 = 11.0;
const RUNS: usize = 11;
/// A fleet whose window is some 45,000 rows in two files; without a recent file, ten of them.
const AIRCRAFT: &str = "600";
/// The last files of the day: what a folder on HDFS is asked for, and some that it must not read.
const HOUR: &str = "thy_wifi_edr_261120_11";

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (edr, model) = (path("edr"), path("model"));
    run(&[
        "simulate",
        "--out",
        &edr,
        "--days",
        "1",
        "--start",
        "2026-11-20T00:00:00Z",
        "--aircraft",
        AIRCRAFT,
    ]);
    let local = format!("file://{edr}");
    run(&["retrain", "--history", &local, "--now", "2026-11-21T00:00:00Z", "--model-dir", &model]);
    let files = keep_an_hour(Path::new(&edr))?;
    let hdfs = Hdfs::start(&folder.path().join("hdfs"));
    hdfs.put(Path::new(&edr), "edr");
    println!("{files} files of {AIRCRAFT} aircraft; {RUNS} runs each in turn, medians of the wall time");
    println!(
        "{:<28} {:>9} {:>9} {:>12} {:>14}",
        "detect reads", "hdfs s", "file s", "hdfs / file", "hdfs / today"
    );
    // At noon two files are of the last window; a day later none is, and the newest ten are read.
    for (what, now) in
        [("the last window's files", "2026-11-20T12:00:00Z"), ("the newest ten", "2026-11-21T12:00:00Z")]
    {
        let (mut far, mut near) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            far.push(detect(&hdfs.url("edr"), &model, &path("far.db"), now));
            near.push(detect(&local, &model, &path("near.db"), now));
        }
        let (far, near) = (median(&mut far), median(&mut near));
        println!("{what:<28} {far:>9.3} {near:>9.3} {:>12.2} {:>14.4}", far / near, far / TODAY);
    }
    println!("under 1 s is wanted, and today's system takes {TODAY} s");
    Ok(())
}

/// Leaves the files of the hour before noon; how many there are.
fn keep_an_hour(edr: &Path) -> Result<usize> {
    let mut kept = 0;
    for entry in fs::read_dir(edr)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(HOUR) || name == "thy_wifi_edr_261120_120000.csv" {
            kept += 1;
        } else {
            fs::remove_file(path)?;
        }
    }
    Ok(kept)
}

fn detect(history: &str, model: &str, tables: &str, now: &str) -> Duration {
    let tables = format!("sqlite://{tables}");
    let began = Instant::now();
    run(&["detect", "--history", history, "--model-dir", model, "--tables", &tables, "--now", now]);
    began.elapsed()
}

fn run(arguments: &[&str]) {
    Ended::well(ground([]).args(arguments).env_remove("HADOOP_CONF_DIR"));
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
}
