//! Reading the database beside the one writer: the link, and the commands of an engineer with a shell.

use std::path::Path;

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::FrameSeq;
use rusqlite::{Connection, OptionalExtension};

use super::checkpoint::Checkpoint;
use super::dictionary::{Dictionary, KeyEntry};
use super::group::KeyId;
use super::log::{self, KeyNames, LoggedGroup};
use super::models::{self, Slot, StoredModel};
use super::outbox::{self, OutboxBounds, StoredFrame};
use super::retention::Held;
use super::{StoreError, schema};
use crate::model::ModelMemory;

/// What waits in the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// How many frames.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the oldest was written.
    pub oldest_written: Option<UnixSeconds>,
    /// When the newest was written.
    pub newest_written: Option<UnixSeconds>,
    /// Up to where the ground has stored them.
    pub committed: FrameSeq,
}

/// A connection that can't write. It sees what was committed when a call begins.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    dictionary: Dictionary,
}

impl Reader {
    /// Opens a database that exists, whether or not the daemon runs.
    ///
    /// # Errors
    /// When it is not there, can't be read, or belongs to a newer agent.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = schema::open_reader(path)?;
        Ok(Self { dictionary: Dictionary::open(&connection)?, connection })
    }

    /// Which frames the outbox holds.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn bounds(&self) -> Result<OutboxBounds, StoreError> {
        outbox::bounds(&self.connection)
    }

    /// A run of frames with consecutive numbers, from the first at or after `from`, of at most `max_bytes` in all; at
    /// least one frame if there is one. Look at the numbers: retention may have deleted the frame asked for.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn frames(&self, from: FrameSeq, max_bytes: usize) -> Result<Vec<StoredFrame>, StoreError> {
        outbox::frames(&self.connection, from, max_bytes)
    }

    /// The version of the model in use; 0 for none.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn active_model_version(&self) -> Result<ModelVersion, StoreError> {
        models::active_version(&self.connection)
    }

    /// What waits in the outbox.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn backlog(&self) -> Result<Backlog, StoreError> {
        let sql = "SELECT count(*), coalesce(sum(length(frame)), 0), min(created), max(created) FROM outbox";
        let (held, oldest, newest) = self.connection.query_row(sql, [], |row| {
            let (oldest, newest): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
            Ok((Held::from_row(row)?, oldest, newest))
        })?;
        Ok(Backlog {
            frames: held.rows,
            bytes: held.bytes,
            oldest_written: oldest.map(UnixSeconds),
            newest_written: newest.map(UnixSeconds),
            committed: outbox::committed(&self.connection)?,
        })
    }

    /// The model in a slot, if there is one.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn model(&self, slot: Slot) -> Result<Option<StoredModel>, StoreError> {
        models::model(&self.connection, slot)
    }

    /// What is remembered about models.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn model_memory(&self) -> Result<ModelMemory, StoreError> {
        models::memory(&self.connection)
    }

    /// The bodies of the last `count` closed windows, the newest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn closed_windows(&self, count: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut statement = self.connection.prepare("SELECT body FROM windows ORDER BY id DESC LIMIT ?1")?;
        let bodies = statement.query_map([i64::try_from(count).unwrap_or(i64::MAX)], |row| row.get(0))?;
        Ok(bodies.collect::<Result<_, _>>()?)
    }

    /// When the newest group of the log was written.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn last_stored(&self) -> Result<Option<UnixSeconds>, StoreError> {
        let sql = "SELECT stored FROM events ORDER BY id DESC LIMIT 1";
        Ok(self.connection.query_row(sql, [], |row| row.get(0)).optional()?.map(UnixSeconds))
    }

    /// Bytes of the database file, without its write-ahead log.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn file_bytes(&self) -> Result<u64, StoreError> {
        let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        let bytes: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(bytes.unsigned_abs())
    }

    /// Builds the state of this moment, as the agent would after a restart.
    ///
    /// # Errors
    /// When the database can't be read, or what the two functions say.
    pub fn restore<S>(
        &mut self,
        begin: impl FnOnce(&mut KeyNames<'_>, Checkpoint) -> Result<S, StoreError>,
        apply: impl FnMut(&mut KeyNames<'_>, &mut S, &LoggedGroup<'_>) -> Result<(), StoreError>,
    ) -> Result<S, StoreError> {
        // One snapshot: else the agent could write a checkpoint between what is read first and last.
        let snapshot = self.connection.unchecked_transaction()?;
        let mut names = KeyNames { connection: &snapshot, dictionary: &mut self.dictionary };
        Ok(log::restore(&mut names, begin, apply)?.0)
    }

    /// What a number stands for, where [`Self::restore`] has met it.
    #[must_use]
    pub fn key_in_memory(&self, id: KeyId) -> Option<&KeyEntry> {
        self.dictionary.entry(id)
    }

    /// Hands over each group of the log, oldest first.
    ///
    /// # Errors
    /// When the database can't be read, or what `take` says.
    pub fn groups<E: From<StoreError>>(
        &mut self,
        mut take: impl FnMut(&mut KeyNames<'_>, &LoggedGroup<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let snapshot = self.connection.unchecked_transaction().map_err(StoreError::from)?;
        let mut names = KeyNames { connection: &snapshot, dictionary: &mut self.dictionary };
        log::groups_after(&snapshot, 0, |group| take(&mut names, &group))
    }
}
