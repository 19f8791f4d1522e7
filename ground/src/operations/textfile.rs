//! A file of metrics for the node exporter's textfile collector.

use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use crate::durable;

/// Why the file was not written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the metrics to {} (metrics.textfile): {source}", path.display())]
pub struct TextfileError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// The file for a command: the configured one, or, where that is a folder, one in it named after the command.
pub(super) fn path(configured: &Path, command: &str) -> PathBuf {
    if configured.is_dir() || configured.as_os_str().to_string_lossy().ends_with('/') {
        return configured.join(format!("cabinwatch_{command}.prom"));
    }
    configured.to_owned()
}

/// The value of a metric without labels in the file, if it is there.
pub(super) fn value(path: &Path, name: &str) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Puts the file in place as a whole, under a name that the collector does not read until then.
pub(super) fn write(path: &Path, text: &str) -> Result<(), TextfileError> {
    let folder = durable::folder_of(path);
    let write = || {
        fs::create_dir_all(folder)?;
        durable::replace(path, text.as_bytes())?;
        durable::sweep(folder, durable::LEFT_OVER, SystemTime::now())
    };
    write().map_err(|source| TextfileError { path: path.to_owned(), source })
}
