//! What every implementation of [`Tables`] does. Each check takes empty tables.

use std::collections::BTreeSet;

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::model::{AgentRelease, ModelVersion};
use cabinwatch_shared::rate::{Counts, Rate};
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::{Alarms, Verdict};
use cabinwatch_shared::wire::{
    FrameSeq, LossFrame, LossReason, ModelOutcome, ModelReport, StreamId, StreamStart,
};

use super::examples::{every_outcome, row, window};
use super::*;

/// One check: tables that are empty, and what must hold of them.
pub type Check = fn(&mut dyn Tables);

/// Every check with its name.
pub const CHECKS: [(&str, Check); 18] = [
    ("rows_stand_in_the_tables_their_alarms_say", rows_stand_in_the_tables_their_alarms_say),
    ("every_column_comes_back", every_column_comes_back),
    ("a_re_run_leaves_exactly_the_new_rows", a_re_run_leaves_exactly_the_new_rows),
    ("storing_again_changes_nothing", storing_again_changes_nothing),
    ("windows_of_others_stay", windows_of_others_stay),
    ("queries_bound_time_tail_and_number", queries_bound_time_tail_and_number),
    ("totals_are_those_of_the_rows", totals_are_those_of_the_rows),
    ("rates_count_quiet_windows_as_zero", rates_count_quiet_windows_as_zero),
    ("a_point_has_worked_where_an_attempt_succeeded", a_point_has_worked_where_an_attempt_succeeded),
    ("records_come_back", records_come_back),
    ("streams_and_gaps_come_back", streams_and_gaps_come_back),
    ("the_newest_frame_an_aircraft_told_of_stays_known", the_newest_frame_an_aircraft_told_of_stays_known),
    ("gaps_stay_known_however_many_come_at_once", gaps_stay_known_however_many_come_at_once),
    (
        "a_gap_that_is_filled_in_its_middle_is_two_although_one_of_them_is_settled",
        a_gap_that_is_filled_in_its_middle_is_two_although_one_of_them_is_settled,
    ),
    ("progress_of_several_processes_is_merged", progress_of_several_processes_is_merged),
    ("a_replay_leaves_newer_windows_as_they_are", a_replay_leaves_newer_windows_as_they_are),
    ("what_an_aircraft_does_not_say_stays_known", what_an_aircraft_does_not_say_stays_known),
    ("models_are_known_once", models_are_known_once),
];

fn points(rows: &[TableRow]) -> Vec<&str> {
    rows.iter().map(|row| row.edr_point.as_str()).collect()
}

fn all(tables: &dyn Tables, table: Table) -> Vec<TableRow> {
    tables.rows(table, &Query::default()).expect("readable")
}

fn frame(seq: u64) -> FrameId {
    FrameId { tail: "TC-JJA".parse().expect("a tail"), stream: StreamId(u64::MAX), seq: FrameSeq(seq) }
}

fn rows_stand_in_the_tables_their_alarms_say(tables: &mut dyn Tables) {
    let mut scored = window("TC-JJA", 0);
    let counts = Counts { fail: 5, success: 5 };
    scored.rows.push(row("EAP", "rejected", counts, Alarms { z: true, forest: false }));
    scored.rows.push(row("WPA", "timeout", counts, Alarms { z: false, forest: true }));
    let outcome = tables.replace(&[scored]).expect("stored");
    assert_eq!(outcome, StoreOutcome { windows: 1, rows: 4, anomalies: 3, ..StoreOutcome::default() });
    let held = |table| points(&all(tables, table)).join(" ");
    assert_eq!(held(Table::CombinedAll), "DHCP EAP WPA");
    assert_eq!(held(Table::ZscoreAll), "DHCP EAP");
    assert_eq!(held(Table::IforestAll), "DHCP WPA");
    for confirmed in [Table::CombinedRepeated, Table::ZscoreRepeated, Table::IforestRepeated] {
        assert_eq!(held(confirmed), "DHCP");
    }
    assert_eq!(points(&tables.scored_rows(&Query::default()).expect("read")), ["DHCP", "DNS", "EAP", "WPA"]);
}

