//! The whole fleet over a time.

use std::collections::{BTreeMap, BTreeSet};

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;

use crate::dashboard::episode::{self, Episode};
use crate::dashboard::parameters::Votes;
use crate::dashboard::period::Period;
use crate::tables::{AircraftRecord, Lost, Query, RateQuery, StreamState, Tables, TablesError};

/// Anomalous rows read at most, the newest ones: 250 bytes each.
const MAX_ROWS: u32 = 100_000;
/// Losses and gaps read at most, the newest ones.
const MAX_LOSSES: u32 = 20_000;
/// Windows looked at to see whether an anomaly is over. Later than three windows are enough.
const RECENT_WINDOWS: u32 = 8;
/// An aircraft that is connected and says nothing for so long is silent: four windows of five minutes.
const SILENT_SECONDS: i64 = 20 * 60;
/// How much later than it meant to be back an aircraft may be.
const RETURN_GRACE_SECONDS: i64 = 15 * 60;
const DAY_SECONDS: i64 = 86_400;

/// The fleet, as the tables know it.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct FleetFacts {
    /// When it was read.
    pub read: UnixSeconds,
    /// Every aircraft, by tail.
    pub members: Vec<FleetMember>,
    /// Anomalies of the time, by tail, key and time.
    pub episodes: Vec<Episode>,
    /// There were more rows than are read; the oldest are missing.
    pub is_cut: bool,
    /// When the newest anomalous row there is ends, where the time holds none.
    pub newest: Option<UnixSeconds>,
}

/// One aircraft of the fleet.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::dashboard) struct FleetMember {
    /// As it last showed itself.
    pub record: AircraftRecord,
    /// What waits on board.
    pub waiting: Waiting,
    /// What was lost in the time.
    pub lost: Lost,
    /// How far its stream is stored, whatever page looks at it; tells that something came.
    pub committed: u64,
}

/// What the ground knows to be still on board: what the aircraft had when it last said so, and has not sent since, and
/// what live frames have overtaken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::dashboard) struct Waiting {
    /// Frames that are still to come.
    pub frames: u64,
    /// Frames that are stored behind some of them.
    pub overtaken_by: u64,
}

/// How an aircraft's line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dashboard) enum Standing {
    /// Connected, and heard of lately.
    Online,
    /// Connected, as far as the broker knows, but not heard of for long.
    Quiet,
    /// Gone as planned, and not late.
    Away {
        /// When it means to be back.
        until: UnixSeconds,
    },
    /// Gone as planned, and late.
    Overdue {
        /// When it meant to be back.
        since: UnixSeconds,
    },
    /// Not connected.
    Offline,
    /// Never heard of by the broker: its rows come from files.
    Unknown,
}

impl Waiting {
    /// Of one stream.
    pub fn of(stream: &StreamState) -> Self {
        Self { frames: stream.on_board(), overtaken_by: stream.overtaking() }
    }
}

impl FleetMember {
    fn of(record: AircraftRecord) -> Self {
        Self { record, waiting: Waiting::default(), lost: Lost::default(), committed: 0 }
    }

    /// How its line is, at a time.
    pub fn standing(&self, now: UnixSeconds) -> Standing {
        let AircraftRecord { last_contact, online, next_contact, .. } = &self.record;
        match (online, next_contact) {
            (Some(true), _) => {
                let silent = last_contact.is_none_or(|at| now.0.saturating_sub(at.0) > SILENT_SECONDS);
                if silent { Standing::Quiet } else { Standing::Online }
            }
            (_, Some(next)) if now.0 <= next.0.saturating_add(RETURN_GRACE_SECONDS) => {
                Standing::Away { until: *next }
            }
            // An aircraft that left as planned long ago, and came back since, has a next contact before its last one.
            (_, Some(next)) if last_contact.is_none_or(|at| at < *next) => Standing::Overdue { since: *next },
            (Some(false), _) => Standing::Offline,
            (None, _) => {
                if last_contact.is_some() {
                    Standing::Offline
                } else {
                    Standing::Unknown
                }
            }
        }
    }

    /// Whether it should be heard of and is not.
    pub fn is_silent(&self, now: UnixSeconds) -> bool {
        matches!(self.standing(now), Standing::Quiet | Standing::Overdue { .. } | Standing::Offline)
    }
}

