//! The lock file beside the database. It keeps a second agent away, and holds the word of the last one that it left in
//! order.
//!
//! Why the word is for the orderly end, and not a mark for the other: whatever goes wrong with it then errs on the side
//! of reporting. A full disk can't keep a word from being taken back, for a file can be emptied without room for
//! anything; and a word that could not be given, or was given and never reached the disk, is missing like one that
//! nobody could give.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::StoreError;

/// What an agent leaves in the file when everything it was handed over is stored.
const WORD: &[u8] = b"left in order\n";

/// The file, locked for as long as this lives; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: File,
    /// Whether the file holds the word.
    word: bool,
}

impl Lock {
    /// Takes the lock. The word stays as it is.
    pub(super) fn take(path: PathBuf, database: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Lock { path: path.clone(), source };
        let options = OpenOptions::new().create(true).read(true).append(true).open(&path);
        let mut file = options.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy(database.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut found = Vec::new();
        // What can't be read is no word.
        let word = (&mut file).take(64).read_to_end(&mut found).is_ok() && found == WORD;
        Ok(Self { path, file, word })
    }

    /// Whether the file holds the word.
    pub(super) const fn has_word(&self) -> bool {
        self.word
    }

    /// Takes the word back, durably: from now on, only [`Self::give_word`] tells that nothing is missing.
    pub(super) fn take_word_back(&mut self) {
        let emptied = self.file.set_len(0).and_then(|()| self.file.sync_all());
        self.word = false;
        self.tell("if the power is cut now, the next start will not know", emptied);
    }

    /// Gives the word, durably.
    pub(super) fn give_word(&mut self) {
        let written = self.file.set_len(0).and_then(|()| self.file.write_all(WORD));
        let written = written.and_then(|()| self.file.sync_all());
        self.word = written.is_ok();
        self.tell("the next start will take this end for an unclean one", written);
    }

    fn tell(&self, consequence: &str, outcome: io::Result<()>) {
        if let Err(error) = outcome {
            tracing::warn!("cannot write {}: {error}; {consequence}", self.path.display());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    /// Tries again while the lock is taken: a program that another test starts at this moment holds, until it really
    /// runs, all files that were open here.
    pub(crate) fn patiently<T>(open: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        for _ in 0..1000 {
            match open() {
                Err(StoreError::Busy(_)) => std::thread::sleep(Duration::from_millis(10)),
                opened => return opened,
            }
        }
        open()
    }

    fn take(folder: &TempDir) -> Lock {
        let (lock, database) = (folder.path().join("agent.db.lock"), folder.path().join("agent.db"));
        patiently(|| Lock::take(lock.clone(), &database)).expect("taken")
    }

    #[test]
    fn the_word_holds_until_it_is_taken_back() {
        let folder = TempDir::new().expect("a folder");
        assert!(!take(&folder).has_word(), "a new file holds none");
        take(&folder).give_word();
        for _ in 0..2 {
            assert!(take(&folder).has_word(), "the lock alone changes nothing");
        }
        take(&folder).take_word_back();
        assert!(!take(&folder).has_word());
    }

    #[test]
    fn a_word_given_twice_is_one() {
        let folder = TempDir::new().expect("a folder");
        let mut lock = take(&folder);
        lock.give_word();
        lock.give_word();
        drop(lock);
        assert!(take(&folder).has_word());
    }

    #[test]
    fn half_a_word_or_anything_else_is_none() {
        let folder = TempDir::new().expect("a folder");
        for other in [&WORD[..5], &[0; 14], &[WORD, WORD].concat(), &vec![b'x'; 100_000]] {
            fs::write(folder.path().join("agent.db.lock"), other).expect("written");
            assert!(!take(&folder).has_word());
        }
    }

    #[test]
    fn a_file_that_can_not_be_written_still_locks() {
        let folder = TempDir::new().expect("a folder");
        let mut lock = take(&folder);
        lock.give_word();
        // As on a file system that went read-only under the agent.
        lock.file = File::open(&lock.path).expect("opened");
        lock.take_word_back();
        assert!(!lock.has_word(), "this process does not rely on it");
        lock.give_word();
        assert!(!lock.has_word());
    }
}
