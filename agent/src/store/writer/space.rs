//! The room that the file and its write-ahead log have.

use std::path::PathBuf;

use super::Store;
use crate::store::founding::beside;
use crate::store::{StoreError, room};

impl Store {
    /// Keeps this much of the file free from now on, as long as the disk has room for it.
    pub fn keep_free(&mut self, bytes: u64) {
        self.room.reserve = bytes;
        if let Err(error) = room::keep_log_at(&self.log_path(), room::LOG_BYTES) {
            tracing::warn!("the write-ahead log can't be given its room: {error}");
        }
        match room::settle(&self.connection).and_then(|()| self.refill()) {
            Ok(true) => {}
            Ok(false) => tracing::warn!(
                "the disk has no room for {bytes} bytes in reserve (`store.reserve_bytes`): it is tried again"
            ),
            Err(error) => tracing::warn!("the database can't be given its reserve: {error}"),
        }
    }

    /// Makes the reserve whole again, where the disk has room for that.
    ///
    /// # Errors
    /// When the database can't be read or written.
    pub fn refill(&self) -> Result<bool, StoreError> {
        self.room.refill(&self.connection)
    }

    /// Whether so many bytes can be stored at once.
    #[must_use]
    pub fn has_room_for(&self, bytes: u64) -> bool {
        let log = room::keep_log_at(&self.log_path(), room::LOG_BYTES + bytes);
        log.is_ok() && self.room.provide(&self.connection, bytes + room::CHUNK_BYTES).unwrap_or(false)
    }

    /// Whether the file itself lacks room for so many bytes.
    #[must_use]
    pub fn is_short_of(&self, bytes: u64) -> bool {
        room::free_bytes(&self.connection).map_or(true, |free| free < bytes + room::CHUNK_BYTES)
    }

    fn log_path(&self) -> PathBuf {
        beside(&self.path, "-wal")
    }
}
