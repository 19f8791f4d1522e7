//! Reading the event log and the checkpoint. Writer and readers share it.

use cabinwatch_shared::time::UnixSeconds;
use rusqlite::{Connection, OptionalExtension, Row};

use super::StoreError;
use super::checkpoint::Checkpoint;
use super::dictionary::{Dictionary, KeyEntry};
use super::group::{EventGroup, KeyId};
use super::seal::unseal;

/// Looks up what numbers stand for.
pub struct KeyNames<'a> {
    pub(super) connection: &'a Connection,
    pub(super) dictionary: &'a mut Dictionary,
}

impl KeyNames<'_> {
    /// The entry of a number, from memory or from the table.
    ///
    /// # Errors
    /// When the database can't be read, or has no such key.
    pub fn key(&mut self, id: KeyId) -> Result<&KeyEntry, StoreError> {
        self.dictionary.load(self.connection, id)
    }
}

/// A group as the log holds it.
#[derive(Debug, PartialEq, Eq)]
pub struct LoggedGroup<'a> {
    /// Its number.
    pub id: u64,
    /// When it was stored.
    pub stored: UnixSeconds,
    /// Its size.
    pub bytes: u64,
    /// What is in it.
    pub group: EventGroup<'a>,
}

/// Builds a state: from the checkpoint, then through each group behind it. Returns the bytes of those groups, too.
pub(super) fn restore<S>(
    names: &mut KeyNames<'_>,
    begin: impl FnOnce(&mut KeyNames<'_>, Checkpoint) -> Result<S, StoreError>,
    mut apply: impl FnMut(&mut KeyNames<'_>, &mut S, &LoggedGroup<'_>) -> Result<(), StoreError>,
) -> Result<(S, u64), StoreError> {
    let (checkpoint, through) = checkpoint(names.connection)?;
    let mut state = begin(names, checkpoint)?;
    let mut bytes = 0;
    groups_after(names.connection, through, |group| {
        bytes += group.bytes;
        apply(names, &mut state, &group)
    })?;
    Ok((state, bytes))
}

/// The last checkpoint, and the last group it covers.
pub(super) fn checkpoint(connection: &Connection) -> Result<(Checkpoint, u64), StoreError> {
    let row: Option<(i64, Vec<u8>)> = connection
        .query_row("SELECT through, body FROM checkpoint", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let garbled = || StoreError::garbled("the checkpoint");
    let (through, sealed) = row.ok_or_else(garbled)?;
    Ok((Checkpoint::from_bytes(unseal(&sealed).ok_or_else(garbled)?)?, through.unsigned_abs()))
}

/// The number of the newest group in the log; 0 if it is empty.
pub(super) fn last_group(connection: &Connection) -> Result<u64, StoreError> {
    let last: Option<i64> = connection.query_row("SELECT max(id) FROM events", [], |row| row.get(0))?;
    Ok(last.unwrap_or(0).unsigned_abs())
}

/// Hands over each group with a number above `after`, oldest first.
pub(super) fn groups_after<E: From<StoreError>>(
    connection: &Connection,
    after: u64,
    mut take: impl FnMut(LoggedGroup<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let sql = "SELECT id, stored, body FROM events WHERE id > ?1 ORDER BY id";
    let mut statement = connection.prepare_cached(sql).map_err(StoreError::from)?;
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let mut rows = statement.query([after]).map_err(StoreError::from)?;
    while let Some(row) = rows.next().map_err(StoreError::from)? {
        take(logged_group(row)?)?;
    }
    Ok(())
}

fn logged_group<'a>(row: &'a Row<'_>) -> Result<LoggedGroup<'a>, StoreError> {
    let garbled = || StoreError::garbled("a group of events");
    let id: i64 = row.get(0)?;
    let body = row.get_ref(2)?.as_blob().ok().and_then(unseal).ok_or_else(garbled)?;
    let group = EventGroup::parse(body).map_err(|_| garbled())?;
    let (stored, bytes) = (UnixSeconds(row.get(1)?), body.len() as u64);
    Ok(LoggedGroup { id: id.unsigned_abs(), stored, bytes, group })
}
