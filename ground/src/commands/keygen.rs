//! `cabinwatch-ground keygen`: the key pair bundles are signed with.

use std::io::Write;
use std::path::PathBuf;

use crate::config::{Config, Flag};
use crate::train::folder::{FolderError, ModelFolder};
use crate::train::keys::{public_hex, public_path};
use crate::train::{KeyError, SigningPair};

/// Flags of `keygen`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct KeygenArgs {
    /// File for the private key; the public key goes beside it with the extension .pub.
    /// Default: the configured model.signing_key, else signing.key in the model folder
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The model folder
    #[arg(long, value_name = "DIR")]
    pub model_dir: Option<PathBuf>,
}

/// Why there is no key pair.
#[derive(Debug, thiserror::Error)]
pub enum KeygenError {
    /// The pair.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No place for it.
    #[error("no place for the key: pass --out FILE ({0})")]
    NoPlace(FolderError),
    /// Output.
    #[error("cannot write the summary: {0}")]
    Output(#[from] std::io::Error),
}

impl KeygenArgs {
    /// The settings the flags set.
    #[must_use]
    pub fn flags(&self) -> Vec<Flag> {
        vec![("--model-dir", "model.dir", self.model_dir.as_ref().map(|dir| dir.display().to_string()))]
    }
}

impl KeygenError {
    /// Whether it is the call that is wrong.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::NoPlace(_) | Self::Key(KeyError::Exists(_) | KeyError::Name(_)))
    }
}

/// Makes a pair. Prints the public key as agents pin it.
///
/// # Errors
/// When a file of either name exists, or cannot be written.
pub fn run(config: &Config, args: &KeygenArgs, out: &mut dyn Write) -> Result<(), KeygenError> {
    let path = match &args.out {
        Some(path) => path.clone(),
        None => ModelFolder::of(&config.model).map_err(KeygenError::NoPlace)?.key_path(),
    };
    let pair = SigningPair::create(&path)?;
    writeln!(out, "private key: {} (keep it secret)", path.display())?;
    writeln!(out, "public key:  {}", public_path(&path).display())?;
    writeln!(out, "{}", public_hex(pair.public()))?;
    Ok(())
}
