//! One anomaly, with the windows around it.

use std::collections::BTreeMap;

use cabinwatch_shared::rate::Rate;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;

use super::fleet::mark_open;
use super::{AnomalyId, row_bytes};
use crate::dashboard::episode::{self, Episode};
use crate::tables::{Query, RateQuery, Table, TableRow, Tables, TablesError};

/// How long before the second that names it an anomaly may have begun: a backlog brings earlier windows later.
const BEFORE_SECONDS: i64 = 86_400;
/// How long after it an anomaly is followed.
const AFTER_SECONDS: i64 = 7 * 86_400;
/// Rows read at most for each question.
const MAX_ROWS: u32 = 60_000;
/// Windows in the picture before the first and behind the last anomalous one.
const AROUND: i64 = 12;
/// Windows in the picture at most.
const MAX_WINDOWS: i64 = 144;

/// One anomaly.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct AnomalyFacts {
    /// The anomaly.
    pub episode: Episode,
    /// The key's rates around it, in the order of time; quiet windows are 0 %.
    pub rates: Vec<(UnixSeconds, Rate)>,
    /// The key's rows around it, anomalous or not, in the order of time.
    pub rows: Vec<TableRow>,
    /// Other aircraft with alarms of the same key at the time, by tail.
    pub elsewhere: BTreeMap<Tail, Elsewhere>,
}

/// What another aircraft had of the same key at the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::dashboard) struct Elsewhere {
    /// Windows that both detectors call anomalous.
    pub confirmed: u64,
    /// Windows that any detector calls anomalous.
    pub any: u64,
    /// Start of the first that any detector calls anomalous.
    pub first: Option<UnixSeconds>,
    /// Start of the first that both do.
    pub first_confirmed: Option<UnixSeconds>,
}

impl AnomalyFacts {
    /// What it holds in memory, about.
    pub fn bytes(&self) -> usize {
        let rows: usize = self.rows.iter().map(row_bytes).sum();
        let rates = self.rates.len() * size_of::<(UnixSeconds, Rate)>();
        size_of::<Self>() + rows + rates + self.elsewhere.len() * size_of::<(Tail, Elsewhere)>()
    }

    /// Reads one anomaly; none where there is none of the key at that second.
    pub fn read(tables: &dyn Tables, id: &AnomalyId, now: UnixSeconds) -> Result<Option<Self>, TablesError> {
        let from = UnixSeconds(id.at.0.saturating_sub(BEFORE_SECONDS));
        let query = Query {
            tail: Some(id.tail.clone()),
            since: Some(from),
            until: Some(UnixSeconds(id.at.0.saturating_add(AFTER_SECONDS))),
            limit: Some(MAX_ROWS),
        };
        let is_ours = |row: &TableRow| row.edr_point == id.edr_point && row.description == id.description;
        let rows = tables.rows(id.votes.table(), &query)?.into_iter().filter(is_ours);
        let mut episodes = episode::episodes(rows, from).into_iter();
        let found = episodes.find(|episode| episode.begin <= id.at && id.at < episode.end);
        let Some(mut episode) = found else { return Ok(None) };
        mark_open(tables, std::slice::from_mut(&mut episode), now)?;
        let (from, to) = around(&episode);
        Ok(Some(Self {
            rates: rates(tables, &episode, from, to)?,
            rows: own_rows(tables, &episode, from, to)?,
            elsewhere: elsewhere(tables, &episode)?,
            episode,
        }))
    }
}

/// From the start of the first to the start of the last window of the picture.
fn around(episode: &Episode) -> (UnixSeconds, UnixSeconds) {
    let window = episode.window_seconds();
    let before = AROUND.saturating_mul(window);
    let from = episode.begin.0.saturating_sub(before);
    let to = episode.last_start.0.saturating_add(before);
    // The end of a long one, and what came after it, tells more than its beginning, which the text tells.
    (UnixSeconds(from.max(to.saturating_sub((MAX_WINDOWS - 1).saturating_mul(window)))), UnixSeconds(to))
}

fn rates(
    tables: &dyn Tables,
    episode: &Episode,
    from: UnixSeconds,
    to: UnixSeconds,
) -> Result<Vec<(UnixSeconds, Rate)>, TablesError> {
    let windows = u32::try_from(MAX_WINDOWS).unwrap_or(u32::MAX);
    let query = RateQuery { tail: episode.tail(), key: episode.key(), until: to, windows };
    let rates = tables.recent_rates(&query)?;
    Ok(rates.into_iter().filter(|(start, _)| *start >= from).collect())
}

fn own_rows(
    tables: &dyn Tables,
    episode: &Episode,
    from: UnixSeconds,
    to: UnixSeconds,
) -> Result<Vec<TableRow>, TablesError> {
    let query = Query {
        tail: Some(episode.tail().clone()),
        since: Some(from),
        until: Some(UnixSeconds(to.0.saturating_add(1))),
        limit: Some(MAX_ROWS),
    };
    let rows = tables.scored_rows(&query)?;
    Ok(rows.into_iter().filter(|row| row.key() == episode.key()).collect())
}

fn elsewhere(tables: &dyn Tables, episode: &Episode) -> Result<BTreeMap<Tail, Elsewhere>, TablesError> {
    let window = episode.window_seconds();
    let query = Query {
        tail: None,
        since: Some(UnixSeconds(episode.begin.0.saturating_sub(window))),
        until: Some(episode.end),
        limit: Some(MAX_ROWS),
    };
    let mut others: BTreeMap<Tail, Elsewhere> = BTreeMap::new();
    for row in tables.rows(Table::CombinedAll, &query)? {
        if row.tail == *episode.tail() || row.key() != episode.key() {
            continue;
        }
        let other = others.entry(row.tail).or_default();
        other.any += 1;
        other.first.get_or_insert(row.start);
        if row.alarms.confirmed() {
            other.confirmed += 1;
            other.first_confirmed.get_or_insert(row.start);
        }
    }
    Ok(others)
}
