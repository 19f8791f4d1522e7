//! Windows for tests.

use std::num::NonZeroU32;

use cabinwatch_shared::forest::ForestScore;
use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::{Alarms, Verdict};
use cabinwatch_shared::window::{Window, WindowLength};
use cabinwatch_shared::wire::{
    FrameSeq, LossFrame, LossReason, ModelOutcome, ModelReport, Rollback, RollbackCause, StreamId,
    StreamStart, TrialCounts,
};
use cabinwatch_shared::zscore::{KeyStatistics, ZScore};

use super::{
    AircraftRecord, Batch, FrameId, LossRecord, ModelReportRecord, ScoredRow, ScoredWindow, SeqRange,
    SetAside, SetAsideReason, StreamProgress, StreamStartRecord, WindowVersion,
};

/// A row with these counts and alarms.
pub(crate) fn row(point: &str, description: &str, counts: Counts, alarms: Alarms) -> ScoredRow {
    let statistics = KeyStatistics { samples: 40, mean_rate: 10.0, std_rate: Some(2.5) };
    let z = counts.rate().map_or(ZScore::NoModel, |rate| ZScore::of(rate, Some(&statistics)));
    let verdict = Verdict { statistics: Some(statistics), z, forest: Some(ForestScore(-0.625)), alarms };
    ScoredRow { edr_point: point.to_owned(), description: description.to_owned(), counts, verdict }
}

/// Five minutes of an aircraft: DHCP fails and is confirmed, DNS is as ever, PORTAL only works.
pub(crate) fn window(tail: &str, start: i64) -> ScoredWindow {
    let five_minutes = WindowLength::seconds(NonZeroU32::new(300).expect("not zero"));
    let both = Alarms { z: true, forest: true };
    ScoredWindow {
        tail: tail.parse().expect("a tail"),
        window: Window::containing(UnixSeconds(start).millis(), five_minutes),
        model: ModelVersion(3),
        version: WindowVersion(1),
        rows: vec![
            row("DHCP", "no address, none", Counts { fail: 9, success: 1 }, both),
            row("DNS", "refused", Counts { fail: 1, success: 99 }, Alarms::default()),
        ],
        points: vec![("DHCP".to_owned(), 1), ("DNS".to_owned(), 99), ("PORTAL".to_owned(), 7)],
    }
}

/// A batch with one of each.
pub(crate) fn everything() -> Batch {
    let window = window("TC-JJA", 0);
    let (tail, stream, at) = (window.tail.clone(), StreamId(7), UnixSeconds(300));
    let frame = |seq| FrameId { tail: tail.clone(), stream, seq: FrameSeq(seq) };
    let range = |first, last| SeqRange { first: FrameSeq(first), last: FrameSeq(last) };
    Batch {
        losses: vec![LossRecord {
            frame: frame(2),
            loss: LossFrame { reason: LossReason::Late, count: 3, since: at, until: at },
        }],
        stream_starts: vec![StreamStartRecord { frame: frame(1), start: StreamStart::NoDatabase { at } }],
        model_reports: vec![ModelReportRecord {
            frame: frame(3),
            report: ModelReport { version: ModelVersion(3), at, outcome: ModelOutcome::Activated },
        }],
        set_aside: vec![SetAside {
            tail: tail.clone(),
            frame: Some((stream, FrameSeq(4))),
            reason: SetAsideReason::Undecodable,
            message: "the payload is cut short".to_owned(),
            at,
            bytes: vec![1, 2],
        }],
        recovered: Vec::new(),
        aircraft: vec![AircraftRecord {
            last_contact: Some(at),
            stream: Some(stream),
            ..AircraftRecord::of(tail.clone())
        }],
        progress: vec![StreamProgress {
            tail: tail.clone(),
            stream,
            stored: vec![range(1, 4), range(7, 9), range(12, 12)],
            oldest: FrameSeq(7),
            newest: FrameSeq(14),
            at,
        }],
        windows: vec![window],
    }
}

/// Whatever may become of a model.
pub(crate) fn every_outcome() -> Vec<ModelOutcome> {
    let trial = TrialCounts { windows: 12, rows: 300, alarms: 9, quiet: 250, new_alarms: 2 };
    let plain = [
        ModelOutcome::Activated,
        ModelOutcome::Unreadable,
        ModelOutcome::Untrusted,
        ModelOutcome::NotForUs,
        ModelOutcome::SelfTestFailed,
        ModelOutcome::TrialPassed(trial),
    ];
    let back = |cause| ModelOutcome::RolledBack(Rollback { to: ModelVersion(4), cause, trial });
    plain.into_iter().chain(RollbackCause::ALL.map(back)).collect()
}
