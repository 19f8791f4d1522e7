//! Room on the disk, taken before it is needed, so that a disk that others have filled does not stop the counting.
//!
//! The file never grows in the middle of a transaction: SQLite may use the pages there are (`max_page_count`), and some
//! of them are always free. When they run low, a chunk is added: blocks are taken from the disk first, then written once
//! as the pages of a row, and freed inside the file by deleting it. A disk without room says so while nothing is half
//! done, and retention makes room inside the file instead. The write-ahead log has its size from the beginning, too, and
//! stays beside the database when the agent ends: a start makes no file.

use std::fs::OpenOptions;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use rusqlite::{Connection, DEFAULT_NAME, FileControl};

use super::StoreError;

/// The size of the write-ahead log: what a checkpoint leaves in it and the largest usual transaction, twice.
pub(super) const LOG_BYTES: u64 = 2 << 20;

/// The file grows by this at least.
pub(super) const CHUNK_BYTES: u64 = 256 << 10;

/// Bytes of a page that say where a row goes on.
const LINK_BYTES: u64 = 4;

/// What `max_page_count` is where nobody limits it.
const UNLIMITED: u64 = 0xffff_fffe;

/// The room inside the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// This much of the file shall be free, as long as the disk has room for it.
    pub reserve: u64,
    /// The file has no more pages than this.
    pub most_pages: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self { reserve: 0, most_pages: UNLIMITED }
    }
}

impl Room {
    /// Makes the reserve whole where half of it is in use.
    pub(super) fn refill(&self, connection: &Connection) -> Result<bool, StoreError> {
        let free = free_bytes(connection)?;
        if free >= self.reserve / 2 { Ok(true) } else { self.grow(connection, self.reserve - free) }
    }

    /// Makes the file grow until this much of it is free. Says whether it is.
    pub(super) fn provide(&self, connection: &Connection, bytes: u64) -> Result<bool, StoreError> {
        let free = free_bytes(connection)?;
        if free >= bytes { Ok(true) } else { self.grow(connection, bytes - free) }
    }

    /// Adds that many bytes of free pages, at least a chunk, if the disk has room for them.
    pub(super) fn grow(&self, connection: &Connection, bytes: u64) -> Result<bool, StoreError> {
        let (page, pages) = (number(connection, "page_size")?, number(connection, "page_count")?);
        let goal = pages + bytes.max(CHUNK_BYTES).div_ceil(page);
        if goal > self.most_pages || !take_from_disk(connection, goal * page)? {
            return Ok(false);
        }
        limit_pages(connection, goal)?;
        // SQLite takes free pages before it makes the file longer.
        let row = goal - pages + number(connection, "freelist_count")? - 1;
        let added = add_free_pages(connection, row * (page - LINK_BYTES));
        settle(connection)?;
        match added {
            Err(error) if error.is_full() => Ok(false),
            other => other.map(|()| true),
        }
    }
}

/// From here on no transaction makes the file grow.
pub(super) fn settle(connection: &Connection) -> Result<(), StoreError> {
    // A row that a kill has left between being written and deleted.
    connection.execute("DELETE FROM room", [])?;
    limit_pages(connection, number(connection, "page_count")?)
}

fn limit_pages(connection: &Connection, pages: u64) -> Result<(), StoreError> {
    Ok(connection.pragma_update(None, "max_page_count", pages.cast_signed())?)
}

/// Whether this is SQLite's word for a full disk, or for a file that may not grow.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}

fn number(connection: &Connection, pragma: &str) -> Result<u64, StoreError> {
    let number: i64 = connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))?;
    Ok(number.unsigned_abs())
}

pub(super) fn free_bytes(connection: &Connection) -> Result<u64, StoreError> {
    Ok(number(connection, "freelist_count")? * number(connection, "page_size")?)
}

/// Makes the file this long, with blocks of the disk behind all of it. SQLite does it by its own descriptor: closing
/// another one on this file would end its locks.
fn take_from_disk(connection: &Connection, bytes: u64) -> Result<bool, StoreError> {
    let mut chunk = i32::try_from(CHUNK_BYTES).unwrap_or(i32::MAX);
    connection.file_control(DEFAULT_NAME, FileControl::ChunkSize(&mut chunk))?;
    let mut size = i64::try_from(bytes).unwrap_or(i64::MAX);
    match connection.file_control(DEFAULT_NAME, FileControl::SizeHint(&mut size)) {
        Ok(()) => Ok(true),
        Err(error) => {
            tracing::debug!("the database can't have {bytes} bytes: {error}");
            Ok(false)
        }
    }
}

/// The pages must have been in the database, and in the file by a checkpoint, before they are free: pages that are freed
/// in the transaction that adds them are never written.
fn add_free_pages(connection: &Connection, bytes: u64) -> Result<(), StoreError> {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    connection.execute("INSERT INTO room (body) VALUES (zeroblob(?1))", [bytes])?;
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    Ok(())
}

/// Gives the write-ahead log its size. What is behind its last frame, zeros among it, SQLite takes for its end.
pub(super) fn keep_log_at(path: &Path, bytes: u64) -> io::Result<()> {
    let mut log = OpenOptions::new().write(true).open(path)?;
    let length = log.metadata()?.len();
    if length >= bytes {
        return Ok(());
    }
    let (from, more) = (length.cast_signed(), (bytes - length).cast_signed());
    match fallocate(&log, FallocateFlags::empty(), from, more) {
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => {
            log.seek(SeekFrom::Start(length))?;
            io::copy(&mut io::Read::take(io::repeat(0), bytes - length), &mut log)?;
            log.flush()
        }
        other => Ok(other?),
    }
}
