//! Files that are written whole or not at all, and never over somebody else's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::durable;

/// The first line of what is written here.
pub(super) const MARK: &str = "# Written by `cabinwatch-ground broker-config`.\n";

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// A file of the same name that is somebody else's.
    #[error(
        "{} was not written by `cabinwatch-ground broker-config` and is left alone; choose another folder, or move it away",
        .0.display()
    )]
    Foreign(PathBuf),
    /// A file or folder can't be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no randomness.
    #[error("the system gives no random numbers for a password: {0}")]
    Random(getrandom::Error),
}

/// The folder.
pub(super) struct Place(PathBuf);

impl Place {
    /// Makes the folder if it is not there, and clears away what a run that broke off left in it.
    pub fn open(path: PathBuf) -> Result<Self, FleetError> {
        make_folder(&path)?;
        durable::sweep(&path, durable::LEFT_OVER, SystemTime::now()).map_err(|source| FleetError::File {
            action: "clear",
            path: path.clone(),
            source,
        })?;
        Ok(Self(path))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A folder in it.
    pub fn folder(&self, name: &str) -> Result<Self, FleetError> {
        Self::open(self.path(name))
    }

    /// A file's text; empty where there is none.
    pub fn read(&self, name: &str) -> Result<String, FleetError> {
        let path = self.path(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(source) => Err(FleetError::File { action: "read", path, source }),
        }
    }

    /// The text of a file that must have been written here, or not be there.
    pub fn read_ours(&self, name: &str) -> Result<String, FleetError> {
        let text = self.read(name)?;
        if text.is_empty() || text.starts_with(MARK) {
            Ok(text)
        } else {
            Err(FleetError::Foreign(self.path(name)))
        }
    }

    /// Replaces a file, which only its owner may read.
    pub fn write(&self, name: &str, text: &str) -> Result<(), FleetError> {
        let path = self.path(name);
        durable::replace_secret(&path, text.as_bytes()).map_err(|source| FleetError::File {
            action: "write",
            path,
            source,
        })
    }

    pub fn remove(&self, name: &str) -> Result<(), FleetError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(FleetError::File { action: "remove", path, source })
            }
            _ => Ok(()),
        }
    }
}

fn make_folder(path: &Path) -> Result<(), FleetError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| FleetError::File { action: "make the folder", path: path.to_owned(), source })
}
