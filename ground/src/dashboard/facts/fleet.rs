//! The whole fleet over a time.

use std::collections::{BTreeMap, BTreeSet};

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;

use crate::dashboard::episode::{self, Episode};
use crate::dashboard::parameters::Votes;
use crate::dashboard::period::Period;
use crate::tables::{AircraftRecord, Lost, Query, StreamState, Tables, TablesError};

/// Anomalous rows read at most, the newest ones: 250 bytes each.
const MAX_ROWS: u32 = 100_000;
/// Losses and gaps read at most, the newest ones.
const MAX_LOSSES: u32 = 20_000;
/// How far behind the newest row the newest anomaly may lie to be named.
const NEWEST_WITHIN_SECONDS: i64 = 7 * DAY_SECONDS;
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
    /// There were more rows, or losses, than are read; the oldest are missing.
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
        let are_rows_cut = rows.len() >= MAX_ROWS as usize;
        let newest = if rows.is_empty() { newest_anomaly(tables, votes)? } else { None };
        let known_from = rows.first().filter(|_| are_rows_cut).map_or(since, |oldest| oldest.start);
        let mut episodes = episode::episodes(rows, known_from);
        mark_open(tables, &mut episodes, now)?;
        let (members, are_losses_cut) = members(tables, &query, &episodes)?;
        let is_cut = are_rows_cut || are_losses_cut;
        Ok(Self { read: now, members, episodes, is_cut, newest })
    }

    /// What it holds in memory, about.
    pub fn bytes(&self) -> usize {
        let members = self.members.iter().map(|member| {
            let reasons = member.lost.by_reason.len() * size_of::<(&str, u64)>();
            size_of::<FleetMember>() + reasons + member.record.cohort.as_ref().map_or(0, String::len)
        });
        members.sum::<usize>() + self.episodes.iter().map(Episode::bytes).sum::<usize>()
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

/// Where there never was one, a database that keeps its rows by time would look through all of it; so it is looked for
/// only in the last week of which there are rows.
fn newest_anomaly(tables: &dyn Tables, votes: Votes) -> Result<Option<UnixSeconds>, TablesError> {
    let newest = Query { limit: Some(1), ..Query::default() };
    let Some(row) = tables.scored_rows(&newest)?.pop() else { return Ok(None) };
    let since = Some(UnixSeconds(row.start.0.saturating_sub(NEWEST_WITHIN_SECONDS)));
    Ok(tables.rows(votes.table(), &Query { since, ..newest })?.last().map(|row| row.end))
}

/// Finds out which of an aircraft's newest anomalies are not over. Older ones are: others came after them.
pub(super) fn mark_open(
    tables: &dyn Tables,
    episodes: &mut [Episode],
    now: UnixSeconds,
) -> Result<(), TablesError> {
    // What an aircraft with a wrong clock dates far ahead ends nothing.
    let until = UnixSeconds(now.0.saturating_add(DAY_SECONDS));
    for (tail, last_start) in last_starts(episodes) {
        let since = Some(last_start);
        let query = Query { tail: Some(tail.clone()), since, until: Some(until), limit: Some(1) };
        let newest = tables.scored_rows(&query)?.last().map_or(last_start, |row| row.start);
        // They stand in the order of tails.
        let from = episodes.partition_point(|episode| *episode.tail() < tail);
        let of_tail = episodes.iter_mut().skip(from).take_while(|episode| *episode.tail() == tail);
        for episode in of_tail {
            // Rows exist only where something failed: where later ones are missing, what worked decides.
            let is_over = !episode.reaches(newest) || has_worked_since(tables, episode, until)?;
            episode.standing = if is_over { episode::Standing::Over } else { episode::Standing::Open };
        }
    }
    Ok(())
}

/// When the last anomalous window of each aircraft starts.
fn last_starts(episodes: &[Episode]) -> BTreeMap<Tail, UnixSeconds> {
    let mut last: BTreeMap<Tail, UnixSeconds> = BTreeMap::new();
    for episode in episodes {
        let start = last.entry(episode.tail().clone()).or_insert(episode.last_start);
        *start = episode.last_start.max(*start);
    }
    last
}

fn has_worked_since(tables: &dyn Tables, episode: &Episode, until: UnixSeconds) -> Result<bool, TablesError> {
    let beyond = UnixSeconds(episode.reach().0.saturating_add(1));
    tables.has_worked(episode.tail(), episode.key().edr_point, beyond..until)
}

/// The aircraft, and whether there were more losses than are read.
fn members(
    tables: &dyn Tables,
    query: &Query,
    episodes: &[Episode],
) -> Result<(Vec<FleetMember>, bool), TablesError> {
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
    let (losses, gaps) = (tables.losses(&query)?, tables.gaps(&query)?);
    let is_cut = losses.len().max(gaps.len()) >= MAX_LOSSES as usize;
    for record in losses {
        member(&mut members, &record.frame.tail).lost.note_loss(&record.loss);
    }
    for gap in gaps {
        member(&mut members, &gap.tail).lost.note_gap(&gap);
    }
    Ok((members.into_values().collect(), is_cut))
}

fn member<'a>(members: &'a mut BTreeMap<Tail, FleetMember>, tail: &Tail) -> &'a mut FleetMember {
    members.entry(tail.clone()).or_insert_with(|| FleetMember::of(AircraftRecord::of(tail.clone())))
}
