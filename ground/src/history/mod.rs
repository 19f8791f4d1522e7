//! EDR files: where they lie, how they are read, and what is counted in them.
//!
//! [`open`] finds the folder behind a URL, [`select`] picks the files of a run, [`aggregate`] reads them on all
//! cores and counts failures and successes per window. `docs/history.md` says what a file must look like and what
//! happens to one that does not.

mod aggregate;
mod archive;
mod columns;
mod count;
mod dates;
mod file_name;
mod folder;
mod intern;
mod reader;
pub(crate) mod records;
mod remote;
mod select;
mod summary;

use std::io::Read;
use std::time::Duration;

pub use aggregate::{AggregateRow, Aggregates, PointSuccesses, Tally, aggregate};
pub use archive::{ArchiveSelection, ArchiveSummary, select_archive};
pub use file_name::{BadFileName, cut_time};
pub use select::{Selection, recent, training};
pub use summary::{ReadSummary, RejectReason, Rejected, SetAside};

use cabinwatch_archive::{Storage, StorageError};
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::window::WindowLength;

use crate::config::HistoryConfig;

/// One EDR file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryFile {
    /// Its name in the folder.
    pub name: String,
    /// When it was cut, as its name says.
    pub cut: UnixSeconds,
}

/// What a folder holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The EDR files, oldest first; by name where two were cut at the same time.
    pub files: Vec<HistoryFile>,
    /// Files whose names do not follow the pattern.
    pub other_files: u64,
    /// Files that follow the pattern but for a date that no calendar has.
    pub bad_names: Vec<BadFileName>,
}

impl Listing {
    /// Sorts files into EDR files and others by their names.
    fn of<'a>(names: impl IntoIterator<Item = &'a str>, prefix: &str) -> Self {
        let mut listing = Self::default();
        for name in names {
            match cut_time(name, prefix) {
                Ok(Some(cut)) => listing.files.push(HistoryFile { name: name.to_owned(), cut }),
                Err(bad) => listing.bad_names.push(bad),
                Ok(None) => {
                    tracing::debug!(file = name, "not an EDR file by its name");
                    listing.other_files += 1;
                }
            }
        }
        listing.files.sort_by(|a, b| (a.cut, &a.name).cmp(&(b.cut, &b.name)));
        listing.bad_names.sort_by(|a, b| a.0.cmp(&b.0));
        listing
    }
}

/// A folder of EDR files, wherever it lies.
pub trait History: Send + Sync {
    /// What the folder holds.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    fn list(&self) -> Result<Listing, HistoryError>;

    /// Opens one of its files.
    ///
    /// # Errors
    /// When the file cannot be opened.
    fn open(&self, file: &HistoryFile) -> Result<Box<dyn Read + Send>, HistoryError>;

    /// Tells which files will be opened, in this order, so that one from afar can be under way before it is wanted.
    fn will_open(&self, _files: &[HistoryFile]) {}

    /// The folder and the pattern of its files, for messages.
    fn describe(&self) -> String;
}

/// How files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// How long a window is.
    pub window: WindowLength,
    /// Longest row in bytes.
    pub max_line_bytes: usize,
    /// Whether the first row or file that cannot be read ends the run.
    pub strict: bool,
}

impl ReadOptions {
    /// The options of the configuration.
    ///
    /// # Errors
    /// When a window or a line would have no length.
    pub fn from_config(config: &HistoryConfig) -> Result<Self, HistoryError> {
        let seconds = std::num::NonZeroU32::new(config.window_seconds)
            .ok_or(HistoryError::Setting("history.window_seconds"))?;
        if config.max_line_bytes == 0 {
            return Err(HistoryError::Setting("history.max_line_bytes"));
        }
        Ok(Self {
            window: WindowLength::seconds(seconds),
            max_line_bytes: config.max_line_bytes as usize,
            strict: config.strict,
        })
    }
}

/// Why history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// No URL given.
    #[error("no history given: set history.url or pass --history, e.g. --history file:///data/edr")]
    NoUrl,
    /// Neither EDR files nor an archive to train on.
    #[error(
        "no history given: pass --history with a folder of EDR files, --archive with a window archive, or both, or set history.url or retrain.archive"
    )]
    NoSource,
    /// The URL is none, or of a kind that is not supported.
    #[error("cannot use the history `{url}`: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting that must be at least one.
    #[error("setting `{0}` must be at least 1")]
    Setting(&'static str),
    /// The folder cannot be listed.
    #[error("cannot list the history folder {folder}: {source}")]
    List {
        /// The folder.
        folder: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file cannot be opened, or breaks off with an error of the storage.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// No file to read.
    #[error("there is no EDR file to read: no file {0}")]
    NoFiles(String),
    /// The window archive cannot be read.
    #[error("cannot read the window archive: {0}")]
    Archive(StorageError),
    /// The window archive has nothing.
    #[error("there is nothing to read in the window archive {0}: it has no days")]
    EmptyArchive(String),
    /// The archive's windows cannot be added up to the run's.
    #[error(
        "none of the {rows} rows of the window archive can be used: their windows are no even parts of {run} s; set history.window_seconds to the length that the aircraft use"
    )]
    ArchiveLength {
        /// Rows of other lengths.
        rows: u64,
        /// The run's length in seconds.
        run: u32,
    },
    /// Every file was set aside.
    #[error("none of the {files} EDR files can be used; the first: {first}")]
    NoUsableFile {
        /// How many there were.
        files: usize,
        /// The first, with its reason.
        first: SetAside,
    },
    /// Strict reading met a file it cannot use.
    #[error("{0} (history.strict is on)")]
    StrictFile(SetAside),
    /// Strict reading met a row it cannot use.
    #[error("{0} (history.strict is on)")]
    StrictRow(Rejected),
    /// More kinds of faults than anyone could look at.
    #[error(
        "there are more than {0} different fault keys or points; do descriptions or points hold numbers or addresses that change with every row?"
    )]
    TooManyKeys(usize),
}

impl HistoryError {
    /// Whether it is the call that is wrong, not the data.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::NoUrl | Self::NoSource | Self::Url { .. } | Self::Setting(_))
    }
}

impl From<StorageError> for HistoryError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Url { url, reason } => Self::Url { url, reason },
            other => Self::Archive(other),
        }
    }
}

/// Finds the folder behind a URL: `file:///dir` or `hdfs://host:port/dir`. `limit` bounds each answer of HDFS.
///
/// # Errors
/// When the URL is none or its scheme is not supported.
pub fn open(url: &str, prefix: &str, limit: Duration) -> Result<Box<dyn History>, HistoryError> {
    if url.is_empty() {
        return Err(HistoryError::NoUrl);
    }
    let storage = Storage::open(url, limit)?;
    Ok(match storage.local_folder() {
        Some(path) => Box::new(folder::Folder::new(path.to_owned(), prefix)),
        None => Box::new(remote::Remote::new(storage, prefix)),
    })
}
