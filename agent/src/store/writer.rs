//! The one writing connection.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::time::UnixSeconds;
use rusqlite::Connection;

use super::change::{self, Change, Removal};
use super::checkpoint::Checkpoint;
use super::dictionary::{Dictionary, KeyEntry};
use super::founding::{self, Found, Founded};
use super::group::KeyId;
use super::lock::Lock;
use super::log::{KeyNames, LoggedGroup};
use super::models::{self, Slot, StoredModel};
use super::outbox::{self, OutboxBounds};
use super::retention::{Candidate, Held, Limits, Plan, plan};
use super::{StoreError, log, schema};
use crate::model::ModelMemory;

/// How much of each table may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Frames on their way.
    pub outbox: Limits,
    /// The log of events, as far as a checkpoint covers it.
    pub events: Limits,
    /// Closed windows.
    pub windows: Limits,
}

#[derive(Clone, Copy, Debug, Default)]
struct HeldByTable {
    outbox: Held,
    events: Held,
    windows: Held,
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
    pub fn replace(self, what: String, now: impl Into<Founded>) -> Result<(Self, Found), StoreError> {
        let Self { path, connection, lock, .. } = self;
        drop(connection);
        let (connection, found) = founding::replace(&path, what, now.into())?;
        Ok((Self::over(&path, connection, lock)?, found))
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
            lock,
            first: false,
        };
        store.measure()?;
        Ok(store)
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
        let held = |table: &str, column: &str| {
            let sql = format!("SELECT count(*), coalesce(sum(length({column})), 0) FROM {table}");
            self.connection.query_row(&sql, [], Held::from_row)
        };
        self.held = HeldByTable {
            outbox: held("outbox", "frame")?,
            events: held("events", "body")?,
            windows: held("windows", "body")?,
        };
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
        Ok(statement.query_map([first], row)?.collect::<Result<_, _>>()?)
    }

    /// Decides what retention takes away now. Groups from `kept_from` on stay.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn plan_removal(
        &self,
        limits: &Retention,
        now: UnixSeconds,
        kept_from: Option<u64>,
    ) -> Result<Removal, StoreError> {
        // Groups behind the checkpoint are what a restart counts from.
        let kept_from = kept_from.map_or(u64::MAX, |first| first.saturating_sub(1));
        let covered = i64::try_from(self.checkpointed.min(kept_from)).unwrap_or(i64::MAX);
        let oldest = |table: &str, id: &str, written: &str, body: &str, held: Held, limits: &Limits| {
            let sql = format!("SELECT {id}, {written}, length({body}) FROM {table} ORDER BY {id}");
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut failure = None;
            let rows = statement.query_map([], |row| {
                let bytes: i64 = row.get(2)?;
                Ok(Candidate {
                    id: row.get(0)?,
                    written: UnixSeconds(row.get(1)?),
                    bytes: bytes.unsigned_abs(),
                })
            })?;
            let candidates = rows
                .map_while(|row| row.map_err(|error| failure = Some(error)).ok())
                .take_while(|row| table != "events" || row.id <= covered);
            let plan: Plan = plan(held, limits, now, candidates);
            failure.map_or(Ok(plan), |error| Err(StoreError::from(error)))
        };
        Ok(Removal {
            outbox: oldest("outbox", "seq", "created", "frame", self.held.outbox, &limits.outbox)?,
            events: oldest("events", "id", "stored", "body", self.held.events, &limits.events)?,
            windows: oldest("windows", "id", "closed", "body", self.held.windows, &limits.windows)?,
        })
    }

    /// Does all of a change in one transaction, durably.
    ///
    /// # Errors
    /// When it fails. It may have taken place all the same: call again with the same change, which looks first.
    pub fn write(&mut self, change: &Change) -> Result<(), StoreError> {
        let group = self.last_group + u64::from(change.group.is_some());
        if self.doubtful {
            self.connection = schema::open_writer(&self.path)?;
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
                self.doubtful = true;
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
                self.held.events.add(body.len());
                self.bytes_since_checkpoint += body.len() as u64;
            }
            None => self.changes += 1,
        }
        for redated in &change.redated {
            self.held.events.subtract(Held { bytes: redated.bytes_before, rows: 1 });
            self.held.events.add(redated.body.len());
        }
        change.frames.iter().for_each(|frame| self.held.outbox.add(frame.len()));
        change.windows.iter().for_each(|window| self.held.windows.add(window.body.len()));
        self.held.outbox.subtract(outcome.acknowledged.unwrap_or_default());
        self.held.outbox.subtract(change.removal.outbox.gone);
        self.held.events.subtract(change.removal.events.gone);
        self.held.windows.subtract(change.removal.windows.gone);
        if change.checkpoint.is_some() {
            self.checkpointed = group;
            self.bytes_since_checkpoint = 0;
        }
    }
}

#[cfg(test)]
mod tests;
