//! Metrics of a batch run, left in a file when it ends, well or badly.

use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::textfile::{self, TextfileError};
use crate::config::MetricsConfig;
use crate::detect::DetectSummary;
use crate::history::{ReadSummary, RejectReason};
use crate::train::Evaluation;

/// The commands that run and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchCommand {
    /// `detect`.
    Detect,
    /// `retrain`.
    Retrain,
}

/// A run that leaves its metrics when it ends.
#[derive(Debug)]
pub struct BatchRun {
    command: BatchCommand,
    path: Option<PathBuf>,
    began: Instant,
}

/// A gauge that holds a whole or broken number.
type Number = Gauge<f64, std::sync::atomic::AtomicU64>;
type ByLabel = Family<[(&'static str, String); 1], Number>;

impl BatchCommand {
    const fn name(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Retrain => "retrain",
        }
    }
}

impl BatchRun {
    /// Begins. Without a `metrics.textfile` it leaves nothing.
    #[must_use]
    pub fn begin(command: BatchCommand, config: &MetricsConfig) -> Self {
        let path = Some(&config.textfile).filter(|path| !path.as_os_str().is_empty());
        let path = path.map(|path| textfile::path(path, command.name()));
        Self { command, path, began: Instant::now() }
    }

    /// The end of `detect`; without a summary it failed. A file that can't be written is logged: it must not turn a
    /// run that worked into one that failed.
    pub fn end_detect(&self, summary: Option<&DetectSummary>) {
        self.end(summary.is_some(), |registry| {
            if let Some(summary) = summary {
                detect(registry, summary);
            }
        });
    }

    /// The end of `retrain`, likewise.
    pub fn end_retrain(&self, evaluation: Option<&Evaluation>) {
        self.end(evaluation.is_some(), |registry| {
            if let Some(evaluation) = evaluation {
                retrain(registry, evaluation);
            }
        });
    }

    fn end(&self, success: bool, register: impl FnOnce(&mut Registry)) {
        if let Err(error) = self.write(success, register) {
            tracing::error!("{error}");
        }
    }

    fn write(&self, success: bool, register: impl FnOnce(&mut Registry)) -> Result<(), TextfileError> {
        let Some(path) = &self.path else { return Ok(()) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let prefix = format!("cabinwatch_{}", self.command.name());
        let last_success = "last_success_timestamp_seconds";
        let succeeded = if success {
            now
        } else {
            textfile::value(path, &format!("{prefix}_{last_success}")).unwrap_or_default()
        };
        let mut registry = Registry::with_prefix(prefix);
        number(&mut registry, "success", "1 when the last run succeeded", f64::from(u8::from(success)));
        number(&mut registry, "last_run_timestamp_seconds", "When the last run ended", now);
        number(&mut registry, last_success, "When a run last succeeded, 0 for never", succeeded);
        let duration = self.began.elapsed().as_secs_f64();
        number(&mut registry, "duration_seconds", "How long the last run took", duration);
        register(&mut registry);
        let mut text = String::new();
        let written = encode(&mut text, &registry).map_err(std::io::Error::other);
        written.map_err(|source| TextfileError { path: path.clone(), source })?;
        textfile::write(path, &text)
    }
}

fn detect(registry: &mut Registry, summary: &DetectSummary) {
    read(registry, &summary.history);
    number(registry, "windows", "Windows with at least one attempt", summary.windows as f64);
    number(registry, "rows", "Rows that were scored", summary.rows as f64);
    let tables = summary.tables.iter().map(|(table, rows)| ((*table).to_owned(), *rows));
    labelled(registry, "table_rows", "Rows of each anomaly table", "table", tables);
    number(registry, "model_version", "The model that scored", f64::from(summary.model_version.0));
}

fn retrain(registry: &mut Registry, evaluation: &Evaluation) {
    read(registry, &evaluation.history);
    number(registry, "training_rows", "Rows trained on", evaluation.rows as f64);
    number(registry, "windows", "Windows with at least one row", evaluation.windows as f64);
    number(registry, "fault_keys", "Fault keys", evaluation.keys as f64);
    number(registry, "fault_keys_with_z", "Fault keys that can get a z score", evaluation.keys_with_z as f64);
    let alarms = [
        ("zscore", evaluation.anomaly_z),
        ("iforest", evaluation.anomaly_iforest),
        ("both", evaluation.anomaly_both),
    ];
    let alarms = alarms.map(|(detector, rows)| (detector.to_owned(), rows)).into_iter();
    labelled(registry, "anomalous_rows", "Training rows that detectors call anomalies", "detector", alarms);
    number(registry, "model_version", "The model that was made", f64::from(evaluation.model_version.0));
}

/// How reading the files went.
fn read(registry: &mut Registry, summary: &ReadSummary) {
    number(registry, "files", "EDR files read", summary.files as f64);
    number(registry, "set_aside_files", "EDR files not used at all", summary.set_aside.len() as f64);
    number(registry, "read_bytes", "Bytes read", summary.bytes as f64);
    let states = [("fail", summary.fail), ("success", summary.success), ("other", summary.ignored())];
    let states = states.map(|(state, rows)| (state.to_owned(), rows)).into_iter();
    labelled(registry, "read_rows", "Rows read, by state", "state", states);
    let rejected = RejectReason::ALL.into_iter().map(|reason| {
        let rows = summary.rejected.get(&reason).copied().unwrap_or_default();
        (reason.as_str().to_owned(), rows)
    });
    labelled(registry, "rejected_rows", "Rows that could not be read, by reason", "reason", rejected);
}

fn number(registry: &mut Registry, name: &str, help: &str, value: f64) {
    let gauge = Number::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn labelled(
    registry: &mut Registry,
    name: &str,
    help: &str,
    label: &'static str,
    values: impl Iterator<Item = (String, u64)>,
) {
    let family = ByLabel::default();
    for (of, value) in values {
        family.get_or_create(&[(label, of)]).set(value as f64);
    }
    registry.register(name, help, family);
}
