//! An aircraft's fault keys over its last flights: how far from usual each was, window by window.

use std::collections::{BTreeMap, BTreeSet};

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::time::UnixSeconds;

use crate::tables::TableRow;

/// Columns at most; where there are more windows, neighbours share one.
const MAX_COLUMNS: usize = 96;
/// Fault keys at most: those that were farthest from usual.
const MAX_KEYS: usize = 24;
/// Flights at most: the last ones.
const MAX_FLIGHTS: usize = 12;
/// Windows farther apart belong to different flights.
const FLIGHT_GAP_SECONDS: i64 = 3600;
/// A rate so many standard deviations above its mean is raised, though no detector may alarm.
const RAISED_DEVIATIONS: f64 = 1.5;

/// How far from usual a key was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::dashboard) enum Level {
    /// Nothing failed, or nothing was tried.
    #[default]
    Quiet,
    /// It failed as often as it usually does, or there is no model to tell.
    Usual,
    /// It failed more often, but no detector alarms.
    Raised,
    /// One detector alarms.
    Alarm,
    /// Both detectors alarm.
    Confirmed,
}

/// One cell: the worst of its windows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::dashboard) struct Cell {
    /// How far from usual.
    pub level: Level,
    /// The highest rate in percent; none where nothing failed.
    pub rate: Option<f64>,
}

/// One fault key.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::dashboard) struct HeatRow {
    /// Where.
    pub edr_point: String,
    /// What.
    pub description: String,
    /// The worst of its cells.
    pub worst: Level,
    /// One for each column.
    pub cells: Vec<Cell>,
}

/// Windows that follow each other without an hour between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dashboard) struct Flight {
    /// Start of its columns, in the order of time.
    pub columns: Vec<UnixSeconds>,
    /// End of its last window.
    pub end: UnixSeconds,
}

/// The map: keys down, time across.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::dashboard) struct Heat {
    /// Flights, in the order of time.
    pub flights: Vec<Flight>,
    /// Fault keys, the worst first.
    pub rows: Vec<HeatRow>,
    /// Seconds that a column stands for.
    pub column_seconds: i64,
    /// Keys that are left out; none of them was farther from usual than those shown.
    pub keys_left_out: usize,
    /// Flights before the first shown.
    pub flights_left_out: usize,
}

impl Heat {
    /// The map of one aircraft's rows, which come in the order of time.
    pub fn of(rows: &[TableRow]) -> Self {
        let starts: BTreeSet<UnixSeconds> = rows.iter().map(|row| row.start).collect();
        let Some(window) = rows.iter().map(|row| row.end.0.saturating_sub(row.start.0)).max() else {
            return Self::default();
        };
        let mut flights = flights(&starts);
        let flights_left_out = flights.len().saturating_sub(MAX_FLIGHTS);
        flights.drain(..flights_left_out);
        let window = window.max(1);
        let column_seconds = column_seconds(&flights, window);
        let flights: Vec<Flight> =
            flights.iter().map(|(first, last)| Flight::of(*first, *last, window, column_seconds)).collect();
        let columns: Vec<UnixSeconds> = flights.iter().flat_map(|flight| flight.columns.clone()).collect();
        let mut keys = keys(rows, &columns, column_seconds);
        let keys_left_out = keys.len().saturating_sub(MAX_KEYS);
        keys.truncate(MAX_KEYS);
        Self { flights, rows: keys, column_seconds, keys_left_out, flights_left_out }
    }
}

impl Heat {
    /// What it holds in memory, about.
    pub fn bytes(&self) -> usize {
        let flights = self.flights.iter().map(|flight| flight.columns.len() * size_of::<UnixSeconds>());
        let rows = self.rows.iter().map(|row| {
            let texts = row.edr_point.len() + row.description.len();
            size_of::<HeatRow>() + texts + row.cells.len() * size_of::<Cell>()
        });
        flights.sum::<usize>() + rows.sum::<usize>()
    }
}

impl Flight {
    fn of(first: UnixSeconds, last: UnixSeconds, window: i64, step: i64) -> Self {
        let count = last.0.saturating_sub(first.0) / step + 1;
        let columns = (0..count).map(|index| UnixSeconds(first.0.saturating_add(index * step))).collect();
        Self { columns, end: UnixSeconds(last.0.saturating_add(window)) }
    }

    /// When it begins.
    pub fn begin(&self) -> UnixSeconds {
        self.columns.first().copied().unwrap_or(self.end)
    }
}

/// The first and the last window of each flight.
fn flights(starts: &BTreeSet<UnixSeconds>) -> Vec<(UnixSeconds, UnixSeconds)> {
    let mut flights: Vec<(UnixSeconds, UnixSeconds)> = Vec::new();
    for &start in starts {
        match flights.last_mut() {
            Some((_, last)) if start.0.saturating_sub(last.0) <= FLIGHT_GAP_SECONDS => *last = start,
            _ => flights.push((start, start)),
        }
    }
    flights
}

