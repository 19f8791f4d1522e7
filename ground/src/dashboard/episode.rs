//! An anomaly as people speak of it: windows of one fault key of one aircraft that follow each other.

use std::collections::BTreeMap;

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;

use crate::tables::TableRow;

/// Anomalous windows so many windows apart, from start to start, still belong together.
const MAX_WINDOWS_APART: i64 = 3;

/// Whether an anomaly is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Standing {
    /// Nothing says that it is over: the newest windows that are known belong to it.
    Open,
    /// Later windows are known that are as they should be.
    Over,
}

/// Consecutive anomalous windows of one fault key of one aircraft.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Episode {
    /// Start of the first window.
    pub begin: UnixSeconds,
    /// Start of the last window.
    pub last_start: UnixSeconds,
    /// End of the last window.
    pub end: UnixSeconds,
    /// Anomalous windows.
    pub windows: u64,
    /// Of these, those that both detectors call anomalous.
    pub confirmed: u64,
    /// Of all, those that the z score calls anomalous.
    pub z_alarms: u64,
    /// Of all, those that the forest calls anomalous.
    pub forest_alarms: u64,
    /// Failures and successes of all anomalous windows.
    pub counts: Counts,
    /// The row with the highest rate.
    pub peak: TableRow,
    /// Whether it is over.
    pub standing: Standing,
    /// Whether it may have begun earlier: it begins where what was read does.
    pub is_cut: bool,
}

impl Episode {
    fn of(row: TableRow) -> Self {
        let mut episode = Self {
            begin: row.start,
            last_start: row.start,
            end: row.end,
            windows: 0,
            confirmed: 0,
            z_alarms: 0,
            forest_alarms: 0,
            counts: Counts::default(),
            peak: row.clone(),
            standing: Standing::Over,
            is_cut: false,
        };
        episode.take(row);
        episode
    }

    fn take(&mut self, row: TableRow) {
        let one_if = |holds: bool| u64::from(holds);
        self.last_start = row.start;
        self.end = self.end.max(row.end);
        self.windows += 1;
        self.confirmed += one_if(row.alarms.confirmed());
        self.z_alarms += one_if(row.alarms.z);
        self.forest_alarms += one_if(row.alarms.forest);
        self.counts.fail = self.counts.fail.saturating_add(row.counts.fail);
        self.counts.success = self.counts.success.saturating_add(row.counts.success);
        if row.fail_rate > self.peak.fail_rate {
            self.peak = row;
        }
    }

    /// What it takes in memory, about.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.peak.edr_point.len() + self.peak.description.len()
    }

    /// The aircraft.
    pub const fn tail(&self) -> &Tail {
        &self.peak.tail
    }

    /// What fails.
    pub fn key(&self) -> FaultKey<'_> {
        self.peak.key()
    }

    /// Length of its windows, at least a second.
    pub fn window_seconds(&self) -> i64 {
        self.peak.end.0.saturating_sub(self.peak.start.0).max(1)
    }

    /// Whether a window that starts then belongs to it, or would if it were anomalous.
    pub fn reaches(&self, start: UnixSeconds) -> bool {
        start <= self.reach()
    }

    /// The last second at which a window that belongs to it may start.
    pub fn reach(&self) -> UnixSeconds {
        UnixSeconds(self.last_start.0.saturating_add(self.seconds_apart()))
    }

    fn seconds_apart(&self) -> i64 {
        MAX_WINDOWS_APART.saturating_mul(self.window_seconds())
    }

    /// Whether some of its time is some of another's.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.begin < other.end && other.begin < self.end
    }

    /// Failures that the usual rate would have made of its attempts; none where the model knows no usual rate.
    pub fn expected_failures(&self) -> Option<f64> {
        Some(self.counts.total() as f64 * self.peak.mean_rate? / 100.0)
    }
}

