//! Everything the tables can be listed as: columns and cells, for exports and for people.

use std::fmt;
use std::str::FromStr;

use super::outcome::OutcomeColumns;
use super::{Cell, FrameId, Query, Table, TableRow, Tables, TablesError, text};

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// One of the six anomaly tables.
    Anomalies(Table),
    /// All scored rows.
    Windows,
    /// What aircraft report as lost.
    Losses,
    /// Frames that never came.
    Gaps,
    /// All aircraft.
    Aircraft,
    /// Where all streams stand.
    Streams,
    /// Why streams began.
    StreamStarts,
    /// What became of models on aircraft.
    ModelReports,
    /// What could not be stored as rows.
    SetAside,
}

/// The text names nothing that can be listed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown table `{unknown}`; there are {}", Listing::names().join(", "))]
pub struct UnknownListing {
    unknown: String,
}

/// Columns, and rows of as many cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// The columns' names.
    pub columns: Vec<&'static str>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
}

impl Listing {
    /// All that are no anomaly table.
    const OTHERS: [Self; 8] = [
        Self::Windows,
        Self::Losses,
        Self::Gaps,
        Self::Aircraft,
        Self::Streams,
        Self::StreamStarts,
        Self::ModelReports,
        Self::SetAside,
    ];

    /// Everything that can be listed.
    pub fn all() -> impl Iterator<Item = Self> {
        Table::ALL.into_iter().map(Self::Anomalies).chain(Self::OTHERS)
    }