fn every_column_comes_back(tables: &mut dyn Tables) {
    let mut scored = window("TC-JJA", 1_795_248_600);
    let unscored = ScoredRow {
        edr_point: "a | b".to_owned(),
        description: "ğ, \"quoted\"\n\u{1F6EB}".to_owned(),
        counts: Counts { fail: 1, success: (1 << 53) - 1 },
        verdict: Verdict { alarms: Alarms { z: true, forest: false }, ..Verdict::UNSCORED },
    };
    scored.rows.push(unscored);
    tables.replace(std::slice::from_ref(&scored)).expect("stored");
    let mut expected: Vec<_> = scored.rows.iter().filter_map(|row| TableRow::of(&scored, row)).collect();
    expected.sort_by(|one, other| one.key().cmp(&other.key()));
    assert_eq!(tables.scored_rows(&Query::default()).expect("read"), expected);
}

fn a_re_run_leaves_exactly_the_new_rows(tables: &mut dyn Tables) {
    tables.replace(&[window("TC-JJA", 0)]).expect("stored");
    let mut again = window("TC-JJA", 0);
    // DHCP is no anomaly any more, DNS is gone, EAP is new.
    again.rows[0].verdict.alarms = Alarms::default();
    again.rows[1] = row("EAP", "rejected", Counts { fail: 2, success: 0 }, Alarms { z: true, forest: false });
    again.points = vec![("EAP".to_owned(), 0)];
    let outcome = tables.replace(&[again]).expect("stored");
    assert_eq!(
        outcome,
        StoreOutcome { windows: 1, rows: 2, anomalies: 1, replaced: 1, ..StoreOutcome::default() }
    );
    assert_eq!(points(&all(tables, Table::CombinedAll)), ["EAP"]);
    assert_eq!(points(&all(tables, Table::CombinedRepeated)), Vec::<&str>::new());
    assert_eq!(points(&tables.scored_rows(&Query::default()).expect("read")), ["DHCP", "EAP"]);
    let empty = ScoredWindow { rows: Vec::new(), points: Vec::new(), ..window("TC-JJA", 0) };
    tables.replace(&[empty]).expect("stored");
    assert_eq!(tables.scored_rows(&Query::default()).expect("read"), []);
}

fn storing_again_changes_nothing(tables: &mut dyn Tables) {
    let batch = Batch {
        windows: vec![window("TC-JJA", 0), window("TC-JJA", 300)],
        losses: vec![LossRecord { frame: frame(4), loss: loss(9) }],
        set_aside: vec![message_set_aside(b"junk"), frame_set_aside(7, SetAsideReason::Nonsense)],
        ..Batch::default()
    };
    let state = |tables: &dyn Tables| {
        let query = Query::default();
        let rows: Vec<_> = Table::ALL.map(|table| all(tables, table)).into_iter().flatten().collect();
        (
            rows,
            tables.scored_rows(&query).expect("read"),
            tables.losses(&query).expect("read"),
            tables.set_aside(&query).expect("read"),
        )
    };
    tables.commit(&batch).expect("stored");
    let before = state(tables);
    let outcome = tables.commit(&batch).expect("stored");
    assert_eq!(outcome.replaced, 2);
    assert_eq!(state(tables), before);
    assert_eq!((before.1.len(), before.2.len(), before.3.len()), (4, 1, 2));
}

fn windows_of_others_stay(tables: &mut dyn Tables) {
    tables.replace(&[window("TC-JJA", 0), window("TC-JJB", 0), window("TC-JJA", 300)]).expect("stored");
    let empty = ScoredWindow { rows: Vec::new(), ..window("TC-JJA", 0) };
    tables.replace(&[empty]).expect("stored");
    let left: Vec<_> =
        all(tables, Table::CombinedAll).into_iter().map(|row| (row.tail.to_string(), row.start.0)).collect();
    assert_eq!(left, [("TC-JJB".to_owned(), 0), ("TC-JJA".to_owned(), 300)]);
}

