use std::path::Path;

use cabinwatch_archive::windows::{Period, WindowArchive};
use cabinwatch_shared::model::{AgentRelease, ModelVersion};
use cabinwatch_shared::verdict::Alarms;
use cabinwatch_shared::wire::{
    AgentStatus, ClockTrust, Frame, FrameSeq, LinkState, LossFrame, LossReason, StreamId, StreamStart,
};
use proptest::prelude::*;

use super::*;
use crate::config::TablesConfig;
use crate::ingest::fixture::{deflated, frame_bytes, known_window, message, model, spelled_window};
use crate::tables::{self, Query, SetAsideReason};

const NOW: UnixSeconds = UnixSeconds(1_795_300_000);
const LIMIT: Duration = Duration::from_secs(10);
const BOTH: Alarms = Alarms { z: true, forest: true };

fn archive_url(dir: &Path) -> String {
    format!("file://{}", dir.join("archive").display())
}

fn open(dir: &Path) -> Intake {
    let url = format!("sqlite://{}", dir.join("tables.db").display());
    let tables = tables::open(&url, &TablesConfig::default()).expect("opened");
    let archive = Archive::open(&archive_url(dir), LIMIT).expect("opened");
    Intake::open(tables, archive).expect("opened")
}

fn try_store(intake: &mut Intake, payloads: &[Vec<u8>]) -> Result<Vec<u64>, IntakeError> {
    let messages: Vec<_> = payloads
        .iter()
        .map(|payload| Message {
            tail: "TC-JJA".parse().expect("a tail"),
            kind: MessageKind::Frames,
            payload,
        })
        .collect();
    let committed = intake.store(&messages, NOW)?;
    Ok(committed.into_iter().map(|(_, committed)| committed.seq.0).collect())
}

fn store(intake: &mut Intake, payloads: &[Vec<u8>]) -> Vec<u64> {
    try_store(intake, payloads).expect("stored")
}

/// How many files the archive has, and rows in them.
fn archived(dir: &Path) -> (u64, u64) {
    let archive = WindowArchive::open(&archive_url(dir), LIMIT).expect("opened");
    let period = Period { from: UnixSeconds(0), until: NOW };
    let mut rows = 0;
    let read = archive.counts(&archive.days().expect("listed"), period, |count| rows += count.rows, || ());
    (read.expect("read").files, rows)
}

fn fails(intake: &mut Intake) -> Vec<u64> {
    let rows = intake.tables().scored_rows(&Query::default()).expect("read");
    rows.iter().map(|row| row.counts.fail).collect()
}

#[test]
fn frames_become_rows_and_are_acknowledged() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut intake = open(dir.path());
    let two = deflated(7, 1, 1, &[spelled_window(0), spelled_window(1)]);
    assert_eq!(store(&mut intake, &[two, message(7, 1, 3, &[spelled_window(2)])]), [3]);
    assert_eq!(fails(&mut intake), [9, 9, 9]);
    let summary = intake.summary();
    assert_eq!((summary.messages, summary.frames, summary.windows, summary.rows), (2, 3, 3, 3));
}

#[test]
fn a_crash_between_storing_and_acknowledging_counts_nothing_twice() {
    let dir = tempfile::tempdir().expect("a folder");
    let payload = message(7, 1, 1, &[spelled_window(0), spelled_window(1)]);
    store(&mut open(dir.path()), std::slice::from_ref(&payload));
    // The process is gone; the broker delivers again to the next one, with more behind it.
    let mut next = open(dir.path());
    assert_eq!(store(&mut next, &[payload, message(7, 1, 3, &[spelled_window(2)])]), [3]);
    assert_eq!(fails(&mut next), [9, 9, 9]);
    assert_eq!((next.summary().duplicates, next.summary().frames), (2, 1));
}

#[test]
fn a_duplicate_is_acknowledged_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut intake = open(dir.path());
    let payload = message(7, 1, 1, &[spelled_window(0)]);
    store(&mut intake, std::slice::from_ref(&payload));
    assert_eq!(store(&mut intake, &[payload]), [1]);
}

#[test]
fn what_the_aircraft_lost_is_a_gap_in_the_tables() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut intake = open(dir.path());
    assert_eq!(store(&mut intake, &[message(7, 1, 5, &[spelled_window(5)])]), [0]);
    assert_eq!(store(&mut intake, &[message(7, 5, 6, &[spelled_window(6)])]), [6]);
    let gaps = intake.tables().gaps(&Query::default()).expect("read");
    assert_eq!((gaps.len(), gaps[0].range.first, gaps[0].range.last), (1, FrameSeq(1), FrameSeq(4)));
    assert_eq!(intake.summary().gaps, 4);
}

