//! What can go wrong in the demo.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::api::{KeysError, ServerError};
use crate::broker::EmbeddedError;
use crate::commands::publish::PublishCommandError;
use crate::commands::retrain::RetrainError;
use crate::ingest::IngestError;
use crate::report::ReportError;
use crate::simulate::SimulateError;
use crate::tables::TablesError;
use crate::telemetry::training::{CsvError, TrainingError};
use crate::train::folder::FolderError;

/// Why the demo did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The folder holds something else.
    #[error("{} is not empty and not a demo's; name another folder with --out", .0.display())]
    Foreign(PathBuf),
    /// Unix sockets have short paths.
    #[error("{} is too long for a unix socket's path (107 bytes); name a shorter folder with --out", .0.display())]
    LongPath(PathBuf),
    /// No agent.
    #[error("cannot start the agent {}: {source}; build it, or say with --agent where it is", path.display())]
    NoAgent {
        /// The program.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An agent ended, or never listened.
    #[error("the agent of {tail} {what}; its log is {}", log.display())]
    Agent {
        /// The aircraft.
        tail: String,
        /// What happened.
        what: String,
        /// Its log.
        log: PathBuf,
    },
    /// An agent refused the model, or never said that it has it.
    #[error("{aircraft} of 3 aircraft use the model after {} s", patience.as_secs())]
    ModelNotTaken {
        /// How many have it.
        aircraft: usize,
        /// How long the demo waited.
        patience: Duration,
    },
    /// No flight long enough.
    #[error("no flights long enough were simulated with --seed {0}; try another seed")]
    NoFlight(u64),
    /// Ctrl-C or SIGTERM.
    #[error("stopped before its end; the agents are stopped too")]
    Interrupted,
    /// A file.
    #[error("cannot write {}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A value that does not encode.
    #[error("cannot write {what}: {message}")]
    Encode {
        /// What.
        what: &'static str,
        /// Why not.
        message: String,
    },
    /// A thread or task broke off: a mistake in the program.
    #[error("the demo broke off: {0}")]
    Broken(String),
    /// Simulating the history.
    #[error(transparent)]
    Simulate(#[from] SimulateError),
    /// Training.
    #[error(transparent)]
    Retrain(#[from] RetrainError),
    /// The model folder.
    #[error(transparent)]
    Model(#[from] FolderError),
    /// The telemetry that the scoring API's model is trained on.
    #[error(transparent)]
    Csv(#[from] CsvError),
    /// Training that model.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// The dashboard's key.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The dashboard.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The broker.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// Publishing the model.
    #[error(transparent)]
    Publish(#[from] PublishCommandError),
    /// Ingest.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The tables.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// The report.
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl DemoError {
    /// Whether it is the call that is wrong.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Foreign(_) | Self::LongPath(_) | Self::NoAgent { .. })
    }

    /// For `map_err` where a file can't be written.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