impl FleetFacts {
    /// Reads the fleet.
    pub fn read(
        tables: &dyn Tables,
        period: Period,
        votes: Votes,
        now: UnixSeconds,
    ) -> Result<Self, TablesError> {
        let (since, until) = period.bounds(now);
        let query = Query { since: Some(since), until: Some(until), limit: Some(MAX_ROWS), tail: None };
        let rows = tables.rows(votes.table(), &query)?;
        let is_cut = rows.len() >= MAX_ROWS as usize;
        let newest = if rows.is_empty() { newest_anomaly(tables, votes)? } else { None };
        let mut episodes = episode::episodes(rows);
        mark_open(tables, &mut episodes, now)?;
        let members = members(tables, &query, &episodes)?;
        Ok(Self { read: now, members, episodes, is_cut, newest })
    }

    /// Anomalies of one aircraft, in the order of key and time.
    pub fn episodes_of(&self, tail: &Tail) -> &[Episode] {
        let from = self.episodes.partition_point(|episode| episode.tail() < tail);
        let to = self.episodes.partition_point(|episode| episode.tail() <= tail);
        self.episodes.get(from..to).unwrap_or_default()
    }

    /// Which other aircraft have an anomaly of the same key at the same time.
    pub fn elsewhere(&self, episode: &Episode) -> BTreeSet<&Tail> {
        let others = self.episodes.iter().filter(|other| {
            other.tail() != episode.tail() && other.key() == episode.key() && other.overlaps(episode)
        });
        others.map(Episode::tail).collect()
    }
}

fn newest_anomaly(tables: &dyn Tables, votes: Votes) -> Result<Option<UnixSeconds>, TablesError> {
    let newest = tables.rows(votes.table(), &Query { limit: Some(1), ..Query::default() })?;
    Ok(newest.last().map(|row| row.end))
}

/// Finds out which of an aircraft's newest anomalies are not over. Older ones are: others came after them.
pub(super) fn mark_open(
    tables: &dyn Tables,
    episodes: &mut [Episode],
    now: UnixSeconds,
) -> Result<(), TablesError> {
    let mut newest_rows: BTreeMap<Tail, Option<UnixSeconds>> = BTreeMap::new();
    for episode in episodes {
        let newest = match newest_rows.get(episode.tail()) {
            Some(newest) => *newest,
            None => {
                let query = Query { tail: Some(episode.tail().clone()), limit: Some(1), ..Query::default() };
                let newest = tables.scored_rows(&query)?.last().map(|row| row.start);
                newest_rows.insert(episode.tail().clone(), newest);
                newest
            }
        };
        // Rows exist only where something failed: where later ones are missing, the windows themselves decide.
        let is_over = newest.is_some_and(|start| !episode.reaches(start)) || is_over(tables, episode, now)?;
        episode.standing = if is_over { episode::Standing::Over } else { episode::Standing::Open };
    }
    Ok(())
}

fn is_over(tables: &dyn Tables, episode: &Episode, now: UnixSeconds) -> Result<bool, TablesError> {
    let until = UnixSeconds(now.0.saturating_add(DAY_SECONDS));
    let query = RateQuery { tail: episode.tail(), key: episode.key(), until, windows: RECENT_WINDOWS };
    Ok(tables.recent_rates(&query)?.last().is_some_and(|(start, _)| !episode.reaches(*start)))
}

fn members(
    tables: &dyn Tables,
    query: &Query,
    episodes: &[Episode],
) -> Result<Vec<FleetMember>, TablesError> {
    let mut members: BTreeMap<Tail, FleetMember> = BTreeMap::new();
    for record in tables.aircraft()? {
        members.insert(record.tail.clone(), FleetMember::of(record));
    }
    // Rows that came from files have no aircraft that ever showed itself.
    for episode in episodes {
        member(&mut members, episode.tail());
    }
    for stream in tables.streams()? {
        let member = member(&mut members, &stream.tail);
        member.committed = member.committed.saturating_add(stream.committed.0);
        // What an older stream lacks went with its database.
        if member.record.stream == Some(stream.stream) {
            member.waiting = Waiting::of(&stream);
        }
    }
    let query = Query { limit: Some(MAX_LOSSES), ..query.clone() };
    for record in tables.losses(&query)? {
        member(&mut members, &record.frame.tail).lost.note_loss(&record.loss);
    }
    for gap in tables.gaps(&query)? {
        member(&mut members, &gap.tail).lost.note_gap(&gap);
    }
    Ok(members.into_values().collect())
}

fn member<'a>(members: &'a mut BTreeMap<Tail, FleetMember>, tail: &Tail) -> &'a mut FleetMember {
    members.entry(tail.clone()).or_insert_with(|| FleetMember::of(AircraftRecord::of(tail.clone())))
}
