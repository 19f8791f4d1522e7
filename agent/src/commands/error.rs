//! Why a command failed, and which exit code says so.

use std::path::{Path, PathBuf};

use super::record::RecordError;
use super::rules_test::RulesTestError;
use crate::config::LoadError;
use crate::link::LinkError;
use crate::sources::SourceError;
use crate::store::StoreError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// The database.
    #[error("{}: {source}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: StoreError,
    },
    /// The sources.
    #[error("the sources cannot start: {0}")]
    Sources(#[from] SourceError),
    /// The link.
    #[error("the link cannot start: {0}")]
    Link(#[from] LinkError),
    /// An event that could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A log that could not be tested.
    #[error(transparent)]
    RulesTest(#[from] RulesTestError),
    /// Signals can't be waited for.
    #[error("signals cannot be waited for: {0}")]
    Signals(std::io::Error),
    /// Nobody looks after the other threads.
    #[error("cannot start the attendant's thread: {0}")]
    Attendant(std::io::Error),
    /// The output.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
    /// A file named on the command line.
    #[error("cannot read {}: {source}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A bundle for support that can't be written.
    #[error("cannot write the bundle {}: {source}; --output names another file, or - for standard output", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A bundle that this agent would refuse.
    #[error("{}: this agent would refuse the model: {refusal}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// Why.
        refusal: crate::model::Refusal,
    },
}

impl CommandError {
    pub(crate) fn store(path: &Path, source: StoreError) -> Self {
        Self::Store { path: path.to_owned(), source }
    }

    /// 2 for a wrong configuration, 1 for everything else.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => 2,
            _ => 1,
        }
    }
}

impl From<serde_json::Error> for CommandError {
    fn from(error: serde_json::Error) -> Self {
        Self::Output(error.into())
    }
}

impl From<csv::Error> for CommandError {
    fn from(error: csv::Error) -> Self {
        Self::Output(error.into())
    }
}
