//! `cabinwatch-ground retrain`: from EDR files and the window archive to a signed model, or from network telemetry to the
//! model of the scoring API.

use std::io::Write;
use std::path::PathBuf;

use cabinwatch_shared::model::Limits;
use cabinwatch_shared::time::UnixSeconds;
use comfy_table::Table;

use super::read_history::{parse_instant, print_training, read_training, system_now};
use super::retrain_telemetry::{self, RetrainTelemetryError};
use crate::config::{Config, Flag};
use crate::history::HistoryError;
use crate::operations::{BatchCommand, BatchRun};
use crate::train::folder::{FolderError, ModelFolder};
use crate::train::{BundleError, BundleSettings, Evaluation, TrainError, Training, bundle};

/// Flags of `retrain`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct RetrainArgs {
    /// CSV of network telemetry: trains the model that `serve` scores with, and nothing else
    #[arg(long, value_name = "FILE", conflicts_with_all = ["history", "archive", "days", "cohort", "metrics_file", "now"])]
    pub telemetry: Option<PathBuf>,
    /// Print what was trained as JSON; with --telemetry only
    #[arg(long, requires = "telemetry")]
    pub json: bool,
    /// Folder of the EDR files, e.g. file:///data/edr or hdfs://namenode:8020/edr
    #[arg(long, value_name = "URL")]
    pub history: Option<String>,
    /// Window archive that ingest keeps, instead of EDR files or, if both are given, added to them
    #[arg(long, value_name = "URL")]
    pub archive: Option<String>,
    /// Train on the files of this many days, by the date in their names
    #[arg(long, value_name = "N")]
    pub days: Option<u32>,
    /// Folder for model.cwm, zscore_stats.csv and evaluation.json; with --telemetry, for telemetry.cwt
    #[arg(long, value_name = "DIR")]
    pub model_dir: Option<PathBuf>,
    /// Which aircraft the model is for
    #[arg(long, value_name = "NAME")]
    pub cohort: Option<String>,
    /// File to leave metrics in for the node exporter's textfile collector, or the folder for it
    #[arg(long, value_name = "PATH")]
    pub metrics_file: Option<PathBuf>,
    /// Count the days back from here instead of from the system's clock
    #[arg(long, value_name = "RFC3339", value_parser = parse_instant)]
    pub now: Option<UnixSeconds>,
}

/// Why training failed.
#[derive(Debug, thiserror::Error)]
pub enum RetrainError {
    /// History.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Training.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The model folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Telemetry.
    #[error(transparent)]
    Telemetry(#[from] RetrainTelemetryError),
    /// Output.
    #[error("cannot write the summary: {0}")]
    Output(#[from] std::io::Error),
}

impl RetrainArgs {
    /// The settings the flags set.
    #[must_use]
    pub fn flags(&self) -> Vec<Flag> {
        vec![
            ("--history", "history.url", self.history.clone()),
            ("--archive", "retrain.archive", self.archive.clone()),
            ("--days", "retrain.days", self.days.map(|days| days.to_string())),
            ("--model-dir", "model.dir", self.model_dir.as_ref().map(|dir| dir.display().to_string())),
            ("--cohort", "model.cohort", self.cohort.clone()),
            (
                "--metrics-file",
                "metrics.textfile",
                self.metrics_file.as_ref().map(|path| path.display().to_string()),
            ),
        ]
    }
}

impl RetrainError {
    /// Whether it is the call that is wrong, not the data.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::History(error) => error.is_usage(),
            Self::Train(error) => error.is_usage(),
            Self::Folder(error) => matches!(error, FolderError::NoFolder),
            Self::Telemetry(error) => error.is_usage(),
            Self::Bundle(_) | Self::Output(_) => false,
        }
    }
}

/// Does what the command line asks for: [`run`], or with `--telemetry` the model of the scoring API.
///
/// # Errors
/// Those of the two.
pub fn run_command(config: &Config, args: &RetrainArgs, out: &mut dyn Write) -> Result<(), RetrainError> {
    match &args.telemetry {
        Some(csv) => Ok(retrain_telemetry::run(csv, &config.model, args.json, out)?),
        None => run(config, args, out).map(drop),
    }
}

/// Trains on the configured history and leaves a signed bundle in the model folder.
///
/// # Errors
/// When history, training or the model folder fail; the bundle of before is still there then.
pub fn run(config: &Config, args: &RetrainArgs, out: &mut dyn Write) -> Result<Evaluation, RetrainError> {
    let run = BatchRun::begin(BatchCommand::Retrain, &config.metrics);
    let result = retrain(config, args, out);
    run.end_retrain(result.as_ref().ok());
    result
}

fn retrain(config: &Config, args: &RetrainArgs, out: &mut dyn Write) -> Result<Evaluation, RetrainError> {
    let folder = ModelFolder::of(&config.model)?;
    let version = folder.next_version()?;
    let now = system_now();
    let days_end = args.now.unwrap_or(now);
    let aggregates = read_training(config, days_end)?;
    print_training(&aggregates, out)?;
    let training = Training::of(&aggregates, &config.retrain)?;
    let z_threshold = config.detect.z_threshold;
    let evaluation = Evaluation::of(&aggregates, &training, version, z_threshold);
    let (signer, made_now) = folder.signing_pair()?;
    let settings = BundleSettings {
        version,
        created: now,
        valid_days: config.model.valid_days,
        cohort: config.model.cohort.as_str(),
        z_threshold,
    };
    let bundle = bundle(&aggregates, &training, &settings, &signer)?;
    folder.write(&aggregates, &training, &evaluation, &bundle, signer.public())?;
    if made_now {
        writeln!(out, "Made a signing key for this folder: {}", folder.key_path().display())?;
    }
    if bundle.len() > Limits::AGENT.bundle_bytes || evaluation.keys > u64::from(Limits::AGENT.keys) {
        tracing::warn!(
            bytes = bundle.len(),
            keys = evaluation.keys,
            "the bundle is larger than an agent takes (2 MiB, 8192 fault keys): agents will refuse it"
        );
    }
    print(&evaluation, bundle.len(), out)?;
    writeln!(out, "Model {} is in {}", version.0, folder.bundle_path().display())?;
    Ok(evaluation)
}

fn print(evaluation: &Evaluation, bundle_bytes: usize, out: &mut dyn Write) -> std::io::Result<()> {
    let share = |rows: u64| format!("{rows} ({:.3} %)", 100.0 * rows as f64 / evaluation.rows.max(1) as f64);
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    let mut row = |name: &str, value: String| {
        table.add_row([name.to_owned(), value]);
    };
    row("training rows", evaluation.rows.to_string());
    row("windows", evaluation.windows.to_string());
    row("fault keys", format!("{}, {} of them with a z score", evaluation.keys, evaluation.keys_with_z));
    row("forest", format!("{} trees of {} rows", evaluation.trees, evaluation.max_samples));
    row("forest offset", evaluation.forest_offset.to_string());
    row("anomalies by z score", share(evaluation.anomaly_z));
    row("anomalies by forest", share(evaluation.anomaly_iforest));
    row("anomalies by both", share(evaluation.anomaly_both));
    let percentile = |p: &crate::train::evaluation::Percentile| format!("{} %: {:.3}", p.percent, p.score);
    let percentiles: Vec<String> = evaluation.score_percentiles.iter().map(percentile).collect();
    row("forest scores", percentiles.join(", "));
    row("bundle", format!("{bundle_bytes} bytes"));
    writeln!(out, "{table}")
}
