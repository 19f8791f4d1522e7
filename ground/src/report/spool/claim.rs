//! One mail, held by this process alone.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::record::Record;
use super::{MAIL, RECORD, SpoolError};
use crate::durable;

/// A mail of the queue that no other process may touch while this lives.
///
/// The lock is the system's, on the mail's own file, so it ends with the process however that ends: a mail that can
/// be claimed although its record says that it is being sent was left in the middle.
pub(super) struct Claim {
    /// Holds the lock until it is closed.
    _lock: File,
    folder: PathBuf,
    pub record: Record,
}

/// Why there is no claim.
pub(super) enum NoClaim {
    /// Another process has it.
    Taken,
    /// It is not in the queue any more.
    Gone,
}

impl Claim {
    /// Claims a mail without waiting.
    pub fn of(folder: &Path) -> Result<Result<Self, NoClaim>, SpoolError> {
        let path = folder.join(MAIL);
        let io = |source| SpoolError::io(&path, source);
        let Some(lock) = found(File::open(&path)).map_err(io)? else { return Ok(Err(NoClaim::Gone)) };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Err(NoClaim::Taken)),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        // Between opening and locking the mail may have been sent and taken out of the queue, and another may bear
        // its name by now: the lock is good only while the name still leads to the locked file.
        let Some(now) = found(fs::metadata(&path)).map_err(io)? else { return Ok(Err(NoClaim::Gone)) };
        let locked = lock.metadata().map_err(io)?;
        if (now.dev(), now.ino()) != (locked.dev(), locked.ino()) {
            return Ok(Err(NoClaim::Gone));
        }
        let record = read_record(folder)?;
        Ok(Ok(Self { _lock: lock, folder: folder.to_owned(), record }))
    }

    /// The mail's name in the queue.
    pub fn name(&self) -> String {
        super::name_of(&self.folder)
    }

    /// The mail's bytes.
    pub fn mail(&self) -> Result<Vec<u8>, SpoolError> {
        let path = self.folder.join(MAIL);
        fs::read(&path).map_err(|source| SpoolError::io(&path, source))
    }

    /// Writes the record as it is now; afterwards it is on the disk.
    pub fn save(&self) -> Result<(), SpoolError> {
        let path = self.folder.join(RECORD);
        let json =
            serde_json::to_vec_pretty(&self.record).map_err(|error| SpoolError::io(&path, error.into()))?;
        durable::replace(&path, &json).map_err(|source| SpoolError::io(&path, source))
    }

    /// Takes the mail out of the queue. The folder vanishes from it at once and is then deleted at leisure.
    pub fn remove(self, spool: &Path) -> Result<(), SpoolError> {
        let aside = spool.join(durable::unfinished_name());
        let io = |source| SpoolError::io(&self.folder, source);
        fs::rename(&self.folder, &aside).map_err(io)?;
        durable::sync_folder(&spool.join(super::QUEUE)).map_err(io)?;
        fs::remove_dir_all(&aside).map_err(io)
    }
}

/// A mail's record, to look at.
pub(super) fn read_record(folder: &Path) -> Result<Record, SpoolError> {
    let path = folder.join(RECORD);
    let bytes = fs::read(&path).map_err(|source| SpoolError::io(&path, source))?;
    serde_json::from_slice(&bytes).map_err(|source| SpoolError::Record { path, source })
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
