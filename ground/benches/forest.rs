//! One row through a forest of 100 trees of 256 rows, beside scikit-learn on the same trees.
//!
//! `cargo bench -p cabinwatch-ground --bench forest`, with `PYTHON` naming an interpreter that has scikit-learn.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use cabinwatch_ground::train::import::read_forest;
use cabinwatch_shared::forest::Forest;

const ROUNDS: usize = 11;
const PASSES: usize = 20;
const TARGET_NANOSECONDS: f64 = 1200.0;
const TARGET_RATIO: f64 = 1000.0;

fn main() -> Result<(), Box<dyn Error>> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    println!("score of one row, 100 trees of 256 rows, warm; medians of {ROUNDS} rounds");
    println!(
        "{:<10} {:>8} {:>12} {:>16} {:>10}",
        "features", "nodes", "ours, ns", "scikit-learn, ns", "ratio"
    );
    for features in [1, 4] {
        let folder = tempfile::tempdir()?;
        let theirs = scikit_learn(&python, folder.path(), features)?;
        let (nodes, ours) = ours(folder.path())?;
        println!("{features:<10} {nodes:>8} {ours:>12.0} {theirs:>16.0} {:>10.0}", theirs / ours);
    }
    println!("targets: at most {TARGET_NANOSECONDS:.0} ns, at least {TARGET_RATIO:.0} times faster");
    Ok(())
}

fn scikit_learn(python: &str, folder: &Path, features: usize) -> Result<f64, Box<dyn Error>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/sklearn_peer.py");
    let run = Command::new(python).arg(script).arg(folder).arg(features.to_string()).output()?;
    if !run.status.success() {
        return Err(format!("{python} failed: {}", String::from_utf8_lossy(&run.stderr)).into());
    }
    Ok(String::from_utf8(run.stdout)?.trim().parse()?)
}

fn ours(folder: &Path) -> Result<(u32, f64), Box<dyn Error>> {
    let parts = read_forest(&std::fs::read(folder.join("forest.json"))?)?.parts;
    let (forest, _) = Forest::open(parts.shape, &parts.bytes)?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(folder.join("rows.csv"))?;
    let rows = reader.deserialize().collect::<Result<Vec<Vec<f32>>, _>>()?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..PASSES {
            for row in &rows {
                black_box(forest.score(black_box(row)));
            }
        }
        rounds.push(began.elapsed().as_nanos() as f64 / (PASSES * rows.len()) as f64);
    }
    rounds.sort_by(f64::total_cmp);
    Ok((parts.shape.nodes, rounds.get(ROUNDS / 2).copied().unwrap_or(f64::NAN)))
}
