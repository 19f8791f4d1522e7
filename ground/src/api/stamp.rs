//! Noticing that a file is another one than before.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::{fs, io};

/// What tells one version of a file from the next, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// The file's, or what the system says about it.
    pub(super) fn of(path: &Path) -> Result<Self, io::ErrorKind> {
        let file = fs::metadata(path).map_err(|error| error.kind())?;
        let modified = (file.mtime(), file.mtime_nsec());
        Ok(Self { device: file.dev(), inode: file.ino(), bytes: file.len(), modified })
    }
}
