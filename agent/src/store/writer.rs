//! The one writing connection: opening it, what is read through it, and its transactions. What must go of the tables is in
//! [`limits`], the room they have in [`space`].

mod limits;
mod space;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use cabinwatch_shared::fault_key::FaultKey;
use rusqlite::Connection;

use super::change::{self, Change};
use super::checkpoint::Checkpoint;
use super::dictionary::{Dictionary, KeyEntry};
use super::founding::{self, Found, Founded};
use super::group::KeyId;
use super::lock::Lock;
use super::log::{KeyNames, LoggedGroup};
use super::models::{self, Slot, StoredModel};
use super::outbox::{self, OutboxBounds};
use super::retention::Held;
use super::room::{self, Room};
use super::seal::{SEAL_BYTES, unseal};
use super::{StoreError, log, schema};
use crate::model::ModelMemory;

use self::limits::HeldByTable;
pub use self::limits::{Retention, Sacrifice};

/// A new database in place of a damaged one.
#[derive(Debug)]
pub struct Replaced {
    /// The new one.
    pub store: Store,
    /// What was found.
    pub found: Found,
    /// The keys that were in memory.
    pub keys: Vec<KeyEntry>,
}

/// The database, open for writing. There is one per process, and a lock file sees to it that there is one process.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    connection: Connection,
    dictionary: Dictionary,
    held: HeldByTable,
    last_group: u64,
    /// Groups up to here are covered by the checkpoint.
    checkpointed: u64,
    bytes_since_checkpoint: u64,
    changes: i64,
    /// A commit failed, and only the file knows whether it took place.
    doubtful: bool,
    room: Room,
    lock: Lock,
    /// Whether there was no database before this one.
    first: bool,
}

impl Store {
    /// Opens the database; makes it where there is none; sets it aside and makes a new one where it is damaged.
    ///
    /// # Errors
    /// When the folder is not there or not writable, the file is a newer agent's or another program's, or another
    /// agent runs on it.
    pub fn open(path: &Path, now: impl Into<Founded>) -> Result<(Self, Found), StoreError> {
        let lock = founding::lock(path)?;
        let (connection, found) = founding::open(path, now.into())?;
        let first = found == Found::Nothing;
        Ok((Self { first, ..Self::over(path, connection, lock)? }, found))
    }

    /// Sets the database aside, whose contents turned out damaged, and makes a new one.
    ///
    /// # Errors
    /// When the file can't be moved, or a new one not be made.
    pub fn replace(self, what: String, now: impl Into<Founded>) -> Result<Replaced, StoreError> {
        let Self { path, connection, lock, dictionary, .. } = self;
        drop(connection);
        let (connection, found) = founding::replace(&path, what, now.into())?;
        Ok(Replaced { store: Self::over(&path, connection, lock)?, found, keys: dictionary.into_entries() })
    }

    /// Takes over the keys of a damaged database, under their numbers. The next group writes them. Nothing else may have
    /// been counted yet.
    pub fn adopt_keys(&mut self, keys: Vec<KeyEntry>) {
        self.dictionary.adopt(keys);
    }

    fn over(path: &Path, connection: Connection, lock: Lock) -> Result<Self, StoreError> {
        let mut store = Self {
            path: path.to_owned(),
            dictionary: Dictionary::open(&connection)?,
            connection,
            held: HeldByTable::default(),
            last_group: 0,
            checkpointed: 0,
            bytes_since_checkpoint: 0,
            changes: 0,
            doubtful: false,
            room: Room::default(),
            lock,
            first: false,
        };
        store.measure()?;
        Ok(store)
    }

    /// Brings what the write-ahead log holds into the file.
    pub fn fold_log(&self) {
        let folded = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = folded {
            tracing::debug!("the write-ahead log stays as it is: {error}");
        }
    }

    /// Opens the file anew, for what could not be read.
    ///
    /// # Errors
    /// When it can't be opened.
    pub fn read_anew(&mut self) -> Result<(), StoreError> {
        self.connection = schema::open_writer(&self.path)?;
        room::settle(&self.connection)
    }