#[test]
fn a_frame_that_does_not_decode_is_set_aside_and_the_rest_flows() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut intake = open(dir.path());
    let poison = vec![9, 9, 9];
    let frames = [spelled_window(0), poison.clone(), spelled_window(1)];
    assert_eq!(store(&mut intake, &[message(7, 1, 1, &frames)]), [3]);
    assert_eq!(fails(&mut intake), [9, 9]);
    let aside = intake.tables().set_aside(&Query::default()).expect("read");
    assert_eq!(aside.len(), 1);
    assert_eq!((aside[0].frame, &aside[0].bytes), (Some((StreamId(7), FrameSeq(2))), &poison));
}

#[test]
fn a_message_that_can_not_be_taken_apart_is_set_aside_once_and_acknowledges_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut intake = open(dir.path());
    let from_the_future = vec![2, 0, 1, 2, 3];
    for _ in 0..2 {
        assert_eq!(store(&mut intake, std::slice::from_ref(&from_the_future)), Vec::<u64>::new());
    }
    let aside = intake.tables().set_aside(&Query::default()).expect("read");
    assert_eq!((aside.len(), aside[0].frame), (1, None));
    assert!(aside[0].message.contains("version 2"), "{}", aside[0].message);
}

#[test]
fn a_cut_message_gives_its_whole_frames_and_sets_the_broken_one_aside() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut intake = open(dir.path());
    let mut cut = message(7, 1, 1, &[spelled_window(0), spelled_window(1)]);
    cut.truncate(cut.len() - 5);
    assert_eq!(store(&mut intake, &[cut]), [2]);
    assert_eq!((intake.summary().windows, intake.summary().set_aside), (1, 1));
}

#[test]
fn losses_stream_starts_and_the_aircraft_are_recorded() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut intake = open(dir.path());
    let start = frame_bytes(&Frame::StreamStart(StreamStart::NoDatabase { at: NOW }));
    let loss = LossFrame { reason: LossReason::QueueFull, count: 40, since: NOW, until: NOW };
    let impossible = LossFrame { until: UnixSeconds(i64::MAX), ..loss };
    let frames = [start, frame_bytes(&Frame::Loss(loss)), frame_bytes(&Frame::Loss(impossible))];
    assert_eq!(store(&mut intake, &[message(7, 1, 1, &frames)]), [3]);
    let summary = intake.summary();
    assert_eq!((summary.losses, summary.lost, summary.set_aside), (1, 40, 1));
    let query = Query::default();
    assert_eq!(intake.tables().losses(&query).expect("read")[0].loss, loss);
    assert_eq!(intake.tables().stream_starts(&query).expect("read").len(), 1);
    let aircraft = intake.tables().aircraft().expect("read");
    assert_eq!((aircraft[0].last_contact, aircraft[0].stream), (Some(NOW), Some(StreamId(7))));
}

#[test]
fn a_status_tells_of_the_aircraft_and_is_answered_with_what_is_committed() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut intake = open(dir.path());
    store(&mut intake, &[message(7, 1, 1, &[spelled_window(0)])]);
    let status = AgentStatus {
        release: AgentRelease(0, 1, 0),
        model: ModelVersion(3),
        stream: StreamId(7),
        oldest: FrameSeq(1),
        newest: FrameSeq(1),
        cohort: "canary".parse().expect("a cohort"),
        clock: ClockTrust::Trusted,
    };
    let mut say = |state: LinkState, retained| {
        let mut payload = Vec::new();
        state.write(&mut payload).expect("encodes");
        let tail: Tail = "TC-JJA".parse().expect("a tail");
        let message = Message { tail, kind: MessageKind::Status { retained }, payload: &payload };
        let later = UnixSeconds(NOW.0 + 60);
        let committed = intake.store(&[message], later).expect("stored");
        (committed.len(), intake.tables().aircraft().expect("read").remove(0))
    };
    let (answers, aircraft) = say(LinkState::Online(status.clone()), true);
    assert_eq!((answers, aircraft.last_contact, aircraft.online), (1, Some(NOW), Some(true)));
    let (_, aircraft) = say(LinkState::Online(status), false);
    assert_eq!(aircraft.last_contact, Some(UnixSeconds(NOW.0 + 60)));
    assert_eq!(aircraft.cohort.as_deref(), Some("canary"));
    let (_, aircraft) = say(LinkState::Away { seconds: 3600 }, false);
    assert_eq!((aircraft.last_contact, aircraft.online), (Some(UnixSeconds(NOW.0 + 60)), Some(false)));
    assert_eq!(aircraft.next_contact, Some(UnixSeconds(NOW.0 + 3660)));
    let (_, aircraft) = say(LinkState::Away { seconds: 7200 }, true);
    assert_eq!(aircraft.next_contact, Some(UnixSeconds(NOW.0 + 3660)), "when it was said is not known");
    let (answers, aircraft) = say(LinkState::Offline, false);
    assert_eq!((answers, aircraft.online, aircraft.model), (0, Some(false), Some(ModelVersion(3))));
}

