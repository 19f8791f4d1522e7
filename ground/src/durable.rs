//! Files that are whole or not there, also after a power cut.

use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tells this process from all others. Its id would not: in containers nearly every process has the same one, and a
/// folder may be shared between containers, or outlive one.
static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
static NAMES_GIVEN: AtomicU64 = AtomicU64::new(0);

/// What names begin with of what is being built or deleted. Where it stays, its process died.
pub(crate) const UNFINISHED: &str = ".unfinished-";

/// A name for something unfinished that nobody else uses.
pub(crate) fn unfinished_name() -> String {
    format!("{UNFINISHED}{:016x}-{}", *PROCESS, NAMES_GIVEN.fetch_add(1, Ordering::Relaxed))
}

/// Writes a file in place of whatever bore its name; a reader sees the old one or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    let unfinished = folder.join(unfinished_name());
    create(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path)).inspect_err(|_| {
        // The first error is the one to report; what is left over is in nobody's way.
        let _ = fs::remove_file(&unfinished);
    })?;
    sync_folder(folder)
}

/// Writes a file and waits until the disk has it. Its folder has to be synced as well before its name is there to stay.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The folder a file lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Waits until the disk has the names in a folder.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The entries of a folder; none where it is not there.
pub(crate) fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("one");
        replace(&path, b"first").expect("written");
        replace(&path, b"second").expect("written");
        assert_eq!(fs::read(&path).expect("readable"), b"second");
        assert_eq!(entries(folder.path()).expect("a folder"), [path]);
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_entries() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(entries(&folder.path().join("absent")).expect("nothing").is_empty());
    }
}