    /// The name on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anomalies(table) => table.as_str(),
            Self::Windows => "windows",
            Self::Losses => "losses",
            Self::Gaps => "gaps",
            Self::Aircraft => "aircraft",
            Self::Streams => "streams",
            Self::StreamStarts => "stream_starts",
            Self::ModelReports => "model_reports",
            Self::SetAside => "set_aside",
        }
    }

    fn names() -> Vec<&'static str> {
        Self::all().map(Self::as_str).collect()
    }

    /// Reads it. Of a query, aircraft and streams know only the tail and the limit, which keeps the first by tail.
    ///
    /// # Errors
    /// When the database fails.
    pub fn read(self, tables: &dyn Tables, query: &Query) -> Result<Grid, TablesError> {
        let (columns, rows): (&[&'static str], Vec<Vec<Cell>>) = match self {
            Self::Anomalies(table) => (&TableRow::COLUMNS, cells(&tables.rows(table, query)?)),
            Self::Windows => (&TableRow::COLUMNS, cells(&tables.scored_rows(query)?)),
            Self::Losses => (&LOSSES, losses(tables, query)?),
            Self::Gaps => (&GAPS, gaps(tables, query)?),
            Self::Aircraft => (&AIRCRAFT, aircraft(tables, query)?),
            Self::Streams => (&STREAMS, streams(tables, query)?),
            Self::StreamStarts => (&STREAM_STARTS, stream_starts(tables, query)?),
            Self::ModelReports => (&MODEL_REPORTS, model_reports(tables, query)?),
            Self::SetAside => (&SET_ASIDE, set_aside(tables, query)?),
        };
        Ok(Grid { columns: columns.to_vec(), rows })
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Listing {
    type Err = UnknownListing;

    fn from_str(text: &str) -> Result<Self, UnknownListing> {
        let found = Self::all().find(|listing| listing.as_str() == text);
        found.ok_or_else(|| UnknownListing { unknown: text.to_owned() })
    }
}

const LOSSES: [&str; 7] = ["tail", "stream", "seq", "reason", "lost", "since_time", "until_time"];
const GAPS: [&str; 6] = ["tail", "stream", "first_seq", "last_seq", "frames", "noticed"];
const AIRCRAFT: [&str; 8] =
    ["tail", "last_contact", "online", "release", "model_version", "stream", "cohort", "next_contact"];
const STREAMS: [&str; 8] =
    ["tail", "stream", "committed", "received_above", "gaps", "updated", "newest", "on_board"];
const STREAM_STARTS: [&str; 5] = ["tail", "stream", "seq", "cause", "at_time"];
const MODEL_REPORTS: [&str; 13] = {
    let [cause, back_to, windows, rows, alarms, quiet, new_alarms] = OutcomeColumns::DETAILS;
    let report = ["tail", "stream", "seq", "model_version", "outcome", "at_time"];
    let [tail, stream, seq, version, outcome, at] = report;
    [tail, stream, seq, version, outcome, at, cause, back_to, windows, rows, alarms, quiet, new_alarms]
};
const SET_ASIDE: [&str; 7] = ["tail", "stream", "seq", "reason", "message", "at_time", "bytes"];

type Rows = Result<Vec<Vec<Cell>>, TablesError>;

fn cells(rows: &[TableRow]) -> Vec<Vec<Cell>> {
    rows.iter().map(|row| row.cells().to_vec()).collect()
}

fn frame(id: &FrameId) -> [Cell; 3] {
    [Cell::text(&id.tail), Cell::text(id.stream), Cell::count(id.seq.0)]
}

fn row(frame: [Cell; 3], rest: impl IntoIterator<Item = Cell>) -> Vec<Cell> {
    frame.into_iter().chain(rest).collect()
}

fn losses(tables: &dyn Tables, query: &Query) -> Rows {
    let losses = tables.losses(query)?;
    let cells = losses.iter().map(|item| {
        let loss = &item.loss;
        let rest = [
            Cell::text(loss.reason.as_str()),
            Cell::count(loss.count),
            Cell::text(loss.since),
            Cell::text(loss.until),
        ];
        row(frame(&item.frame), rest)
    });
    Ok(cells.collect())
}

fn gaps(tables: &dyn Tables, query: &Query) -> Rows {
    let gaps = tables.gaps(query)?;
    let cells = gaps.iter().map(|gap| {
        vec![
            Cell::text(&gap.tail),
            Cell::text(gap.stream),
            Cell::count(gap.range.first.0),
            Cell::count(gap.range.last.0),
            Cell::count(gap.range.count()),
            Cell::text(gap.noticed),
        ]
    });
    Ok(cells.collect())
}

/// The first `limit` by tail: these have no time of their own to be newest by.
fn limited<T>(mut items: Vec<T>, query: &Query) -> Vec<T> {
    let limit = query.limit.map_or(usize::MAX, |limit| limit as usize);
    items.truncate(limit);
    items
}

fn aircraft(tables: &dyn Tables, query: &Query) -> Rows {
    let mut aircraft = tables.aircraft()?;
    aircraft.retain(|item| query.tail.as_ref().is_none_or(|tail| *tail == item.tail));
    let cells = limited(aircraft, query).into_iter().map(|item| {
        vec![
            Cell::text(&item.tail),
            Cell::optional(item.last_contact),
            item.online.map_or(Cell::Null, |online| Cell::Integer(i64::from(online))),
            Cell::optional(item.release.map(text::release)),
            item.model.map_or(Cell::Null, |model| Cell::Integer(i64::from(model.0))),
            Cell::optional(item.stream),
            Cell::optional(item.cohort),
            Cell::optional(item.next_contact),
        ]
    });
    Ok(cells.collect())
}

fn streams(tables: &dyn Tables, query: &Query) -> Rows {
    let mut streams = tables.streams()?;
    streams.retain(|item| query.tail.as_ref().is_none_or(|tail| *tail == item.tail));
    let cells = limited(streams, query).into_iter().map(|item| {
        vec![
            Cell::text(&item.tail),
            Cell::text(item.stream),
            Cell::count(item.committed.0),
            Cell::count(item.overtaking()),
            Cell::count(item.gaps.iter().map(|range| range.count()).sum()),
            Cell::text(item.updated),
            Cell::count(item.newest.0),
            Cell::count(item.on_board()),
        ]
    });
    Ok(cells.collect())
}

fn stream_starts(tables: &dyn Tables, query: &Query) -> Rows {
    let starts = tables.stream_starts(query)?;
    let cells = starts.iter().map(|item| {
        row(frame(&item.frame), [Cell::text(text::stream_cause(item.start)), Cell::text(item.at())])
    });
    Ok(cells.collect())
}

fn model_reports(tables: &dyn Tables, query: &Query) -> Rows {
    let reports = tables.model_reports(query)?;
    let cells = reports.iter().map(|item| {
        let outcome = OutcomeColumns::of(item.report.outcome);
        let rest = [
            Cell::Integer(i64::from(item.report.version.0)),
            Cell::text(&outcome.outcome),
            Cell::text(item.report.at),
        ];
        row(frame(&item.frame), rest.into_iter().chain(outcome.details()))
    });
    Ok(cells.collect())
}

fn set_aside(tables: &dyn Tables, query: &Query) -> Rows {
    let items = tables.set_aside(query)?;
    let cells = items.iter().map(|item| {
        vec![
            Cell::text(&item.tail),
            Cell::optional(item.frame.map(|(stream, _)| stream)),
            item.frame.map_or(Cell::Null, |(_, seq)| Cell::count(seq.0)),
            Cell::text(item.reason.as_str()),
            Cell::text(&item.message),
            Cell::text(item.at),
            Cell::text(data_encoding::HEXLOWER.encode(&item.bytes)),
        ]
    });
    Ok(cells.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listing_is_found_by_its_name() {
        for listing in Listing::all() {
            assert_eq!(listing.as_str().parse(), Ok(listing));
        }
        let error = "combined".parse::<Listing>().expect_err("refused").to_string();
        assert!(error.contains("`combined`") && error.contains("combined_all, combined_repeated"), "{error}");
    }

    #[test]
    fn every_row_has_a_cell_for_each_column() {
        let dir = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", dir.path().join("tables.db").display());
        let mut tables = crate::tables::open(&url, &crate::config::TablesConfig::default()).expect("opened");
        tables.commit(&crate::tables::examples::everything()).expect("stored");
        for listing in Listing::all() {
            let grid = listing.read(tables.as_ref(), &Query::default()).expect("read");
            assert!(!grid.rows.is_empty(), "{listing} is empty");
            assert!(grid.rows.iter().all(|row| row.len() == grid.columns.len()), "{listing}");
        }
    }
}
