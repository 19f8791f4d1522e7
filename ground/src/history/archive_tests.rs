use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use cabinwatch_archive::windows::{Head, Rows};
use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::rate::Counts;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::{Aggregates, Listing, ReadOptions, ReadSummary, Tally, open};
use super::*;
use crate::config::RetrainConfig;
use crate::train::Training;

const LIMIT: Duration = Duration::from_secs(10);
/// 2026-11-21T00:00:00Z.
const MIDNIGHT: i64 = 1_795_219_200;
const NOW: UnixSeconds = UnixSeconds(MIDNIGHT + 2 * DAY_SECONDS);

/// One attempt of a passenger.
struct Event {
    tail: &'static str,
    at: i64,
    point: &'static str,
    /// None for a success.
    failed: Option<&'static str>,
}

fn events(seed: u64) -> Vec<Event> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut event = || {
        let failed =
            [None, None, None, Some("x"), Some("y, \"z\""), Some("a | b")][random.random_range(0..6)];
        Event {
            tail: ["TC-JJA", "TC-JJB", "TC-JJC"][random.random_range(0..3)],
            at: MIDNIGHT + random.random_range(0..2 * DAY_SECONDS),
            point: ["AUTH", "DHCP", "A | B"][random.random_range(0..3)],
            failed,
        }
    };
    (0..6000).map(|_| event()).collect()
}

/// The events as the files that ground systems write.
fn write_edr(folder: &Path, events: &[Event]) {
    let mut text = "edr_date,edr_point,description,state\n".to_owned();
    for event in events {
        let at = UnixSeconds(event.at);
        let (description, state) = event.failed.map_or(("", "SUCCESS"), |description| (description, "FAIL"));
        let description = description.replace('"', "\"\"");
        writeln!(text, "{at},{},\"{description}\",{state}", event.point).expect("memory");
    }
    std::fs::write(folder.join("e_261122_235900.csv"), text).expect("written");
}

/// The events as the windows that aircraft send, of a length in seconds.
fn write_archive(archive: &WindowArchive, events: &[Event], length: u32) {
    let length = WindowLength::seconds(NonZeroU32::new(length).expect("not zero"));
    let mut windows: BTreeMap<(&str, i64), Vec<&Event>> = BTreeMap::new();
    for event in events {
        let start = Window::containing(UnixSeconds(event.at).millis(), length).start().0;
        windows.entry((event.tail, start)).or_default().push(event);
    }
    let windows: Vec<_> = windows.into_iter().collect();
    for (number, group) in windows.chunks(40).enumerate() {
        // Every seventh group comes twice, as after a crash.
        for _ in 0..if number % 7 == 0 { 2 } else { 1 } {
            let mut rows = Rows::default();
            group.iter().for_each(|((tail, start), events)| push(&mut rows, tail, *start, length, events));
            archive.append(rows).expect("written");
        }
    }
}

fn push(rows: &mut Rows, tail: &str, start: i64, length: WindowLength, events: &[&Event]) {
    let (mut failures, mut points) = (BTreeMap::new(), BTreeMap::new());
    for event in events {
        match event.failed {
            Some(description) => *failures.entry((event.point, description)).or_default() += 1,
            None => *points.entry(event.point).or_default() += 1,
        }
    }
    let head = Head {
        tail: tail.parse().expect("a tail"),
        window: Window::containing(UnixSeconds(start).millis(), length),
        model: ModelVersion(1),
        version: 1,
    };
    let counts = |(&(edr_point, description), &fail): (&(&'static str, &'static str), &u64)| {
        let success = points.get(edr_point).copied().unwrap_or_default();
        (FaultKey { edr_point, description }, Counts { fail, success })
    };
    rows.push(&head, failures.iter().map(counts), points.iter().map(|(&point, &n)| (point, n)));
}

fn of_files(tally: &mut Tally, folder: &Path) {
    let history = open(&format!("file://{}", folder.display()), "e", LIMIT).expect("opened");
    let Listing { files, .. } = history.list().expect("listed");
    let options = ReadOptions { window: WindowLength::FIVE_MINUTES, max_line_bytes: 1000, strict: true };
    tally.add_files(&*history, &files, &options, &|| ()).expect("counted");
}

fn of_archive(tally: &mut Tally, archive: &WindowArchive) -> Result<(), HistoryError> {
    let selection = select_archive(archive, NOW, 30).expect("selected");
    tally.add_archive(archive, &selection, &|| ())
}

