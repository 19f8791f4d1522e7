//! `cabinwatch-ground retrain --telemetry FILE.csv`: from a CSV of network telemetry to the scorer's model.

use std::fs;
use std::io::Write;
use std::path::Path;

use comfy_table::Table;

use super::progress::bar;
use super::read_history::system_now;
use crate::config::ModelConfig;
use crate::telemetry::training::{CsvError, Summary, TrainingError, read_csv, train};

/// Why there is no new telemetry model.
#[derive(Debug, thiserror::Error)]
pub enum RetrainTelemetryError {
    /// No folder.
    #[error("no model folder given: set model.dir or pass --model-dir")]
    NoFolder,
    /// The CSV.
    #[error(transparent)]
    Csv(#[from] CsvError),
    /// Training.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// Output.
    #[error("cannot write the summary: {0}")]
    Output(#[from] std::io::Error),
}

impl RetrainTelemetryError {
    /// Whether it is the call that is wrong, not the data.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::NoFolder)
    }
}

/// Trains on a CSV and puts the model into the model folder.
pub(super) fn run(
    csv: &Path,
    model: &ModelConfig,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), RetrainTelemetryError> {
    if model.dir.as_os_str().is_empty() {
        return Err(RetrainTelemetryError::NoFolder);
    }
    let bytes = fs::metadata(csv).map_or(0, |file| file.len());
    let progress = bar("reading", bytes);
    let data = read_csv(csv, &mut |read| progress.set_position(read))?;
    progress.finish_and_clear();
    let progress = bar("training", 1);
    let trained = train(&data, system_now())?;
    progress.finish_and_clear();
    let path = trained.write(&model.dir)?;
    if json {
        print_json(&trained.summary, out)?;
    } else {
        print(&trained.summary, &path, out)?;
    }
    Ok(())
}

fn print_json(summary: &Summary, out: &mut dyn Write) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, summary)?;
    writeln!(out)
}

fn print(summary: &Summary, path: &Path, out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    let mut row = |name: &str, value: String| {
        table.add_row([name.to_owned(), value]);
    };
    let share = 100.0 * summary.anomalies as f64 / summary.rows as f64;
    row("training rows", format!("{}, {}", summary.rows, summary.dropped));
    for of in &summary.scaling {
        row(of.feature, format!("mean {:.3}, deviation {:.3}", of.scaling.mean, of.scaling.scale));
    }
    row("protocols", summary.protocols.join(", "));
    row(
        "forest",
        format!("{} trees of {} rows, offset {}", summary.trees, summary.max_samples, summary.offset),
    );
    row("anomalies among them", format!("{} ({share:.3} %)", summary.anomalies));
    row("model", format!("{}, {} bytes", summary.model, summary.model_bytes));
    writeln!(out, "{table}")?;
    writeln!(out, "The model is in {}", path.display())
}