fn queries_bound_time_tail_and_number(tables: &mut dyn Tables) {
    let windows: Vec<_> = [0, 300, 600]
        .iter()
        .flat_map(|start| ["TC-JJA", "TC-JJB"].map(|tail| window(tail, *start)))
        .collect();
    tables.replace(&windows).expect("stored");
    let starts = |query: Query| {
        let rows = tables.rows(Table::CombinedAll, &query).expect("read");
        rows.iter().map(|row| format!("{}@{}", row.tail, row.start.0)).collect::<Vec<_>>().join(" ")
    };
    let tail = Some("TC-JJB".parse().expect("a tail"));
    assert_eq!(starts(Query { tail: tail.clone(), ..Query::default() }), "TC-JJB@0 TC-JJB@300 TC-JJB@600");
    let since_until =
        Query { since: Some(UnixSeconds(300)), until: Some(UnixSeconds(600)), ..Query::default() };
    assert_eq!(starts(since_until), "TC-JJA@300 TC-JJB@300");
    assert_eq!(starts(Query { tail, limit: Some(2), ..Query::default() }), "TC-JJB@300 TC-JJB@600");
    let far =
        Query { since: Some(UnixSeconds(i64::MIN)), until: Some(UnixSeconds(i64::MAX)), ..Query::default() };
    assert_eq!(starts(far).split(' ').count(), 6);
}

fn totals_are_those_of_the_rows(tables: &mut dyn Tables) {
    assert_eq!(tables.totals(None, &Query::default()).expect("read"), Totals::default());
    let mut late = ScoredWindow { model: ModelVersion(9), ..window("TC-JJB", 7_200) };
    late.rows.push(row("EAP", "rejected", Counts { fail: 5, success: 5 }, Alarms { z: true, forest: false }));
    late.rows.push(row("WPA", "timeout", Counts { fail: 5, success: 5 }, Alarms { z: false, forest: true }));
    let quiet = ScoredWindow { rows: Vec::new(), ..window("TC-JJA", 9_000) };
    tables.replace(&[window("TC-JJA", 0), window("TC-JJA", 300), quiet, late]).expect("stored");
    let tail = Some("TC-JJB".parse().expect("a tail"));
    let bounded =
        Query { since: Some(UnixSeconds(300)), until: Some(UnixSeconds(7_200)), ..Query::default() };
    for query in [Query::default(), Query { tail, ..Query::default() }, bounded] {
        for table in Table::ALL.map(Some).into_iter().chain([None]) {
            let rows = match table {
                Some(table) => tables.rows(table, &query),
                None => tables.scored_rows(&query),
            };
            let rows = rows.expect("read");
            let count =
                |holds: fn(Alarms) -> bool| rows.iter().filter(|row| holds(row.alarms)).count() as u64;
            let windows: BTreeSet<_> = rows.iter().map(|row| (&row.tail, row.start)).collect();
            let expected = Totals {
                rows: rows.len() as u64,
                windows: windows.len() as u64,
                z: count(|alarms| alarms.z),
                forest: count(|alarms| alarms.forest),
                confirmed: count(Alarms::confirmed),
                model: rows.iter().map(|row| row.model_version).max().unwrap_or_default(),
                from: rows.iter().map(|row| row.start).min(),
                until: rows.iter().map(|row| row.end).max(),
            };
            assert_eq!(tables.totals(table, &query).expect("read"), expected, "{table:?} {query:?}");
        }
    }
    let all = tables.totals(None, &Query::default()).expect("read");
    assert_eq!(
        (all.rows, all.windows, all.model, all.until),
        (8, 3, ModelVersion(9), Some(UnixSeconds(7_500)))
    );
}

fn rates_count_quiet_windows_as_zero(tables: &mut dyn Tables) {
    let quiet = ScoredWindow { rows: Vec::new(), ..window("TC-JJA", 300) };
    let no_attempt = ScoredWindow { rows: Vec::new(), points: Vec::new(), ..window("TC-JJA", 600) };
    tables.replace(&[window("TC-JJA", 0), quiet, no_attempt, window("TC-JJA", 900)]).expect("stored");
    let key = FaultKey { edr_point: "DHCP", description: "no address, none" };
    let rates = |until: i64, windows: u32| -> Vec<(i64, Rate)> {
        let tail = "TC-JJA".parse().expect("a tail");
        let query = RateQuery { tail: &tail, key, until: UnixSeconds(until), windows };
        let rates = tables.recent_rates(&query).expect("read");
        rates.into_iter().map(|(start, rate)| (start.0, rate)).collect()
    };
    let percent = |percent: u16| Rate::from_hundredths(100 * percent).expect("a rate");
    assert_eq!(rates(900, 9), [(0, percent(90)), (300, percent(0)), (900, percent(90))]);
    assert_eq!(rates(899, 9), [(0, percent(90)), (300, percent(0))]);
    assert_eq!(rates(900, 1), [(900, percent(90))]);
    assert_eq!(rates(900, 0), []);
}

