//! What was injected, what was found, and whether anything was lost: `summary.json`.

use std::fs;
use std::path::Path;

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use serde::{Serialize, Serializer};

use super::DemoError;
use super::timeline::Timeline;
use crate::simulate::Fault;
use crate::tables::{Query, Table, TableRow, Tables};

/// A fault that was put in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Injected {
    /// The aircraft.
    pub tail: String,
    /// At which point.
    pub edr_point: String,
    /// The failure it shows as.
    pub description: String,
    /// How it shows.
    pub kind: String,
    /// First second.
    #[serde(serialize_with = "as_text")]
    pub start: UnixSeconds,
    /// First second after.
    #[serde(serialize_with = "as_text")]
    pub end: UnixSeconds,
}

/// A confirmed anomaly.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// The aircraft.
    pub tail: String,
    /// The fault key.
    pub fault_key: String,
    /// First second of the window.
    #[serde(serialize_with = "as_text")]
    pub start_time: UnixSeconds,
    /// First second after it.
    #[serde(serialize_with = "as_text")]
    pub end_time: UnixSeconds,
    /// Failures.
    pub fail: u64,
    /// Attempts.
    pub total: u64,
    /// In percent.
    pub fail_rate: f64,
    /// Standard deviations above the mean.
    pub z_score: Option<f64>,
    /// The forest's score.
    pub iforest_score: Option<f64>,
    /// Whether it is an injected fault: its aircraft, its key, within its time.
    pub matches: bool,
}

/// How the demo came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// What was put in.
    pub injected: Vec<Injected>,
    /// All confirmed anomalies of the played hours.
    pub found: Vec<Found>,
    /// Events the agents stored.
    pub events: u64,
    /// Frames the ground stored.
    pub frames: u64,
    /// Events, lines and frames that anybody lost, and events sent that were not stored or not counted.
    pub lost: u64,
}

fn as_text<S: Serializer>(at: &UnixSeconds, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

impl Injected {
    fn of(fault: &Fault) -> Self {
        Self {
            tail: fault.tail.to_string(),
            edr_point: fault.edr_point.to_owned(),
            description: fault.description.to_owned(),
            kind: fault.kind.as_str().to_owned(),
            start: fault.start,
            end: fault.end,
        }
    }

    fn key(&self) -> FaultKey<'_> {
        FaultKey { edr_point: &self.edr_point, description: &self.description }
    }

    fn is_shown_by(&self, row: &TableRow) -> bool {
        let overlaps = row.start < self.end && self.start < row.end;
        overlaps && row.tail.as_str() == self.tail && row.key() == self.key()
    }
}

impl Outcome {
    /// Compares the faults with what the tables hold of the played hours.
    pub(super) fn read(tables: &dyn Tables, timeline: Timeline, faults: &[Fault]) -> Result<Self, DemoError> {
        let query = Query { since: Some(timeline.start), until: Some(timeline.end), ..Query::default() };
        let injected: Vec<Injected> = faults.iter().map(Injected::of).collect();
        let rows = tables.rows(Table::CombinedRepeated, &query)?;
        let found = rows.iter().map(|row| found(row, injected.iter().any(|fault| fault.is_shown_by(row))));
        let everything = Query::default();
        let losses = tables.losses(&everything)?.iter().map(|record| record.loss.count).sum::<u64>();
        let gaps = tables.gaps(&everything)?.iter().map(|gap| gap.range.count()).sum::<u64>();
        let set_aside = tables.set_aside(&everything)?.len() as u64;
        Ok(Self {
            found: found.collect(),
            injected,
            events: 0,
            frames: tables.streams()?.iter().map(|stream| stream.committed.0).sum(),
            lost: losses + gaps + set_aside,
        })
    }

    /// Confirmed windows of an injected fault.
    pub fn windows_of<'a>(&'a self, fault: &'a Injected) -> impl Iterator<Item = &'a Found> {
        let key = fault.key().to_string();
        self.found
            .iter()
            .filter(move |found| found.matches && found.tail == fault.tail && found.fault_key == key)
    }

    /// Confirmed windows that are no injected fault.
    #[must_use]
    pub fn others(&self) -> usize {
        self.found.iter().filter(|found| !found.matches).count()
    }

    /// Whether every fault was found and nothing was lost.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.lost == 0 && self.injected.iter().all(|fault| self.windows_of(fault).next().is_some())
    }

    /// Writes `summary.json`.
    pub(super) fn write(&self, path: &Path) -> Result<(), DemoError> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| DemoError::Encode { what: "summary.json", message: error.to_string() })?;
        text.push('\n');
        fs::write(path, text).map_err(DemoError::file(path))
    }
}

/// By how many the tables' failures of each aircraft differ from those that were sent.
pub(super) fn miscounted(
    tables: &dyn Tables,
    timeline: Timeline,
    failures: &[(Tail, u64)],
) -> Result<u64, DemoError> {
    let mut miscounted = 0;
    for (tail, sent) in failures {
        let query = Query {
            tail: Some(tail.clone()),
            since: Some(timeline.start),
            until: Some(timeline.end),
            ..Query::default()
        };
        let counted: u64 = tables.scored_rows(&query)?.iter().map(|row| row.counts.fail).sum();
        miscounted += counted.abs_diff(*sent);
    }
    Ok(miscounted)
}

fn found(row: &TableRow, matches: bool) -> Found {
    Found {
        tail: row.tail.to_string(),
        fault_key: row.key().to_string(),
        start_time: row.start,
        end_time: row.end,
        fail: row.counts.fail,
        total: row.counts.total(),
        fail_rate: row.fail_rate,
        z_score: row.z_score,
        iforest_score: row.iforest_score,
        matches,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn injected() -> Injected {
        Injected {
            tail: "TC-SAA".to_owned(),
            edr_point: "DHCP".to_owned(),
            description: "no answer".to_owned(),
            kind: "burst".to_owned(),
            start: UnixSeconds(600),
            end: UnixSeconds(1200),
        }
    }

    fn found(matches: bool) -> Found {
        Found {
            tail: "TC-SAA".to_owned(),
            fault_key: "DHCP | no answer".to_owned(),
            start_time: UnixSeconds(600),
            end_time: UnixSeconds(900),
            fail: 6,
            total: 10,
            fail_rate: 60.0,
            z_score: Some(9.5),
            iforest_score: Some(-0.7),
            matches,
        }
    }

    fn outcome(found: Vec<Found>, lost: u64) -> Outcome {
        Outcome { injected: vec![injected()], found, events: 10, frames: 3, lost }
    }

    #[test]
    fn it_is_good_when_every_fault_was_found_and_nothing_was_lost() {
        assert!(outcome(vec![found(true)], 0).is_good());
        assert!(!outcome(vec![found(false)], 0).is_good());
        assert!(!outcome(vec![found(true)], 1).is_good());
        assert!(!outcome(vec![], 0).is_good());
    }

    #[test]
    fn the_summary_has_the_documented_form() {
        let json = serde_json::to_value(outcome(vec![found(true)], 0)).expect("JSON");
        assert_eq!(json["injected"][0]["start"], "1970-01-01T00:10:00Z");
        assert_eq!(json["found"][0]["fault_key"], "DHCP | no answer");
        assert_eq!(json["found"][0]["start_time"], "1970-01-01T00:10:00Z");
        assert_eq!(json["found"][0]["matches"], true);
        assert_eq!((&json["events"], &json["frames"], &json["lost"]), (&10.into(), &3.into(), &0.into()));
    }
}
