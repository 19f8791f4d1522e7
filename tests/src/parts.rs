//! Where the real parts lie that the tests start: what is ours under `tests/parts`, what was fetched under `.cache`.

use std::path::{Path, PathBuf};

/// A file or folder of `tests/parts`.
#[must_use]
pub fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("parts").join(name)
}

/// A file or folder that `make setup` has put under `.cache`.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn fetched(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache").join(name);
    path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}; run `make setup` first", path.display()))
}