#[test]
fn a_status_tells_how_much_is_still_on_board() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut intake = open(dir.path());
    let say = |intake: &mut Intake, stream, oldest, newest| {
        let status = AgentStatus {
            release: AgentRelease(0, 1, 0),
            model: ModelVersion(3),
            stream: StreamId(stream),
            oldest: FrameSeq(oldest),
            newest: FrameSeq(newest),
            cohort: "fleet".parse().expect("a cohort"),
            clock: ClockTrust::Trusted,
        };
        let mut payload = Vec::new();
        LinkState::Online(status).write(&mut payload).expect("encodes");
        let tail = "TC-JJA".parse().expect("a tail");
        let message = Message { tail, kind: MessageKind::Status { retained: false }, payload: &payload };
        let committed = intake.store(&[message], NOW).expect("stored");
        committed.iter().map(|(_, committed)| committed.seq.0).collect::<Vec<_>>()
    };
    let on_board = |intake: &mut Intake| {
        let streams = intake.tables().streams().expect("read");
        streams.iter().map(|state| (state.stream.0, state.on_board())).collect::<Vec<_>>()
    };
    assert_eq!(say(&mut intake, 6, 1, 0), Vec::<u64>::new());
    assert_eq!(on_board(&mut intake), [], "no frame was ever written");
    // Before the first of its frames came.
    assert_eq!(say(&mut intake, 7, 1, 40), [0]);
    assert_eq!(on_board(&mut intake), [(7, 40)]);
    store(&mut intake, &[message(7, 1, 1, &[spelled_window(0), spelled_window(1)])]);
    assert_eq!(on_board(&mut intake), [(7, 38)]);
    // A live frame is one more, and is no longer on board; what was dropped is not, either.
    store(&mut intake, &[message(7, 31, 41, &[spelled_window(40)])]);
    assert_eq!(on_board(&mut intake), [(7, 10)]);
    // All that it wrote since was dropped, too.
    assert_eq!(say(&mut intake, 7, 61, 60), [30]);
    assert_eq!(on_board(&mut intake), [(7, 10)]);
    assert_eq!(say(&mut intake, 7, 1, u64::MAX), Vec::<u64>::new());
    assert_eq!((on_board(&mut intake), intake.summary().set_aside), (vec![(7, 10)], 1));
}

#[test]
fn windows_are_scored_with_the_model_the_agent_used() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut intake = open(dir.path());
    intake.tables().put_model(&model(3)).expect("stored");
    store(
        &mut intake,
        &[message(7, 1, 1, &[known_window(0, 3, BOTH), known_window(1, 3, Alarms::default())])],
    );
    let rows = intake.tables().scored_rows(&Query::default()).expect("read");
    assert!(rows.iter().all(|row| row.z_score == Some(40.0) && row.alarms == BOTH), "{rows:?}");
    assert_eq!((intake.summary().anomalies, intake.summary().differing), (2, 1));
}

#[test]
fn windows_of_a_model_nobody_made_known_wait_for_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut intake = open(dir.path());
    assert_eq!(store(&mut intake, &[message(7, 1, 1, &[known_window(0, 3, BOTH), spelled_window(1)])]), [2]);
    assert_eq!(fails(&mut intake), [9]);
    let aside = intake.tables().set_aside(&Query::default()).expect("read");
    assert_eq!(aside[0].reason, SetAsideReason::UnknownModel(ModelVersion(3)));
    intake.recover(NOW).expect("nothing yet");
    intake.tables().put_model(&model(3)).expect("stored");
    intake.recover(NOW).expect("recovered");
    assert_eq!(fails(&mut intake), [9, 9]);
    assert_eq!(intake.tables().set_aside(&Query::default()).expect("read"), []);
    assert_eq!(intake.summary().recovered, 1);
}

#[test]
fn a_model_that_is_damaged_in_the_tables_is_as_good_as_unknown() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut intake = open(dir.path());
    let mut damaged = model(3);
    damaged.bundle.truncate(100);
    intake.tables().put_model(&damaged).expect("stored");
    assert_eq!(store(&mut intake, &[message(7, 1, 1, &[known_window(0, 3, BOTH)])]), [1]);
    assert_eq!(intake.summary().set_aside, 1);
}

