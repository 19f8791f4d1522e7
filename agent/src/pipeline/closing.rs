//! A window that closes: its counts become rows, the active model scores them, and a frame carries them.

use std::collections::BTreeMap;

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::model::{Catalogue, KeyIndex, Model, ModelVersion};
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::{Alarms, Verdict};
use cabinwatch_shared::wire::{
    Frame, KnownRow, KnownRows, PointName, PointRow, SpelledRow, WindowFrame, WireError,
};
use cabinwatch_shared::zscore::ZStatus;
use serde::{Deserialize, Serialize};

use super::windows::OpenWindow;
use crate::store::{KeyEntry, KeyId, WindowRecord};

/// The format of a row of the `windows` table; its first byte.
const RECORD_VERSION: u8 = 1;

/// A window as it was closed, for an engineer to look at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClosedWindow {
    /// First second.
    pub start: UnixSeconds,
    /// Length in seconds.
    pub seconds: u32,
    /// The model that scored it; 0 for none.
    pub model: ModelVersion,
    /// Successes by point, in the points' order.
    pub points: Vec<(String, u64)>,
    /// One row for each key that failed, in the keys' order.
    pub rows: Vec<ScoredRow>,
}

/// One fault key of a closed window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoredRow {
    /// Where in the journey.
    pub edr_point: String,
    /// What went wrong.
    pub description: String,
    /// Failures, and the successes of the point.
    pub counts: Counts,
    /// The z score, where there is one.
    pub z_score: Option<f64>,
    /// Why there is one, or none.
    pub z_status: ZStatus,
    /// The forest's score; none without a model.
    pub forest_score: Option<f64>,
    /// Which detectors alarm.
    pub alarms: Alarms,
}

impl ScoredRow {
    /// The row's key.
    #[must_use]
    pub fn key(&self) -> FaultKey<'_> {
        FaultKey { edr_point: &self.edr_point, description: &self.description }
    }
}

impl ClosedWindow {
    /// Scores what an open window has counted. A key that `names` does not give is left out; none is missing.
    #[must_use]
    pub fn score<'a>(
        start: UnixSeconds,
        window: &OpenWindow,
        names: impl Fn(KeyId) -> Option<&'a KeyEntry>,
        model: Option<&Model<'_>>,
    ) -> Self {
        let mut points = BTreeMap::<&str, u64>::new();
        let mut failed = Vec::new();
        for (id, tally) in window.tallies() {
            let Some(entry) = names(id) else { continue };
            if tally.success > 0 {
                *points.entry(&entry.edr_point).or_default() += tally.success;
            }
            if tally.fail > 0 {
                failed.push((entry.key(), tally.fail));
            }
        }
        failed.sort_unstable();
        let rows = failed.into_iter().map(|(key, fail)| {
            let success = points.get(key.edr_point).copied().unwrap_or(0);
            score_row(key, Counts { fail, success }, model)
        });
        Self {
            start,
            seconds: window.seconds(),
            model: model.map_or(ModelVersion(0), |model| model.header().version),
            rows: rows.collect(),
            points: points.iter().map(|(point, success)| ((*point).to_owned(), *success)).collect(),
        }
    }

    /// Whether nothing happened in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.points.is_empty()
    }

    /// The frame's bytes. `model` is the one that scored the window.
    ///
    /// # Errors
    /// When there are more rows than a frame holds, which the limits on counting rule out.
    pub fn to_frame(&self, model: Option<&Model<'_>>) -> Result<Vec<u8>, WireError> {
        let catalogue = model.map(Model::catalogue);
        let mut known = Vec::new();
        let mut frame = WindowFrame {
            start: self.start,
            length: self.seconds,
            model: self.model,
            points: heapless::Vec::new(),
            known: KnownRows::default(),
            spelled: heapless::Vec::new(),
        };
        for row in &self.rows {
            match catalogue.and_then(|catalogue| catalogue.find(row.key())) {
                Some((key, _)) => known.push(KnownRow { key, fail: row.counts.fail, alarms: row.alarms }),
                None => frame.spelled.push(spelled(row)).map_err(|_| WireError::Value)?,
            }
        }
        frame.known = KnownRows::pack(known)?;
        for (point, success) in &self.points {
            let index = catalogue.and_then(|catalogue| entry_with_point(catalogue, point));
            let point = index.map_or(PointName::Spelled(point), PointName::Known);
            frame.points.push(PointRow { point, success: *success }).map_err(|_| WireError::Value)?;
        }
        let mut bytes = Vec::new();
        Frame::Window(frame).write(&mut bytes)?;
        Ok(bytes)
    }

    /// The row for the `windows` table.
    ///
    /// # Errors
    /// When postcard refuses, which no window makes it do.
    pub fn to_record(&self) -> Result<WindowRecord, WireError> {
        let body = postcard::to_extend(self, vec![RECORD_VERSION])?;
        Ok(WindowRecord { start: self.start, body })
    }

    /// Reads the body of such a row.
    ///
    /// # Errors
    /// When the bytes are none of this version.
    pub fn from_record(body: &[u8]) -> Result<Self, WireError> {
        match body.split_first() {
            Some((&RECORD_VERSION, rest)) => Ok(postcard::from_bytes(rest)?),
            Some((&version, _)) => Err(WireError::Version(version)),
            None => Err(WireError::Truncated),
        }
    }
}

fn score_row(key: FaultKey<'_>, counts: Counts, model: Option<&Model<'_>>) -> ScoredRow {
    let verdict = model.map_or(Verdict::UNSCORED, |model| model.score(key, counts));
    ScoredRow {
        edr_point: key.edr_point.to_owned(),
        description: key.description.to_owned(),
        counts,
        z_score: verdict.z.value(),
        z_status: verdict.z.status(),
        forest_score: verdict.forest.map(|score| score.0),
        alarms: verdict.alarms,
    }
}

fn spelled(row: &ScoredRow) -> SpelledRow<'_> {
    SpelledRow {
        edr_point: &row.edr_point,
        description: &row.description,
        fail: row.counts.fail,
        alarms: row.alarms.bits(),
    }
}

/// The first entry of that point. Entries are sorted by point, so halving finds it.
fn entry_with_point(catalogue: &Catalogue<'_>, point: &str) -> Option<KeyIndex> {
    let (mut low, mut high) = (0, catalogue.len() as u32);
    while low < high {
        let middle = low.midpoint(high);
        if catalogue.entry(KeyIndex(middle))?.key.edr_point < point {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    (catalogue.entry(KeyIndex(low))?.key.edr_point == point).then_some(KeyIndex(low))
}
