//! `cabinwatch-ground detect`: from EDR files to the six tables and the mail.

use std::io::Write;
use std::path::PathBuf;

use cabinwatch_shared::model::Model;
use cabinwatch_shared::time::UnixSeconds;

use super::read_history::{parse_instant, print_read, read_recent, system_now};
use crate::config::{Config, Flag};
use crate::detect::{self, DetectSummary, WindowLengthDiffers};
use crate::history::{HistoryError, ReadOptions};
use crate::operations::{BatchCommand, BatchRun};
use crate::report::{Mailer, ReportError, Reported, Run, Stretch};
use crate::tables::{self, TablesError, WindowVersion};
use crate::train::folder::{FolderError, ModelFolder};

/// Flags of `detect`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DetectArgs {
    /// Folder of the EDR files, e.g. file:///data/edr or hdfs://namenode:8020/edr
    #[arg(long, value_name = "URL")]
    pub history: Option<String>,
    /// Folder that `retrain` left its model in
    #[arg(long, value_name = "DIR")]
    pub model_dir: Option<PathBuf>,
    /// Where the anomaly tables are, e.g. sqlite:///data/tables.db
    #[arg(long, value_name = "URL")]
    pub tables: Option<String>,
    /// Where the mail goes, e.g. file:///data/mail or smtp://mail.example:587
    #[arg(long, value_name = "URL")]
    pub mail: Option<String>,
    /// File to leave metrics in for the node exporter's textfile collector, or the folder for it
    #[arg(long, value_name = "PATH")]
    pub metrics_file: Option<PathBuf>,
    /// Run as at this instant instead of the system's clock
    #[arg(long, value_name = "RFC3339", value_parser = parse_instant)]
    pub now: Option<UnixSeconds>,
    /// One JSON object instead of text: the summary, and under `mail` what became of the report
    #[arg(long)]
    pub json: bool,
}

/// Why detection failed.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// History.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The model folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The model is for other windows.
    #[error(transparent)]
    Window(#[from] WindowLengthDiffers),
    /// The tables.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// Settings of the mail, checked before anything is done.
    #[error(transparent)]
    Mail(ReportError),
    /// The mail, which could be neither sent nor kept. The tables hold the run's rows by then.
    #[error("the tables are written, but the report is neither sent nor kept: {0}")]
    Report(ReportError),
    /// Output.
    #[error("cannot write the summary: {0}")]
    Output(#[from] std::io::Error),
}

impl DetectArgs {
    /// The settings the flags set.
    #[must_use]
    pub fn flags(&self) -> Vec<Flag> {
        vec![
            ("--history", "history.url", self.history.clone()),
            ("--model-dir", "model.dir", self.model_dir.as_ref().map(|dir| dir.display().to_string())),
            ("--tables", "tables.url", self.tables.clone()),
            ("--mail", "mail.url", self.mail.clone()),
            (
                "--metrics-file",
                "metrics.textfile",
                self.metrics_file.as_ref().map(|path| path.display().to_string()),
            ),
        ]
    }
}

impl DetectError {
    /// Whether it is the call that is wrong, not the data.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::History(error) => error.is_usage(),
            Self::Folder(error) => matches!(error, FolderError::NoFolder),
            Self::Tables(error) => error.is_usage(),
            Self::Mail(error) => error.is_usage(),
            Self::Window(_) | Self::Report(_) | Self::Output(_) => false,
        }
    }
}

/// Scores the recent files with the model of the folder, writes the tables, and mails the report. Without a
/// `mail.url` no mail is made. A mail that cannot be sent now is kept, and the run has succeeded.
///
/// # Errors
/// When a step fails. The tables are written as a whole or not at all.
pub fn run(config: &Config, args: &DetectArgs, out: &mut dyn Write) -> Result<DetectSummary, DetectError> {
    let run = BatchRun::begin(BatchCommand::Detect, &config.metrics);
    let result = detect_and_print(config, args, out);
    run.end_detect(result.as_ref().ok());
    result
}