#[test]
fn a_new_stream_of_an_aircraft_starts_from_one_and_the_old_one_stays() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut intake = open(dir.path());
    store(&mut intake, &[message(7, 1, 1, &[spelled_window(0), spelled_window(1)])]);
    assert_eq!(store(&mut intake, &[message(8, 1, 1, &[spelled_window(2)])]), [1]);
    let streams = intake.tables().streams().expect("read");
    let committed: Vec<_> = streams.iter().map(|state| (state.stream.0, state.committed.0)).collect();
    assert_eq!(committed, [(7, 2), (8, 1)]);
}

#[test]
fn two_processes_store_the_frames_of_one_stream_between_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let (mut one, mut other) = (open(dir.path()), open(dir.path()));
    let window = |number: i64| message(7, 1, number as u64, &[spelled_window(number - 1)]);
    assert_eq!(store(&mut one, &[window(1)]), [1]);
    // The other was given the third first, and knows nothing of what the one has stored since it began.
    assert_eq!(store(&mut other, &[window(3)]), [1]);
    assert_eq!(store(&mut one, &[window(4), window(2)]), [4]);
    // What the one has stored comes to the other once more.
    assert_eq!(store(&mut other, &[window(2), window(5)]), [5]);
    assert_eq!(fails(&mut one), [9; 5]);
    assert_eq!(other.tables().gaps(&Query::default()).expect("read"), []);
}

#[test]
fn every_stored_row_is_in_the_archive() {
    let dir = tempfile::tempdir().expect("a folder");
    let payload = message(7, 1, 1, &[spelled_window(0), spelled_window(1)]);
    store(&mut open(dir.path()), std::slice::from_ref(&payload));
    store(&mut open(dir.path()), &[payload]);
    // One file, since nothing was new the second time: for each window a failure and a point.
    assert_eq!(archived(dir.path()), (1, 4));
}

#[test]
fn what_the_tables_refuse_for_a_while_is_archived_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut intake = open(dir.path());
    let payload = message(7, 1, 1, &[spelled_window(0), spelled_window(1)]);
    let saboteur = rusqlite::Connection::open(dir.path().join("tables.db")).expect("opened");
    let sabotage = "CREATE TRIGGER full BEFORE INSERT ON window_index BEGIN SELECT RAISE(ABORT, 'full'); END";
    saboteur.execute_batch(sabotage).expect("made");
    for _ in 0..3 {
        assert!(try_store(&mut intake, std::slice::from_ref(&payload)).is_err());
    }
    saboteur.execute_batch("DROP TRIGGER full").expect("dropped");
    assert_eq!(store(&mut intake, &[payload]), [2]);
    assert_eq!(archived(dir.path()), (1, 4));
    store(&mut intake, &[message(7, 1, 3, &[spelled_window(2)])]);
    assert_eq!(archived(dir.path()), (2, 6));
}

#[test]
fn numbers_no_column_holds_are_refused_with_their_message() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut intake = open(dir.path());
    let frames = [spelled_window(0)];
    let payloads =
        [message(7, 1, u64::MAX, &frames), message(7, u64::MAX, 1, &frames), message(7, 1, 0, &frames)];
    assert_eq!(store(&mut intake, &payloads), Vec::<u64>::new());
    assert_eq!(intake.summary().set_aside, 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_payload_stops_the_intake(junk in prop::collection::vec(any::<u8>(), 0..300), at in 0_usize..200, byte in any::<u8>()) {
        let dir = tempfile::tempdir().expect("a folder");
        let mut intake = open(dir.path());
        intake.tables().put_model(&model(3)).expect("stored");
        let mut bent = message(7, 1, 1, &[known_window(0, 3, BOTH), spelled_window(1)]);
        let at = at % bent.len();
        bent[at] = byte;
        store(&mut intake, &[junk, bent]);
        // Whatever that was, an honest aircraft still gets through.
        store(&mut intake, &[message(99, 1, 1, &[spelled_window(50)])]);
        prop_assert!(intake.summary().windows >= 1);
    }
}

#[test]
fn a_window_that_comes_after_a_newer_version_of_it_is_counted_and_left_out() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut intake = open(dir.path());
    store(&mut intake, &[message(7, 1, 2, &[spelled_window(0)])]);
    let before = fails(&mut intake);
    store(&mut intake, &[message(7, 1, 1, &[spelled_window(0)])]);
    assert_eq!((intake.summary().outdated, intake.summary().windows), (1, 1));
    assert_eq!(fails(&mut intake), before);
}