fn a_point_has_worked_where_an_attempt_succeeded(tables: &mut dyn Tables) {
    let day = 86_400;
    let failed_only = ScoredWindow { points: vec![("DHCP".to_owned(), 0)], ..window("TC-JJA", 2 * day) };
    let untried = ScoredWindow { rows: Vec::new(), points: Vec::new(), ..window("TC-JJA", 3 * day) };
    let windows = [window("TC-JJA", 300), failed_only, untried, window("TC-JJB", 2 * day)];
    tables.replace(&windows).expect("stored");
    let has_worked = |tail: &str, point: &str, starts: std::ops::Range<i64>| {
        let starts = UnixSeconds(starts.start)..UnixSeconds(starts.end);
        tables.has_worked(&tail.parse().expect("a tail"), point, starts).expect("read")
    };
    assert!(has_worked("TC-JJA", "DHCP", 0..9 * day));
    assert!(has_worked("TC-JJA", "PORTAL", 300..301), "where nothing failed, too");
    assert!(!has_worked("TC-JJA", "EAP", 0..9 * day), "nobody ever tried it");
    assert!(!has_worked("TC-JJA", "DHCP", 301..9 * day), "tried, but it failed each time");
    assert!(!has_worked("TC-JJA", "DHCP", 0..300));
    assert!(has_worked("TC-JJB", "DHCP", 301..i64::MAX));
    assert!(!has_worked("TC-JJB", "DHCP", i64::MIN..301));
}

fn loss(until: i64) -> LossFrame {
    LossFrame { reason: LossReason::Late, count: 3, since: UnixSeconds(1), until: UnixSeconds(until) }
}

fn message_set_aside(bytes: &[u8]) -> SetAside {
    SetAside {
        tail: "TC-JJA".parse().expect("a tail"),
        frame: None,
        reason: SetAsideReason::Undecodable,
        message: "the payload is cut short".to_owned(),
        at: UnixSeconds(50),
        bytes: bytes.to_vec(),
    }
}

fn frame_set_aside(seq: u64, reason: SetAsideReason) -> SetAside {
    let FrameId { stream, seq, .. } = frame(seq);
    SetAside { frame: Some((stream, seq)), reason, at: UnixSeconds(60), ..message_set_aside(&[1, 2]) }
}

fn records_come_back(tables: &mut dyn Tables) {
    let awaiting = frame_set_aside(8, SetAsideReason::UnknownModel(ModelVersion(5)));
    let report = |(outcome, seq): (ModelOutcome, u64)| ModelReportRecord {
        frame: frame(seq),
        report: ModelReport { version: ModelVersion(5), at: UnixSeconds(70), outcome },
    };
    let start = StreamStart::DatabaseSetAside { at: UnixSeconds(10) };
    let batch = Batch {
        losses: LossReason::ALL
            .iter()
            .zip(1..)
            .map(|(reason, seq)| LossRecord {
                frame: frame(seq),
                loss: LossFrame { reason: *reason, ..loss(seq as i64) },
            })
            .collect(),
        stream_starts: vec![StreamStartRecord { frame: frame(1), start }],
        model_reports: every_outcome().into_iter().zip(1..).map(report).collect(),
        set_aside: vec![message_set_aside(b"one"), message_set_aside(b"two"), awaiting.clone()],
        ..Batch::default()
    };
    tables.commit(&batch).expect("stored");
    let query = Query::default();
    assert_eq!(tables.losses(&query).expect("read"), batch.losses);
    assert_eq!(tables.stream_starts(&query).expect("read"), batch.stream_starts);
    assert_eq!(tables.model_reports(&query).expect("read"), batch.model_reports);
    assert_eq!(tables.set_aside(&query).expect("read").len(), 3);
    assert_eq!(tables.awaited_models().expect("read"), [ModelVersion(5)]);
    assert_eq!(tables.awaiting_model(ModelVersion(5), 9).expect("read"), [awaiting]);
    let recovered = Batch { recovered: vec![frame(8)], ..Batch::default() };
    tables.commit(&recovered).expect("stored");
    assert_eq!(tables.awaited_models().expect("read"), []);
    assert_eq!(tables.set_aside(&query).expect("read").len(), 2);
}

fn range(first: u64, last: u64) -> SeqRange {
    SeqRange { first: FrameSeq(first), last: FrameSeq(last) }
}

