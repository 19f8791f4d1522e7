//! Scores rows with a forest that scikit-learn grew, to compare the two.
//!
//! `score_forest FOREST.json ROWS.csv` reads what `deploy/migrate/export_forest.py` exports and a CSV without a header, one
//! row of features a line. For each row it prints the score with 17 digits and the verdict as
//! `predict` gives it: -1 for an anomaly, else 1.

use std::error::Error;
use std::io::Write;

use cabinwatch_ground::train::import::read_forest;
use cabinwatch_shared::forest::Forest;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(forest), Some(rows)) = (arguments.next(), arguments.next()) else {
        return Err("usage: score_forest FOREST.json ROWS.csv".into());
    };
    let imported = read_forest(&std::fs::read(forest)?)?;
    let (forest, _) = Forest::open(imported.parts.shape, &imported.parts.bytes)?;
    let mut rows = csv::ReaderBuilder::new().has_headers(false).from_path(rows)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for row in rows.deserialize() {
        let row: Vec<f32> = row?;
        let score = forest.score(&row);
        writeln!(out, "{:.17},{}", score.0, if score.is_anomaly(imported.offset) { -1 } else { 1 })?;
    }
    Ok(out.flush()?)
}