/// The anomalies that anomalous rows make, in the order of the tail, the key and time. Rows that start before
/// `known_from` were not looked for.
pub(super) fn episodes(rows: impl IntoIterator<Item = TableRow>, known_from: UnixSeconds) -> Vec<Episode> {
    let mut by_key: BTreeMap<(Tail, String, String), Vec<TableRow>> = BTreeMap::new();
    for row in rows {
        let key = (row.tail.clone(), row.edr_point.clone(), row.description.clone());
        by_key.entry(key).or_default().push(row);
    }
    let mut episodes: Vec<Episode> = Vec::new();
    for mut rows in by_key.into_values() {
        rows.sort_by_key(|row| row.start);
        let mut rows = rows.into_iter();
        let Some(first) = rows.next() else { continue };
        let mut current = Episode::of(first);
        for row in rows {
            if current.reaches(row.start) {
                current.take(row);
            } else {
                episodes.push(std::mem::replace(&mut current, Episode::of(row)));
            }
        }
        episodes.push(current);
    }
    for episode in &mut episodes {
        episode.is_cut = episode.begin.0.saturating_sub(episode.seconds_apart()) < known_from.0;
    }
    episodes
}

#[cfg(test)]
mod tests {
    use cabinwatch_shared::verdict::Alarms;

    use super::*;
    use crate::tables::ScoredWindow;
    use crate::tables::examples::{row, window};

    const LONG_AGO: UnixSeconds = UnixSeconds(i64::MIN);
    const BOTH: Alarms = Alarms { z: true, forest: true };
    const Z_ONLY: Alarms = Alarms { z: true, forest: false };

    fn at(tail: &str, start: i64, fail: u64, alarms: Alarms) -> TableRow {
        let scored: ScoredWindow = window(tail, start);
        let scored_row = row("DHCP", "no address", Counts { fail, success: 100 - fail }, alarms);
        TableRow::of(&scored, &scored_row).expect("attempts")
    }

    #[test]
    fn windows_at_most_three_apart_are_one_anomaly() {
        let rows = [0, 300, 1200, 2400].map(|start| at("TC-JJA", start, 50, BOTH));
        let found = episodes(rows, LONG_AGO);
        let spans: Vec<_> = found.iter().map(|episode| (episode.begin.0, episode.end.0)).collect();
        assert_eq!(spans, [(0, 1500), (2400, 2700)]);
    }

    #[test]
    fn aircraft_and_keys_stand_apart() {
        let mut other_key = at("TC-JJA", 300, 50, BOTH);
        other_key.description = "no answer".to_owned();
        let rows = [at("TC-JJA", 0, 50, BOTH), at("TC-JJB", 300, 50, BOTH), other_key];
        let found = episodes(rows, LONG_AGO);
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn counts_votes_and_peak_are_those_of_its_rows() {
        let rows = [at("TC-JJA", 0, 20, Z_ONLY), at("TC-JJA", 300, 60, BOTH), at("TC-JJA", 600, 40, BOTH)];
        let found = episodes(rows, LONG_AGO);
        let [episode] = &found[..] else { panic!("one: {found:?}") };
        assert_eq!(episode.counts, Counts { fail: 120, success: 180 });
        assert_eq!((episode.windows, episode.confirmed), (3, 2));
        assert_eq!((episode.z_alarms, episode.forest_alarms), (3, 2));
        assert_eq!(episode.peak.start, UnixSeconds(300));
        assert_eq!(episode.expected_failures(), Some(30.0));
    }

    #[test]
    fn rows_may_come_in_any_order() {
        let rows = [600, 0, 300].map(|start| at("TC-JJA", start, 50, BOTH));
        assert_eq!(episodes(rows, LONG_AGO).len(), 1);
    }

    #[test]
    fn one_that_may_go_on_before_what_was_read_is_cut() {
        let cut = |known_from| {
            let found =
                episodes([1800, 2100].map(|start| at("TC-JJA", start, 50, BOTH)), UnixSeconds(known_from));
            found.iter().map(|episode| episode.is_cut).collect::<Vec<_>>()
        };
        assert_eq!(cut(1800), [true]);
        assert_eq!(cut(901), [true], "a window that starts at 900 would belong to it");
        assert_eq!(cut(900), [false]);
    }
}
