//! `cabinwatch-ground model`: takes over the model of today's pipeline, shows what a model folder holds and how its
//! models do on aircraft, and lets another key sign.

mod import;
mod rotate;
mod show;
pub(super) mod status;

use std::io::{self, Write};
use std::path::PathBuf;

use crate::config::{Config, Flag};
use crate::history::HistoryError;
use crate::rollout::JournalError;
use crate::tables::TablesError;
use crate::train::folder::FolderError;
use crate::train::import::{ForestImportError, StatisticsError};
use crate::train::{BundleError, KeyError};

pub use import::ImportArgs;
pub use rotate::RotateArgs;
pub use show::ShowArgs;
pub use status::StatusArgs;

/// Flags of `model`.
#[derive(Clone, Debug, clap::Args)]
pub struct ModelArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ModelCommand,
}

/// What `model` can do.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum ModelCommand {
    /// Make a signed bundle of the statistics and the scikit-learn forest in use today
    Import(ImportArgs),
    /// Show what the model folder holds
    Show(ShowArgs),
    /// Show how the newest model of each cohort does on its aircraft
    Status(StatusArgs),
    /// Let another key sign from now on, and have the old one say so
    Rotate(RotateArgs),
}

/// Why it failed.
#[derive(Debug, thiserror::Error)]
pub enum ModelCommandError {
    /// The statistics.
    #[error(transparent)]
    Statistics(#[from] StatisticsError),
    /// The forest's file.
    #[error("cannot read {}: {source}", path.display())]
    ReadForest {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What stands in it.
    #[error("{}: {source}", path.display())]
    Forest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ForestImportError,
    },
    /// A forest over more than the rate.
    #[error(
        "{}: the forest splits on {features} features; the fault pipeline's has one, fail_rate", path.display()
    )]
    Features {
        /// The file.
        path: PathBuf,
        /// How many.
        features: u8,
    },
    /// The window length.
    #[error(transparent)]
    Setting(#[from] HistoryError),
    /// The bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The model folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The tables.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Output.
    #[error("cannot write the summary: {0}")]
    Output(#[from] io::Error),
}

impl ModelArgs {
    /// The settings the flags set.
    #[must_use]
    pub fn flags(&self) -> Vec<Flag> {
        let (dir, cohort, tables) = match &self.command {
            ModelCommand::Import(args) => (&args.model_dir, args.cohort.clone(), None),
            ModelCommand::Show(args) => (&args.model_dir, None, None),
            ModelCommand::Status(args) => (&args.model_dir, None, args.tables.clone()),
            ModelCommand::Rotate(args) => (&args.model_dir, None, None),
        };
        vec![
            ("--model-dir", "model.dir", dir.as_ref().map(|dir| dir.display().to_string())),
            ("--cohort", "model.cohort", cohort),
            ("--tables", "tables.url", tables),
        ]
    }
}

impl ModelCommandError {
    /// Whether it is the call that is wrong, not the data.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Setting(error) => error.is_usage(),
            Self::Folder(error) => matches!(error, FolderError::NoFolder),
            Self::Tables(error) => error.is_usage(),
            _ => false,
        }
    }
}

/// Does what was asked for.
///
/// # Errors
/// When the files can't be taken over, or there is no usable model.
pub fn run(config: &Config, args: &ModelArgs, out: &mut dyn Write) -> Result<(), ModelCommandError> {
    match &args.command {
        ModelCommand::Import(args) => import::run(config, args, out),
        ModelCommand::Show(args) => show::run(config, args, out),
        ModelCommand::Status(args) => status::run(config, args, out),
        ModelCommand::Rotate(args) => rotate::run(config, args, out),
    }
}