/// The smallest multiple of a window with which all flights fit.
fn column_seconds(flights: &[(UnixSeconds, UnixSeconds)], window: i64) -> i64 {
    let columns = |step: i64| -> i64 {
        let lengths = flights.iter().map(|(first, last)| last.0.saturating_sub(first.0) / step + 1);
        lengths.fold(0, i64::saturating_add)
    };
    let most = i64::try_from(MAX_COLUMNS).unwrap_or(i64::MAX);
    let mut step = window;
    while columns(step) > most {
        // A flight takes a column at least, so this ends: there are fewer flights than columns.
        step = step.saturating_mul(2);
    }
    step
}

fn keys(rows: &[TableRow], columns: &[UnixSeconds], step: i64) -> Vec<HeatRow> {
    let mut keys: BTreeMap<FaultKey<'_>, Vec<Cell>> = BTreeMap::new();
    for row in rows {
        let column = columns.partition_point(|start| *start <= row.start).checked_sub(1);
        let Some(column) = column.filter(|column| {
            columns.get(*column).is_some_and(|start| row.start.0.saturating_sub(start.0) < step)
        }) else {
            continue;
        };
        let cells = keys.entry(row.key()).or_insert_with(|| vec![Cell::default(); columns.len()]);
        if let Some(cell) = cells.get_mut(column) {
            cell.take(row);
        }
    }
    let mut keys: Vec<HeatRow> = keys.into_iter().map(|(key, cells)| HeatRow::of(key, cells)).collect();
    // Stable: keys that are as bad as others stay in their order.
    keys.sort_by_key(|row| std::cmp::Reverse((row.worst, row.of_level(row.worst))));
    keys
}

impl HeatRow {
    fn of(key: FaultKey<'_>, cells: Vec<Cell>) -> Self {
        Self {
            edr_point: key.edr_point.to_owned(),
            description: key.description.to_owned(),
            worst: cells.iter().map(|cell| cell.level).max().unwrap_or_default(),
            cells,
        }
    }

    fn of_level(&self, level: Level) -> usize {
        self.cells.iter().filter(|cell| cell.level == level).count()
    }
}

impl Cell {
    fn take(&mut self, row: &TableRow) {
        self.level = self.level.max(Level::of(row));
        self.rate = Some(self.rate.map_or(row.fail_rate, |rate| rate.max(row.fail_rate)));
    }
}

impl Level {
    fn of(row: &TableRow) -> Self {
        let raised = row.z_score.is_some_and(|z| z > RAISED_DEVIATIONS);
        match (row.alarms.confirmed(), row.alarms.any(), raised) {
            (true, _, _) => Self::Confirmed,
            (_, true, _) => Self::Alarm,
            (_, _, true) => Self::Raised,
            _ => Self::Usual,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::examples::window;

    fn rows(starts: impl IntoIterator<Item = i64>) -> Vec<TableRow> {
        let windows = starts.into_iter().map(|start| window("TC-JJA", start));
        windows
            .flat_map(|window| {
                window.rows.iter().filter_map(|row| TableRow::of(&window, row)).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn an_hour_without_a_window_parts_two_flights() {
        let heat = Heat::of(&rows([0, 300, 900, 7200]));
        let spans: Vec<_> = heat
            .flights
            .iter()
            .map(|flight| (flight.begin().0, flight.end.0, flight.columns.len()))
            .collect();
        assert_eq!(spans, [(0, 1200, 4), (7200, 7500, 1)]);
    }

    #[test]
    fn the_worst_key_comes_first_and_a_window_without_it_is_quiet() {
        let mut rows = rows([0, 300]);
        rows.retain(|row| row.start.0 == 0 || row.edr_point == "DNS");
        let heat = Heat::of(&rows);
        let levels: Vec<_> = heat
            .rows
            .iter()
            .map(|row| (row.edr_point.as_str(), row.cells.iter().map(|cell| cell.level).collect::<Vec<_>>()))
            .collect();
        assert_eq!(
            levels,
            [("DHCP", vec![Level::Confirmed, Level::Quiet]), ("DNS", vec![Level::Usual, Level::Usual])]
        );
        assert_eq!(heat.rows[0].cells[0].rate, Some(90.0));
    }

    #[test]
    fn many_windows_share_columns_and_none_is_dropped() {
        let heat = Heat::of(&rows((0..1000).map(|index| index * 300)));
        let columns: usize = heat.flights.iter().map(|flight| flight.columns.len()).sum();
        assert!(columns <= MAX_COLUMNS, "{columns}");
        assert_eq!(heat.column_seconds % 300, 0);
        assert!(heat.rows.iter().all(|row| row.cells.len() == columns && row.of_level(Level::Quiet) == 0));
    }

    #[test]
    fn only_the_last_flights_are_shown_and_the_others_counted() {
        let heat = Heat::of(&rows((0..20).map(|index| index * 10_000 / 300 * 300)));
        assert_eq!((heat.flights.len(), heat.flights_left_out), (MAX_FLIGHTS, 20 - MAX_FLIGHTS));
    }

    #[test]
    fn nothing_makes_an_empty_map() {
        assert_eq!(Heat::of(&[]), Heat::default());
    }
}
