//! Files that are whole or not there, also after a power cut.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Tells this process from all others. Its id would not: in containers nearly every process has the same one, and a
/// folder may be shared between containers, or outlive one.
static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
static NAMES_GIVEN: AtomicU64 = AtomicU64::new(0);

/// What names begin with of what is being built or deleted. Where it stays, its process died.
const UNFINISHED: &str = ".unfinished-";
/// What is still unfinished after so long was left by a process that died.
pub(crate) const LEFT_OVER: Duration = Duration::from_secs(3600);

/// A name for something unfinished that nobody else uses.
pub(crate) fn unfinished_name() -> String {
    format!("{UNFINISHED}{:016x}-{}", *PROCESS, NAMES_GIVEN.fetch_add(1, Ordering::Relaxed))
}

/// What the process' mask leaves of it.
const FOR_ALL: u32 = 0o666;
const FOR_THE_OWNER: u32 = 0o600;

/// Writes a file in place of whatever bore its name; a reader sees the old one or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(FOR_ALL, path, bytes)
}

/// The same for a file that only its owner may read.
pub(crate) fn replace_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(FOR_THE_OWNER, path, bytes)
}

fn replace_with(mode: u32, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    let unfinished = folder.join(unfinished_name());
    create_with(mode, &unfinished, bytes).and_then(|()| fs::rename(&unfinished, path)).inspect_err(|_| {
        // The first error is the one to report; what is left over is in nobody's way.
        let _ = fs::remove_file(&unfinished);
    })?;
    sync_folder(folder)
}

/// Writes a new file and waits until the disk has it. Its folder has to be synced as well before its name is there to
/// stay.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    create_with(FOR_ALL, path, bytes)
}

fn create_with(mode: u32, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
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

/// Deletes what processes that died left unfinished in a folder, if it was last written longer ago than `age`.
pub(crate) fn sweep(folder: &Path, age: Duration, now: SystemTime) -> io::Result<()> {
    for path in entries(folder)? {
        let unfinished =
            path.file_name().is_some_and(|name| name.as_bytes().starts_with(UNFINISHED.as_bytes()));
        // What another process has deleted or moved into its place meanwhile has no age.
        let written = || fs::symlink_metadata(&path).ok()?.modified().ok();
        if unfinished
            && written().is_some_and(|written| now.duration_since(written).is_ok_and(|past| past >= age))
        {
            delete(&path)?;
        }
    }
    Ok(())
}

/// Deletes a file or a folder. Another process may have done so at the same moment.
pub(crate) fn delete(path: &Path) -> io::Result<()> {
    let deleted = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match deleted {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
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
    fn only_what_was_left_unfinished_long_ago_is_swept_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let named = folder.path().join("named");
        create(&named, b"kept").expect("written");
        let unfinished = folder.path().join(unfinished_name());
        create(&unfinished, b"half").expect("written");
        fs::create_dir(folder.path().join(unfinished_name())).expect("made");
        let written = fs::metadata(&unfinished).and_then(|file| file.modified()).expect("a time");
        sweep(folder.path(), LEFT_OVER, written).expect("swept");
        assert_eq!(entries(folder.path()).expect("a folder").len(), 3, "they may be at work on it");
        sweep(folder.path(), LEFT_OVER, written + 2 * LEFT_OVER).expect("swept");
        assert_eq!(entries(folder.path()).expect("a folder"), [named]);
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_entries() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(entries(&folder.path().join("absent")).expect("nothing").is_empty());
    }
}
