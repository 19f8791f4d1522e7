//! Scores telemetry events with the model of a folder, to compare with scikit-learn.
//!
//! `score_telemetry DIR` reads an event a line from standard input. For each it prints the decision with 17 digits, the
//! verdict as `predict` gives it (-1 for an anomaly, else 1), the four features, and the four contributions.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;

use cabinwatch_ground::telemetry::{Scorer, read_event};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: score_telemetry DIR")?;
    let scorer = Scorer::open(Path::new(&folder))?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().split(b'\n') {
        let line = line?;
        let event =
            read_event(&line).map_err(|problems| serde_json::to_string(&problems).unwrap_or_default())?;
        let scored = scorer.score(&event);
        write!(out, "{:.17},{}", scored.decision.0, if scored.is_anomaly() { -1 } else { 1 })?;
        scored.features().iter().try_for_each(|feature| write!(out, ",{feature:?}"))?;
        scored.contributions().iter().try_for_each(|(_, share)| write!(out, ",{share:?}"))?;
        writeln!(out)?;
    }
    Ok(out.flush()?)
}
