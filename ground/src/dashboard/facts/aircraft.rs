//! One aircraft over a time, beside what the fleet's facts say of it.

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;

use super::heat::Heat;
use crate::dashboard::period::Period;
use crate::tables::{ModelReportRecord, Query, StreamStartRecord, Tables, TablesError};

/// Rows read at most, the newest ones: a week of thirty kinds of fault.
const MAX_ROWS: u32 = 60_000;
/// Events of the aircraft's own life that are shown, the newest ones.
const MAX_EVENTS: u32 = 8;

/// One aircraft.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct AircraftFacts {
    /// Its fault keys over its last flights.
    pub heat: Heat,
    /// There were more rows than are read; the oldest are missing.
    pub is_cut: bool,
    /// What became of models, in the order of time.
    pub models: Vec<ModelReportRecord>,
    /// New databases, in the order of time.
    pub starts: Vec<StreamStartRecord>,
}

impl AircraftFacts {
    /// What it holds in memory, about.
    pub fn bytes(&self) -> usize {
        let events = self.models.len() * size_of::<ModelReportRecord>()
            + self.starts.len() * size_of::<StreamStartRecord>();
        size_of::<Self>() + self.heat.bytes() + events
    }

    /// Reads one aircraft; none where nothing is known of it.
    pub fn read(
        tables: &dyn Tables,
        tail: &Tail,
        period: Period,
        now: UnixSeconds,
    ) -> Result<Option<Self>, TablesError> {
        let (since, until) = period.bounds(now);
        let of_tail = Query { tail: Some(tail.clone()), ..Query::default() };
        let query =
            Query { since: Some(since), until: Some(until), limit: Some(MAX_ROWS), ..of_tail.clone() };
        let rows = tables.scored_rows(&query)?;
        if rows.is_empty() && !is_known(tables, &of_tail)? {
            return Ok(None);
        }
        let events = Query { limit: Some(MAX_EVENTS), ..of_tail };
        Ok(Some(Self {
            is_cut: rows.len() >= MAX_ROWS as usize,
            heat: Heat::of(&rows),
            models: tables.model_reports(&events)?,
            starts: tables.stream_starts(&events)?,
        }))
    }
}

fn is_known(tables: &dyn Tables, of_tail: &Query) -> Result<bool, TablesError> {
    let ever = Query { limit: Some(1), ..of_tail.clone() };
    Ok(tables.aircraft()?.iter().any(|record| Some(&record.tail) == of_tail.tail.as_ref())
        || !tables.scored_rows(&ever)?.is_empty())
}