    /// Something could not be read: the file is opened anew before the next change.
    pub const fn distrust(&mut self) {
        self.doubtful = true;
    }

    /// Whether the agent before this one ended without a word: by a power cut, a kill, or a failure. Where there was no
    /// database, there was no such agent, or the stream's start tells of it.
    #[must_use]
    pub const fn ended_uncleanly(&self) -> bool {
        !self.first && !self.lock.has_word()
    }

    /// From now on, events are handed over that an end without a word may lose.
    pub fn begin_work(&mut self) {
        if self.lock.has_word() {
            self.lock.take_word_back();
        }
    }

    /// Leaves the word that all is stored which was handed over.
    pub fn end_work(&mut self) {
        self.lock.give_word();
    }

    /// Learns from the file what the fields repeat of it.
    fn measure(&mut self) -> Result<(), StoreError> {
        self.held = HeldByTable::measure(&self.connection)?;
        self.checkpointed = log::checkpoint(&self.connection)?.1;
        self.last_group = log::last_group(&self.connection)?.max(self.checkpointed);
        self.changes = self.connection.query_row("SELECT changes FROM stream", [], |row| row.get(0))?;
        Ok(())
    }

    /// Builds the state anew: `begin` from the checkpoint, then `apply` for each group behind it, oldest first.
    ///
    /// # Errors
    /// When the database can't be read, or what the two functions say.
    pub fn restore<S>(
        &mut self,
        begin: impl FnOnce(&mut KeyNames<'_>, Checkpoint) -> Result<S, StoreError>,
        apply: impl FnMut(&mut KeyNames<'_>, &mut S, &LoggedGroup<'_>) -> Result<(), StoreError>,
    ) -> Result<S, StoreError> {
        let mut names = KeyNames { connection: &self.connection, dictionary: &mut self.dictionary };
        let (state, bytes) = log::restore(&mut names, begin, apply)?;
        self.bytes_since_checkpoint = bytes;
        Ok(state)
    }

    /// The key's number, where an open window may know it already: from memory alone.
    #[must_use]
    pub fn known_key(&self, key: FaultKey<'_>) -> Option<KeyId> {
        self.dictionary.known(key)
    }

    /// The key's number; a new key is written with the next group.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn intern(&mut self, key: FaultKey<'_>) -> Result<KeyId, StoreError> {
        self.dictionary.intern(&self.connection, key)
    }

    /// What a number stands for.
    ///
    /// # Errors
    /// When the database can't be read, or has no such key.
    pub fn key(&mut self, id: KeyId) -> Result<&KeyEntry, StoreError> {
        self.dictionary.load(&self.connection, id)
    }

    /// What a number stands for, where memory holds it.
    #[must_use]
    pub fn key_in_memory(&self, id: KeyId) -> Option<&KeyEntry> {
        self.dictionary.entry(id)
    }

    /// All keys in memory.
    #[must_use]
    pub fn keys_in_memory(&self) -> Vec<KeyId> {
        self.dictionary.ids()
    }

    /// How many keys are in memory.
    #[must_use]
    pub fn keys_in_memory_count(&self) -> usize {
        self.dictionary.len()
    }

    /// Drops from memory all keys but these.
    pub fn forget_keys_except(&mut self, used: &HashSet<KeyId>) {
        self.dictionary.retain(used);
    }

    /// Keys that the next group must write.
    #[must_use]
    pub fn take_unwritten_keys(&mut self) -> Vec<KeyEntry> {
        self.dictionary.take_unwritten()
    }

    /// Bytes of groups that a restart would replay.
    #[must_use]
    pub const fn bytes_since_checkpoint(&self) -> u64 {
        self.bytes_since_checkpoint
    }

