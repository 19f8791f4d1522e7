//! One transaction, described before it is tried. Because it is data, it can be tried again after a failure, on a new
//! connection and once the file has told whether the first try reached it.

use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{ClockTrust, Committed};
use rusqlite::{Connection, params};

use super::checkpoint::Checkpoint;
use super::dictionary::KeyEntry;
use super::group::KeyId;
use super::models::{self, ModelChange};
use super::retention::{Held, Plan};
use super::seal::seal;
use super::{StoreError, outbox};

/// A closed window, for the `windows` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowRecord {
    /// First second of the window.
    pub start: UnixSeconds,
    /// What the reader decodes.
    pub body: Vec<u8>,
}

/// What retention takes away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// From the outbox.
    pub outbox: Plan,
    /// From the event log.
    pub events: Plan,
    /// From the closed windows.
    pub windows: Plan,
}

/// A group that waited for a time of day, with its events dated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redated {
    /// The group.
    pub id: u64,
    /// When it was stored, now that this is known.
    pub stored: UnixSeconds,
    /// How many bytes it had.
    pub bytes_before: u64,
    /// What it holds now.
    pub body: Vec<u8>,
}

/// Everything one transaction may do; what is empty is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// By the wall clock, for the rows that say when they were written.
    pub at: UnixSeconds,
    /// Keys that the group names and the table lacks.
    pub keys: Vec<KeyEntry>,
    /// A group of events.
    pub group: Option<Vec<u8>>,
    /// Groups that were provisional.
    pub redated: Vec<Redated>,
    /// Frames for the outbox, in order.
    pub frames: Vec<Vec<u8>>,
    /// Windows that close.
    pub windows: Vec<WindowRecord>,
    /// Keys that are in use and must outlive the groups there are now.
    pub keys_in_use: Vec<KeyId>,
    /// The state after this transaction.
    pub checkpoint: Option<Checkpoint>,
    /// What the agent thinks of its clock.
    pub clock: Option<ClockTrust>,
    /// The models.
    pub model: Option<ModelChange>,
    /// What the ground has stored.
    pub committed: Option<Committed>,
    /// What retention takes away.
    pub removal: Removal,
}

impl Change {
    /// A change at that time that does nothing yet.
    #[must_use]
    pub fn at(at: UnixSeconds) -> Self {
        Self {
            at,
            keys: Vec::new(),
            group: None,
            redated: Vec::new(),
            frames: Vec::new(),
            windows: Vec::new(),
            keys_in_use: Vec::new(),
            checkpoint: None,
            clock: None,
            model: None,
            committed: None,
            removal: Removal::default(),
        }
    }

    /// About how much it adds to the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let windows = self.windows.iter().map(|window| window.body.len());
        let redated = self.redated.iter().map(|group| group.body.len());
        let keys = self.keys.iter().map(|key| 2 * (key.edr_point.len() + key.description.len()));
        let bodies = self.group.iter().chain(&self.frames).map(Vec::len);
        bodies.chain(windows).chain(redated).chain(keys).sum::<usize>() as u64
    }
}

/// What a transaction found, once it is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Frames the ground has stored; none where its word was about another stream.
    pub acknowledged: Option<Held>,
    /// Keys that went with the groups that named them.
    pub keys_gone: u64,
}

/// Does it all, within the caller's transaction. `last_group` is the newest group in the log, this one included.
pub(super) fn apply(
    connection: &Connection,
    change: &Change,
    last_group: u64,
) -> Result<Outcome, StoreError> {
    let last_group = i64::try_from(last_group).unwrap_or(i64::MAX);
    let at = change.at;
    // First, for what comes may need the room.
    remove_sent_and_seen(connection, &change.removal)?;
    write_log(connection, change, last_group, at)?;
    if !change.frames.is_empty() {
        outbox::append(connection, &change.frames, at)?;
    }
    write_windows(connection, change, at)?;
    if let Some(checkpoint) = &change.checkpoint {
        connection
            .prepare_cached("REPLACE INTO checkpoint (id, through, body) VALUES (1, ?1, ?2)")?
            .execute(params![last_group, seal(checkpoint.to_bytes()?)])?;
    }
    if let Some(trust) = change.clock {
        outbox::set_clock(connection, trust)?;
    }
    if let Some(model) = &change.model {
        models::write(connection, model, at)?;
    }
    let acknowledged = match change.committed {
        Some(committed) => outbox::acknowledge(connection, committed)?,
        None => None,
    };
    let keys_gone = remove_counted(connection, &change.removal)?;
    Ok(Outcome { acknowledged, keys_gone })
}

fn write_log(
    connection: &Connection,
    change: &Change,
    group: i64,
    at: UnixSeconds,
) -> Result<(), StoreError> {
    for key in &change.keys {
        let sql = "INSERT INTO keys (id, edr_point, description, last_group) VALUES (?1, ?2, ?3, ?4)";
        connection.prepare_cached(sql)?.execute(params![key.id.0, key.edr_point, key.description, group])?;
    }
    if let Some(body) = &change.group {
        connection
            .prepare_cached("INSERT INTO events (id, stored, body) VALUES (?1, ?2, ?3)")?
            .execute(params![group, at.0, seal(body.clone())])?;
    }
    for redated in &change.redated {
        let id = i64::try_from(redated.id).unwrap_or(i64::MAX);
        connection
            .prepare_cached("UPDATE events SET stored = ?2, body = ?3 WHERE id = ?1")?
            .execute(params![id, redated.stored.0, seal(redated.body.clone())])?;
    }
    for id in &change.keys_in_use {
        // The next group may name it: it must outlive even the removal of all groups there are.
        let sql = "UPDATE keys SET last_group = ?1 + 1 WHERE id = ?2";
        connection.prepare_cached(sql)?.execute(params![group, id.0])?;
    }
    Ok(())
}

fn write_windows(connection: &Connection, change: &Change, at: UnixSeconds) -> Result<(), StoreError> {
    for window in &change.windows {
        connection
            .prepare_cached("INSERT INTO windows (start, closed, body) VALUES (?1, ?2, ?3)")?
            .execute(params![window.start.0, at.0, window.body])?;
    }
    Ok(())
}

fn remove_sent_and_seen(connection: &Connection, removal: &Removal) -> Result<(), StoreError> {
    if let Some(through) = removal.outbox.through {
        connection.execute("DELETE FROM outbox WHERE seq <= ?1", [through])?;
    }
    if let Some(through) = removal.windows.through {
        connection.execute("DELETE FROM windows WHERE id <= ?1", [through])?;
    }
    Ok(())
}

/// Groups, and the keys that only they name: last, when it is known which keys are in use. Says how many keys those are.
fn remove_counted(connection: &Connection, removal: &Removal) -> Result<u64, StoreError> {
    let Some(through) = removal.events.through else { return Ok(0) };
    connection.execute("DELETE FROM events WHERE id <= ?1", [through])?;
    Ok(connection.execute("DELETE FROM keys WHERE last_group <= ?1", [through])? as u64)
}
