//! Why a model folder cannot be used.

use std::io;
use std::path::PathBuf;

use cabinwatch_shared::model::ModelVersion;

use super::BUNDLE_FILE;
use crate::train::hand_overs::HandOverError;
use crate::train::keys::KeyError;

/// Why a model folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// No folder given.
    #[error("no model folder given: set model.dir or pass --model-dir")]
    NoFolder,
    /// No model yet.
    #[error("there is no model in {}: {BUNDLE_FILE} is missing; `cabinwatch-ground retrain` makes it", .0.display())]
    NoModel(PathBuf),
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bundle is damaged or of another signer.
    #[error("{} cannot be used: {source}; move it away if it is to be replaced", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: cabinwatch_shared::model::BundleError,
    },
    /// The bundle cannot be signed again.
    #[error("{} cannot be signed again: {source}", path.display())]
    Reseal {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: crate::train::BundleError,
    },
    /// All versions are used up.
    #[error("{} has the last version there can be; start a new model folder", .0.display())]
    LastVersion(PathBuf),
    /// Another model came first.
    #[error(
        "{} has got another model while model {} was made, so nothing is replaced; run it again",
        dir.display(),
        version.0
    )]
    Overtaken {
        /// The folder.
        dir: PathBuf,
        /// The version that is taken by now.
        version: ModelVersion,
    },
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The keys before it.
    #[error(transparent)]
    HandOver(#[from] HandOverError),
    /// Statistics or evaluation do not encode.
    #[error("cannot write {file}: {reason}")]
    Encode {
        /// The file.
        file: &'static str,
        /// What is wrong.
        reason: String,
    },
}