fn tally(fill: impl FnOnce(&mut Tally)) -> Aggregates {
    let mut tally = Tally::new(WindowLength::FIVE_MINUTES);
    fill(&mut tally);
    tally.finish().expect("counted")
}

fn without_summaries(aggregates: &Aggregates) -> Aggregates {
    let mut aggregates = aggregates.clone();
    (aggregates.summary, aggregates.archive) = (ReadSummary::default(), None);
    aggregates
}

struct World {
    folder: tempfile::TempDir,
    archive: WindowArchive,
    events: Vec<Event>,
}

impl World {
    fn new(seed: u64, window_seconds: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("file://{}/archive", folder.path().display());
        let archive = WindowArchive::open(&url, LIMIT).expect("opened");
        let events = events(seed);
        write_edr(folder.path(), &events);
        write_archive(&archive, &events, window_seconds);
        Self { folder, archive, events }
    }
}

#[test]
fn the_same_events_give_the_same_statistics_and_forest_by_both_ways() {
    let world = World::new(1, 300);
    let by_files = tally(|tally| of_files(tally, world.folder.path()));
    let by_archive = tally(|tally| of_archive(tally, &world.archive).expect("counted"));
    assert_eq!(without_summaries(&by_archive), without_summaries(&by_files));
    let config = RetrainConfig::default();
    let of = |aggregates| Training::of(aggregates, &config).expect("trained");
    let (by_files, by_archive_) = (of(&by_files), of(&by_archive));
    assert_eq!(by_archive_.statistics, by_files.statistics);
    assert_eq!((by_archive_.offset, by_archive_.forest.bytes), (by_files.offset, by_files.forest.bytes));
    let summary = by_archive.archive.expect("an archive was read");
    assert_eq!(summary.fail + summary.success, world.events.len() as u64);
}

#[test]
fn compaction_changes_nothing_that_training_sees() {
    let world = World::new(2, 300);
    let before = tally(|tally| of_archive(tally, &world.archive).expect("counted"));
    let first = *world.archive.days().expect("listed").first().expect("a day");
    world.archive.compact(first, NOW).expect("compacted");
    let after = tally(|tally| of_archive(tally, &world.archive).expect("counted"));
    assert_eq!(without_summaries(&after), without_summaries(&before));
}

#[test]
fn shorter_windows_are_added_up_and_others_are_left_out() {
    let world = World::new(3, 60);
    let by_files = tally(|tally| of_files(tally, world.folder.path()));
    let by_archive = tally(|tally| of_archive(tally, &world.archive).expect("counted"));
    assert_eq!(without_summaries(&by_archive), without_summaries(&by_files));
    let odd = World::new(4, 420);
    let refused = of_archive(&mut Tally::new(WindowLength::FIVE_MINUTES), &odd.archive);
    assert!(matches!(refused, Err(HistoryError::ArchiveLength { run: 300, .. })), "{refused:?}");
}

#[test]
fn two_sources_are_added_up_so_the_same_events_twice_leave_every_rate_as_it_is() {
    let world = World::new(5, 300);
    let once = tally(|tally| of_files(tally, world.folder.path()));
    let twice = tally(|tally| {
        of_files(tally, world.folder.path());
        of_archive(tally, &world.archive).expect("counted");
    });
    let rows = |aggregates: &Aggregates| -> Vec<_> { aggregates.rows().map(|row| row.counts).collect() };
    let double = |counts: Counts| Counts { fail: 2 * counts.fail, success: 2 * counts.success };
    assert_eq!(rows(&twice), rows(&once).into_iter().map(double).collect::<Vec<_>>());
    let config = RetrainConfig::default();
    let of = |aggregates| Training::of(aggregates, &config).expect("trained").statistics;
    assert_eq!(of(&twice), of(&once));
}

#[test]
fn days_are_counted_back_from_now_or_from_the_newest_day() {
    let today = MIDNIGHT / DAY_SECONDS;
    let all: Vec<Day> = [today - 40, today - 9, today - 2, today].map(Day).into();
    let of = |now: i64, days| select(&all, Day(today), UnixSeconds(now), days);
    let recent = of(MIDNIGHT + 600, 2);
    assert_eq!((recent.days, recent.fell_back), (vec![Day(today - 2), Day(today)], false));
    assert_eq!(recent.period.until, UnixSeconds(MIDNIGHT + 601));
    let old = of(MIDNIGHT + 100 * DAY_SECONDS, 10);
    assert_eq!((old.days, old.fell_back), (vec![Day(today - 9), Day(today - 2), Day(today)], true));
    assert_eq!(old.period.until, Day(today + 1).start());
}
