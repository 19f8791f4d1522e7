//! Why nothing can be sent.

use std::io;
use std::path::PathBuf;

use cabinwatch_tls::TlsError;

/// Not a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a share is a number from 0 to 1: 0.01 is one in a hundred")]
pub struct BadShare;

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The file can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A column is not there.
    #[error("{}: there is no column `{column}` in its header", path.display())]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// No row can be sent.
    #[error("{}: none of its {rows} rows can be sent{}", path.display(), why.as_ref().map(|why| format!("; the first: {why}")).unwrap_or_default())]
    NoRows {
        /// The file.
        path: PathBuf,
        /// Rows it has.
        rows: u64,
        /// What is wrong with the first.
        why: Option<String>,
    },
    /// There is no port left that the file doesn't name.
    #[error("{}: it names every port there is, so none is unexpected; pass --unexpected-port-share 0", .0.display())]
    AllPorts(PathBuf),
    /// The address.
    #[error("\"{url}\" is no address of the API: {message}")]
    Url {
        /// As it was given, without what may be secret.
        url: String,
        /// What is wrong.
        message: &'static str,
    },
    /// The key.
    #[error("the API key has characters that no HTTP header may hold; take printable ASCII")]
    Key,
    /// The authorities.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A thread of ours broke off.
    #[error("a connection's thread broke off")]
    Broken,
}

impl StreamError {
    /// Whether it is the call that is wrong, not the data.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Url { .. } | Self::Key | Self::Tls(_) | Self::AllPorts(_))
    }
}