    /// Which frames the outbox holds.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn bounds(&self) -> Result<OutboxBounds, StoreError> {
        outbox::bounds(&self.connection)
    }

    /// The model in a slot.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn model(&self, slot: Slot) -> Result<Option<StoredModel>, StoreError> {
        models::model(&self.connection, slot)
    }

    /// What is remembered about models.
    ///
    /// # Errors
    /// When the database can't be read, or what it says does not decode.
    pub fn model_memory(&self) -> Result<ModelMemory, StoreError> {
        models::memory(&self.connection)
    }

    /// The number the next group will have.
    #[must_use]
    pub const fn next_group(&self) -> u64 {
        self.last_group + 1
    }

    /// The bodies of the groups from that number on, oldest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn group_bodies(&self, first: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let mut statement =
            self.connection.prepare("SELECT id, body FROM events WHERE id >= ?1 ORDER BY id")?;
        let first = i64::try_from(first).unwrap_or(i64::MAX);
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?));
        let sealed: Vec<(u64, Vec<u8>)> = statement.query_map([first], row)?.collect::<Result<_, _>>()?;
        let unsealed = sealed.into_iter().map(|(id, sealed)| Some((id, unseal(&sealed)?.to_vec())));
        unsealed.collect::<Option<_>>().ok_or_else(|| StoreError::garbled("a group of events"))
    }

    /// Does all of a change in one transaction, durably. Makes the file larger where it must.
    ///
    /// # Errors
    /// When it fails. It may have taken place all the same: call again with the same change, which looks first. Only
    /// where there is no room it did not.
    pub fn write(&mut self, change: &Change) -> Result<(), StoreError> {
        match self.try_to_write(change) {
            Err(error) if error.is_full() && self.room.grow(&self.connection, 0).unwrap_or(false) => {
                self.try_to_write(change)
            }
            other => other,
        }
    }

    fn try_to_write(&mut self, change: &Change) -> Result<(), StoreError> {
        let group = self.last_group + u64::from(change.group.is_some());
        if self.doubtful {
            self.read_anew()?;
            let done = self.took_place(change, group)?;
            self.doubtful = false;
            if done {
                self.last_group = group;
                return self.measure();
            }
        }
        match self.attempt(change, group) {
            Ok(outcome) => {
                self.note(change, group, outcome);
                Ok(())
            }
            Err(error) => {
                self.doubtful = !error.is_full();
                Err(error)
            }
        }
    }

    fn attempt(&mut self, change: &Change, group: u64) -> Result<change::Outcome, StoreError> {
        let transaction = self.connection.transaction()?;
        let outcome = change::apply(&transaction, change, group)?;
        if change.group.is_none() {
            transaction.prepare_cached("UPDATE stream SET changes = ?1")?.execute([self.changes + 1])?;
        }
        transaction.commit()?;
        Ok(outcome)
    }

    /// A change with a group shows by its group, any other by the number of changes.
    fn took_place(&self, change: &Change, group: u64) -> Result<bool, StoreError> {
        if change.group.is_some() {
            return Ok(log::last_group(&self.connection)? >= group);
        }
        let changes: i64 = self.connection.query_row("SELECT changes FROM stream", [], |row| row.get(0))?;
        Ok(changes > self.changes)
    }

    fn note(&mut self, change: &Change, group: u64, outcome: change::Outcome) {
        self.last_group = group;
        match &change.group {
            Some(body) => {
                self.held.events.add(body.len() + SEAL_BYTES);
                self.bytes_since_checkpoint += body.len() as u64;
            }
            None => self.changes += 1,
        }
        for redated in &change.redated {
            self.held.events.subtract(Held { bytes: redated.bytes_before + SEAL_BYTES as u64, rows: 1 });
            self.held.events.add(redated.body.len() + SEAL_BYTES);
        }
        change.frames.iter().for_each(|frame| self.held.outbox.add(frame.len() + SEAL_BYTES));
        change.windows.iter().for_each(|window| self.held.windows.add(window.body.len()));
        self.held.outbox.subtract(outcome.acknowledged.unwrap_or_default());
        self.held.outbox.subtract(change.removal.outbox.gone);
        self.held.events.subtract(change.removal.events.gone);
        self.held.windows.subtract(change.removal.windows.gone);
        self.held.keys += change.keys.len() as u64;
        self.held.keys = self.held.keys.saturating_sub(outcome.keys_gone);
        if change.checkpoint.is_some() {
            self.checkpointed = group;
            self.bytes_since_checkpoint = 0;
        }
    }
}

#[cfg(test)]
mod tests;
