//! What a report is about: one period of the tables.

use std::collections::BTreeSet;

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::time::UnixSeconds;

use super::ReportError;
use crate::tables::{Query, Tables};

/// One run of detection, or one period of ingest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First second of the period.
    pub from: UnixSeconds,
    /// First second after it.
    pub until: UnixSeconds,
    /// The model that scored; the newest one where there were several, 0 for none.
    pub model: ModelVersion,
    /// Windows of aircraft with at least one failure.
    pub windows: u64,
    /// Scored rows of these windows.
    pub rows: u64,
    /// When the report is made.
    pub generated_at: UnixSeconds,
}

impl Run {
    /// The run over everything the tables hold between two instants; where one is missing, from the first row, or to
    /// the end of the last.
    ///
    /// # Errors
    /// When the tables can't be read, or the period ends before it begins.
    pub fn of_tables(
        tables: &dyn Tables,
        since: Option<UnixSeconds>,
        until: Option<UnixSeconds>,
        generated_at: UnixSeconds,
    ) -> Result<Self, ReportError> {
        if let (Some(since), Some(until)) = (since, until)
            && until < since
        {
            return Err(ReportError::Period { from: since.to_string(), until: until.to_string() });
        }
        let rows = tables.scored_rows(&Query { since, until, ..Query::default() })?;
        let windows: BTreeSet<_> = rows.iter().map(|row| (&row.tail, row.start)).collect();
        let first = rows.iter().map(|row| row.start).min();
        let last = rows.iter().map(|row| row.end).max();
        let until = until.or(last).unwrap_or(generated_at);
        Ok(Self {
            from: since.or(first).unwrap_or(until).min(until),
            until,
            model: rows.iter().map(|row| row.model_version).max().unwrap_or_default(),
            windows: windows.len() as u64,
            rows: rows.len() as u64,
            generated_at,
        })
    }
}
