//! Points and descriptions by number, so that an event in the log takes two bytes. The table holds all that the log
//! needs; memory holds what open windows use, and finds it without allocating.

use std::collections::HashSet;
use std::hash::BuildHasher;

use cabinwatch_shared::fault_key::FaultKey;
use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};
use rusqlite::{Connection, OptionalExtension};

use super::StoreError;
use super::group::KeyId;

/// One row of the `keys` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// Its number.
    pub id: KeyId,
    /// Where in the journey.
    pub edr_point: Box<str>,
    /// What happened; empty for a success that tells no more.
    pub description: Box<str>,
}

impl KeyEntry {
    /// The entry's texts.
    #[must_use]
    pub fn key(&self) -> FaultKey<'_> {
        FaultKey { edr_point: &self.edr_point, description: &self.description }
    }
}

#[derive(Debug)]
pub(super) struct Dictionary {
    entries: Vec<KeyEntry>,
    by_text: HashTable<u32>,
    by_id: HashMap<KeyId, u32, RandomState>,
    hasher: RandomState,
    /// Entries that no transaction has written yet.
    unwritten: Vec<KeyId>,
    next: u32,
}

impl Dictionary {
    pub(super) fn open(connection: &Connection) -> Result<Self, StoreError> {
        let last: Option<u32> = connection.query_row("SELECT max(id) FROM keys", [], |row| row.get(0))?;
        Ok(Self {
            entries: Vec::new(),
            by_text: HashTable::new(),
            by_id: HashMap::default(),
            hasher: RandomState::default(),
            unwritten: Vec::new(),
            next: last.map_or(1, |last| last.saturating_add(1)),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn ids(&self) -> Vec<KeyId> {
        self.entries.iter().map(|entry| entry.id).collect()
    }

    fn hash(&self, key: FaultKey<'_>) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The key's number, if it is in memory.
    pub(super) fn known(&self, key: FaultKey<'_>) -> Option<KeyId> {
        let same = |slot: &u32| self.entries.get(*slot as usize).is_some_and(|entry| entry.key() == key);
        let slot = self.by_text.find(self.hash(key), same)?;
        self.entries.get(*slot as usize).map(|entry| entry.id)
    }

    /// The entry of a number, if it is in memory.
    pub(super) fn entry(&self, id: KeyId) -> Option<&KeyEntry> {
        self.entries.get(*self.by_id.get(&id)? as usize)
    }

    /// The key's number: from memory, from the table, or a new one.
    pub(super) fn intern(&mut self, connection: &Connection, key: FaultKey<'_>) -> Result<KeyId, StoreError> {
        if let Some(id) = self.known(key) {
            return Ok(id);
        }
        let sql = "SELECT id FROM keys WHERE edr_point = ?1 AND description = ?2";
        let written: Option<u32> = connection
            .prepare_cached(sql)?
            .query_row([key.edr_point, key.description], |row| row.get(0))
            .optional()?;
        let id = KeyId(written.unwrap_or(self.next));
        if written.is_none() {
            self.next = self.next.saturating_add(1);
            self.unwritten.push(id);
        }
        self.remember(KeyEntry { id, edr_point: key.edr_point.into(), description: key.description.into() });
        Ok(id)
    }

    /// Brings a row of the table into memory.
    pub(super) fn load(&mut self, connection: &Connection, id: KeyId) -> Result<&KeyEntry, StoreError> {
        if !self.by_id.contains_key(&id) {
            self.remember(read(connection, id)?);
        }
        self.entry(id).ok_or_else(|| StoreError::garbled("a key"))
    }

    fn remember(&mut self, entry: KeyEntry) {
        let slot = self.entries.len() as u32;
        let hash = self.hash(entry.key());
        self.by_id.insert(entry.id, slot);
        self.entries.push(entry);
        let (entries, hasher) = (&self.entries, &self.hasher);
        let rehash = |slot: &u32| entries.get(*slot as usize).map_or(0, |entry| hasher.hash_one(entry.key()));
        self.by_text.insert_unique(hash, slot, rehash);
    }

    /// Drops from memory all but these.
    pub(super) fn retain(&mut self, used: &HashSet<KeyId>) {
        let entries = std::mem::take(&mut self.entries);
        self.by_text.clear();
        self.by_id.clear();
        entries.into_iter().filter(|entry| used.contains(&entry.id)).for_each(|entry| self.remember(entry));
    }

    /// Gives up what is in memory, for a database made anew.
    pub(super) fn into_entries(self) -> Vec<KeyEntry> {
        self.entries
    }

    /// Takes over what another dictionary had in memory, under the same numbers.
    pub(super) fn adopt(&mut self, entries: Vec<KeyEntry>) {
        for entry in entries {
            self.next = self.next.max(entry.id.0.saturating_add(1));
            self.unwritten.push(entry.id);
            self.remember(entry);
        }
    }

    /// Hands over what the next transaction must write.
    pub(super) fn take_unwritten(&mut self) -> Vec<KeyEntry> {
        let unwritten = std::mem::take(&mut self.unwritten);
        unwritten.into_iter().filter_map(|id| self.entry(id).cloned()).collect()
    }
}

/// Reads one row of the table.
pub(super) fn read(connection: &Connection, id: KeyId) -> Result<KeyEntry, StoreError> {
    connection
        .prepare_cached("SELECT edr_point, description FROM keys WHERE id = ?1")?
        .query_row([id.0], |row| Ok(KeyEntry { id, edr_point: row.get(0)?, description: row.get(1)? }))
        .optional()?
        .ok_or_else(|| StoreError::Corrupt(format!("the events name key {}, which is not there", id.0)))
}
