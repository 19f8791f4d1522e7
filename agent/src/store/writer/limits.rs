//! What must go of the tables: because of the limits, or to make room.

use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::LossFrame;
use rusqlite::{Connection, OptionalExtension};

use super::Store;
use crate::store::change::Removal;
use crate::store::retention::{Candidate, Held, Limits, Plan, plan};
use crate::store::{StoreError, outbox};

/// How much of each table may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Frames on their way.
    pub outbox: Limits,
    /// The log of events, as far as a checkpoint covers it.
    pub events: Limits,
    /// Closed windows.
    pub windows: Limits,
    /// Most keys that the log may name: beyond them, the oldest groups go, and with them the keys that only they name.
    pub keys: u64,
}

/// What may go to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sacrifice {
    /// Stored events: they are counted in windows already.
    Events,
    /// Closed windows: they travel as frames.
    Windows,
    /// Frames that the ground has not got yet.
    Frames,
}

impl Sacrifice {
    /// What can best be spared comes first.
    pub const IN_ORDER: [Self; 3] = [Self::Events, Self::Windows, Self::Frames];
}

/// What goes at a time to make room, of history and of what the ground has not got yet.
const SACRIFICE_BYTES: u64 = 128 << 10;
const SACRIFICE_FRAME_BYTES: u64 = 16 << 10;

/// How much each table holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeldByTable {
    pub(super) outbox: Held,
    pub(super) events: Held,
    pub(super) windows: Held,
    pub(super) keys: u64,
}

impl HeldByTable {
    /// Counts them.
    pub(super) fn measure(connection: &Connection) -> Result<Self, StoreError> {
        let held = |table: &str, column: &str| {
            let sql = format!("SELECT count(*), coalesce(sum(length({column})), 0) FROM {table}");
            connection.query_row(&sql, [], Held::from_row)
        };
        let keys: i64 = connection.query_row("SELECT count(*) FROM keys", [], |row| row.get(0))?;
        Ok(Self {
            outbox: held("outbox", "frame")?,
            events: held("events", "body")?,
            windows: held("windows", "body")?,
            keys: keys.unsigned_abs(),
        })
    }
}

impl Store {
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
        let groups = self.groups_whose_keys_fit(limits.keys)?;
        let of_events = Limits { rows: limits.events.rows.min(groups), ..limits.events };
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
            events: oldest("events", "id", "stored", "body", self.held.events, &of_events)?,
            windows: oldest("windows", "id", "closed", "body", self.held.windows, &limits.windows)?,
        })
    }

    /// How many of the newest groups may stay so that the keys that they name, and those in use, are no more than so many.
    fn groups_whose_keys_fit(&self, most: u64) -> Result<u64, StoreError> {
        let Some(excess) = self.held.keys.checked_sub(most).filter(|excess| *excess > 0) else {
            return Ok(u64::MAX);
        };
        let sql = "SELECT last_group FROM keys ORDER BY last_group LIMIT 1 OFFSET ?1";
        let before = i64::try_from(excess - 1).unwrap_or(i64::MAX);
        let through: Option<i64> =
            self.connection.prepare_cached(sql)?.query_row([before], |row| row.get(0)).optional()?;
        Ok(through.map_or(u64::MAX, |through| self.last_group.saturating_sub(through.unsigned_abs())))
    }

    /// What the frames that go were to tell the ground of losses: it must be told in others.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn losses_among(&self, removal: &Removal) -> Result<Vec<LossFrame>, StoreError> {
        removal.outbox.through.map_or_else(|| Ok(Vec::new()), |last| outbox::losses(&self.connection, last))
    }

    /// Decides what goes to make room. Groups from `kept_from` on stay.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn plan_sacrifice(&self, of: Sacrifice, kept_from: Option<u64>) -> Result<Removal, StoreError> {
        let all = Limits { bytes: u64::MAX, age_seconds: u64::MAX, rows: u64::MAX };
        let none = Retention { outbox: all, events: all, windows: all, keys: u64::MAX };
        let less = |held: Held, bytes: u64| Limits { bytes: held.bytes.saturating_sub(bytes), ..all };
        let HeldByTable { outbox, events, windows, .. } = self.held;
        let limits = match of {
            Sacrifice::Events => Retention { events: less(events, SACRIFICE_BYTES), ..none },
            Sacrifice::Windows => Retention { windows: less(windows, SACRIFICE_BYTES), ..none },
            Sacrifice::Frames => Retention { outbox: less(outbox, SACRIFICE_FRAME_BYTES), ..none },
        };
        self.plan_removal(&limits, UnixSeconds(0), kept_from)
    }
}