fn progress(stored: &[SeqRange], oldest: u64, at: i64) -> StreamProgress {
    let FrameId { tail, stream, .. } = frame(0);
    let (stored, oldest, newest) = (stored.to_vec(), FrameSeq(oldest), FrameSeq(0));
    StreamProgress { tail, stream, stored, oldest, newest, at: UnixSeconds(at) }
}

/// Stores progress, and gives back where the stream stands: as the outcome says, and as it is read.
fn go_on(tables: &mut dyn Tables, progress: StreamProgress) -> StreamState {
    let outcome = tables.commit(&Batch { progress: vec![progress], ..Batch::default() }).expect("stored");
    assert_eq!(tables.streams().expect("read"), outcome.streams);
    outcome.streams.into_iter().next().expect("one stream")
}

fn gaps(tables: &dyn Tables) -> Vec<(u64, u64, i64)> {
    let gaps = tables.gaps(&Query::default()).expect("read");
    gaps.iter().map(|gap| (gap.range.first.0, gap.range.last.0, gap.noticed.0)).collect()
}

fn streams_and_gaps_come_back(tables: &mut dyn Tables) {
    let state = go_on(tables, progress(&[range(1, 2), range(8, 8), range(10, 20), range(25, 26)], 10, 100));
    assert_eq!((state.committed, state.received.clone()), (FrameSeq(20), vec![range(25, 26)]));
    assert_eq!((state.gaps, state.updated), (vec![range(3, 7), range(9, 9)], UnixSeconds(100)));
    assert_eq!(gaps(tables), [(3, 7, 100), (9, 9, 100)]);
    // A frame from a gap came after all; a new gap opens; what is left of the old one keeps its time.
    let state = go_on(tables, progress(&[range(5, 5), range(30, 30)], 30, 200));
    assert_eq!((state.committed, state.received), (FrameSeq(30), Vec::new()));
    assert_eq!(gaps(tables), [(3, 4, 100), (6, 7, 100), (9, 9, 100), (21, 24, 200), (27, 29, 200)]);
}

fn the_newest_frame_an_aircraft_told_of_stays_known(tables: &mut dyn Tables) {
    let told = |newest| StreamProgress { newest: FrameSeq(newest), ..progress(&[], 0, 100) };
    let known = |state: StreamState| (state.committed.0, state.newest.0, state.on_board());
    // It tells before the first of its frames is here.
    assert_eq!(known(go_on(tables, told(20))), (0, 20, 20));
    assert_eq!(known(go_on(tables, progress(&[range(1, 4), range(11, 12)], 1, 101))), (4, 20, 14));
    // What it told earlier comes late.
    assert_eq!(known(go_on(tables, told(9))), (4, 20, 14));
    // It has written more since, and no longer has what is older than the tenth.
    assert_eq!(known(go_on(tables, progress(&[range(25, 25)], 10, 102))), (9, 20, 13));
    assert_eq!(known(go_on(tables, progress(&[range(10, 24)], 10, 103))), (25, 20, 0));
}

/// As many gaps as this: 1 to 5, 7, 9, and so on.
fn scattered(gaps: u64) -> StreamProgress {
    let stored: Vec<_> = (0..gaps).map(|number| range(6 + 2 * number, 6 + 2 * number)).collect();
    progress(&stored, 4 + 2 * gaps, 100)
}

/// No more than 1,024 of them may still be filled.
fn gaps_stay_known_however_many_come_at_once(tables: &mut dyn Tables) {
    let state = go_on(tables, scattered(1_100));
    assert_eq!((state.committed, state.gaps.len()), (FrameSeq(2_204), 1_024));
    let known = gaps(tables);
    assert_eq!((known.len(), &known[..2]), (1_100, [(1, 5, 100), (7, 7, 100)].as_slice()));
}

fn a_gap_that_is_filled_in_its_middle_is_two_although_one_of_them_is_settled(tables: &mut dyn Tables) {
    assert_eq!(go_on(tables, scattered(1_024)).settled, FrameSeq(0));
    let state = go_on(tables, progress(&[range(3, 3)], 1, 200));
    assert_eq!((state.settled, state.gaps.len(), state.gaps[0]), (FrameSeq(2), 1_024, range(4, 5)));
    let known = gaps(tables);
    assert_eq!((known.len(), &known[..3]), (1_025, [(1, 2, 100), (4, 5, 100), (7, 7, 100)].as_slice()));
}