fn detect_and_print(
    config: &Config,
    args: &DetectArgs,
    out: &mut dyn Write,
) -> Result<DetectSummary, DetectError> {
    let now = args.now.unwrap_or_else(system_now);
    let mailer = mailer(config)?;
    let mut text = Vec::new();
    let (summary, reported) = detect(config, now, mailer.as_ref(), if args.json { &mut text } else { out })?;
    if args.json {
        let printed = serde_json::json!({ "summary": summary, "mail": reported });
        serde_json::to_writer_pretty(&mut *out, &printed).map_err(std::io::Error::from)?;
        writeln!(out)?;
    }
    Ok(summary)
}

fn mailer(config: &Config) -> Result<Option<Mailer>, DetectError> {
    if config.mail.url.is_empty() {
        return Ok(None);
    }
    Mailer::new(config).map(Some).map_err(DetectError::Mail)
}

fn detect(
    config: &Config,
    now: UnixSeconds,
    mailer: Option<&Mailer>,
    out: &mut dyn Write,
) -> Result<(DetectSummary, Option<Reported>), DetectError> {
    let folder = ModelFolder::of(&config.model)?;
    let bundle = folder.read_bundle()?;
    let model = folder.open_model(&bundle, &[folder.trusted()?])?;
    let z_threshold = config.detect.z_threshold;
    warn_about(&model, now, z_threshold);
    let window = ReadOptions::from_config(&config.history)?.window;
    let (aggregates, selection) = read_recent(&config.history, now)?;
    print_read(&aggregates.summary, out)?;
    if selection.fell_back {
        writeln!(
            out,
            "No file was cut within the last window; these are the newest {}.",
            selection.files.len()
        )?;
    }
    // By the clock, not by --now: who runs an old window again wants the new answer.
    let version = WindowVersion::of_run(system_now());
    let windows = detect::score(&aggregates, &model, z_threshold, version)?;
    let summary = DetectSummary::of(&windows, model.header().version, &aggregates.summary);
    let mut tables = tables::open(&config.tables.url, &config.tables)?;
    tables.replace(&windows)?;
    print(&summary, out)?;
    let Some(mailer) = mailer else {
        writeln!(out, "No mail is made: there is no mail.url.")?;
        return Ok((summary, None));
    };
    let mut stretches = Stretch::of(windows.iter().map(|scored| scored.window));
    if stretches.is_empty() {
        let from = UnixSeconds(now.0.saturating_sub(i64::from(window.as_seconds())));
        stretches.push(Stretch { from, until: now });
    }
    let run = Run {
        stretches,
        model: summary.model_version,
        windows: summary.windows_with_failures,
        rows: summary.rows,
        generated_at: now,
    };
    let reported = mailer.report(&run, &*tables).map_err(DetectError::Report)?;
    writeln!(out, "Mail \"{}\":", reported.subject)?;
    super::report::print(&reported, out)?;
    Ok((summary, Some(reported)))
}

fn warn_about(model: &Model<'_>, now: UnixSeconds, z_threshold: f64) {
    let header = model.header();
    if now >= header.expires {
        tracing::warn!(expired = %header.expires, "the model has expired; `retrain` makes a new one");
    }
    if header.z_threshold != z_threshold {
        tracing::warn!(
            configured = z_threshold,
            model = header.z_threshold,
            "detect.z_threshold is not the model's, with which aircraft score; the configured one is used here"
        );
    }
}

fn print(summary: &DetectSummary, out: &mut dyn Write) -> std::io::Result<()> {
    match (summary.from, summary.until) {
        (Some(from), Some(until)) => writeln!(
            out,
            "Scored {} rows in {} windows from {from} to {until} with model {}.",
            summary.rows, summary.windows, summary.model_version.0
        )?,
        _ => writeln!(out, "There was no attempt to score.")?,
    }
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["table", "rows of this run"]);
    for (name, rows) in &summary.tables {
        table.add_row([(*name).to_owned(), rows.to_string()]);
    }
    writeln!(out, "{table}")
}