fn progress_of_several_processes_is_merged(tables: &mut dyn Tables) {
    // Each knows only of its own; the order is nobody's.
    assert_eq!(go_on(tables, progress(&[range(6, 10)], 1, 100)).committed, FrameSeq(0));
    assert_eq!(go_on(tables, progress(&[range(11, 15)], 1, 101)).committed, FrameSeq(0));
    assert_eq!(go_on(tables, progress(&[range(1, 5)], 1, 102)).committed, FrameSeq(15));
    let again = go_on(tables, progress(&[range(6, 10)], 1, 100));
    assert_eq!((again.committed, again.received, again.gaps), (FrameSeq(15), Vec::new(), Vec::new()));
    // One that says nothing new still hears where the stream is.
    assert_eq!(go_on(tables, progress(&[], 0, 103)).committed, FrameSeq(15));
    assert_eq!(gaps(tables), []);
}

fn a_replay_leaves_newer_windows_as_they_are(tables: &mut dyn Tables) {
    let newer = ScoredWindow { version: WindowVersion(7), ..window("TC-JJA", 0) };
    let mut older = ScoredWindow { version: WindowVersion(6), ..window("TC-JJA", 0) };
    older.rows.push(row("EAP", "rejected", Counts { fail: 5, success: 5 }, Alarms { z: true, forest: true }));
    older.rows[0].counts.fail = 1;
    tables.replace(std::slice::from_ref(&newer)).expect("stored");
    let state = |tables: &dyn Tables| {
        (tables.scored_rows(&Query::default()).expect("read"), all(tables, Table::CombinedAll))
    };
    let before = state(tables);
    let outcome = tables.replace(&[older]).expect("left alone");
    assert_eq!((outcome.outdated, outcome.replaced, outcome.rows), (1, 0, 0));
    assert_eq!(state(tables), before);
    assert_eq!(tables.replace(&[newer]).expect("stored").replaced, 1);
    assert_eq!(state(tables), before);
}

fn what_an_aircraft_does_not_say_stays_known(tables: &mut dyn Tables) {
    let silent = AircraftRecord::of("TC-JJA".parse().expect("a tail"));
    let speaking = AircraftRecord {
        last_contact: Some(UnixSeconds(500)),
        online: Some(true),
        next_contact: Some(UnixSeconds(6000)),
        release: Some(AgentRelease(0, 1, 2)),
        model: Some(ModelVersion(3)),
        stream: Some(StreamId(7)),
        cohort: Some("canary".to_owned()),
        ..silent.clone()
    };
    for record in [&silent, &speaking, &silent] {
        tables.commit(&Batch { aircraft: vec![record.clone()], ..Batch::default() }).expect("stored");
    }
    assert_eq!(tables.aircraft().expect("read"), std::slice::from_ref(&speaking));
    let earlier = AircraftRecord {
        last_contact: Some(UnixSeconds(400)),
        online: Some(false),
        next_contact: Some(UnixSeconds(5900)),
        ..silent
    };
    tables.commit(&Batch { aircraft: vec![earlier], ..Batch::default() }).expect("stored");
    assert_eq!(tables.aircraft().expect("read"), [AircraftRecord { online: Some(false), ..speaking }]);
}

fn models_are_known_once(tables: &mut dyn Tables) {
    let model = KnownModel { version: ModelVersion(3), cohort: "fleet".to_owned(), bundle: vec![1, 2, 3] };
    assert_eq!(tables.model(ModelVersion(3)).expect("read"), None);
    tables.put_model(&model).expect("stored");
    tables.put_model(&model).expect("the same again");
    assert_eq!(tables.model(ModelVersion(3)).expect("read"), Some(model.clone()));
    let other = KnownModel { bundle: vec![4], ..model };
    assert!(matches!(tables.put_model(&other), Err(TablesError::ModelConflict(ModelVersion(3)))));
    let earlier = KnownModel { version: ModelVersion(2), cohort: "canary".to_owned(), bundle: vec![5] };
    tables.put_model(&earlier).expect("stored");
    let version =
        |version, cohort: &str| KnownVersion { version: ModelVersion(version), cohort: cohort.to_owned() };
    assert_eq!(tables.known_versions().expect("read"), [version(2, "canary"), version(3, "fleet")]);
}
