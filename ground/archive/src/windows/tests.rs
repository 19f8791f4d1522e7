use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::window::{Window, WindowLength};

use super::*;

const LIMIT: Duration = Duration::from_secs(10);
/// 2026-11-21T00:00:00Z, the start of a day.
const MIDNIGHT: i64 = 1_795_219_200;
const ALWAYS: Period = Period { from: UnixSeconds(0), until: UnixSeconds(i64::MAX / 2000) };
const DAY: Day = Day(MIDNIGHT / 86_400);

/// (start, point, description) to failures; successes stand under no description.
type Counts_ = BTreeMap<(i64, String, Option<String>), u64>;

fn open(folder: &Path) -> WindowArchive {
    WindowArchive::open(&format!("file://{}", folder.display()), LIMIT).expect("opened")
}

/// One window of one aircraft: its failures at DHCP, and its successes there.
fn window(rows: &mut Rows, tail: &str, start: i64, fails: &[(&str, u64)], success: u64) {
    versioned(rows, 1, tail, start, fails, success);
}

fn versioned(rows: &mut Rows, version: i64, tail: &str, start: i64, fails: &[(&str, u64)], success: u64) {
    let window = Window::containing(UnixSeconds(start).millis(), WindowLength::FIVE_MINUTES);
    let key = |description| FaultKey { edr_point: "DHCP", description };
    let failures = fails.iter().map(|&(text, fail)| (key(text), Counts { fail, success }));
    let head = Head { tail: tail.parse().expect("a tail"), window, model: ModelVersion(3), version };
    rows.push(&head, failures, [("DHCP", success)]);
}

fn append(archive: &WindowArchive, tail: &str, start: i64, fails: &[(&str, u64)], success: u64) {
    let mut rows = Rows::default();
    window(&mut rows, tail, start, fails, success);
    archive.append(rows).expect("written");
}

fn counts_within(archive: &WindowArchive, period: Period) -> Counts_ {
    let mut all = Counts_::new();
    let days = archive.days().expect("listed");
    let take = |count: Count<'_>| {
        let (key, count) = match count.of {
            Counted::Failures(key, n) => {
                ((count.start.0, key.edr_point.to_owned(), Some(key.description.to_owned())), n)
            }
            Counted::Successes(point, n) => ((count.start.0, point.to_owned(), None), n),
        };
        assert_eq!(all.insert(key, count), None, "a count came twice");
    };
    archive.counts(&days, period, take, || ()).expect("read");
    all
}

fn counts(archive: &WindowArchive) -> Counts_ {
    counts_within(archive, ALWAYS)
}

fn compact(archive: &WindowArchive) -> Compacted {
    archive.compact(DAY, UnixSeconds(MIDNIGHT)).expect("compacted")
}

fn expected(rows: &[(i64, Option<&str>, u64)]) -> Counts_ {
    let row = |&(start, description, count): &(i64, Option<&str>, u64)| {
        ((start, "DHCP".to_owned(), description.map(str::to_owned)), count)
    };
    rows.iter().map(row).collect()
}

fn file_names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.expect("an entry").file_name().to_string_lossy().into_owned()
    };
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

#[test]
fn a_window_lies_in_the_folder_of_the_day_it_starts_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = open(folder.path());
    let mut rows = Rows::default();
    window(&mut rows, "TC-JJA", MIDNIGHT - 300, &[("x", 1)], 0);
    window(&mut rows, "TC-JJA", MIDNIGHT, &[("x", 2)], 0);
    archive.append(rows).expect("written");
    assert_eq!(file_names(folder.path()), ["day=2026-11-20", "day=2026-11-21"]);
    assert_eq!(archive.days().expect("listed"), [Day(DAY.0 - 1), DAY]);
    let names = file_names(&folder.path().join("day=2026-11-21"));
    assert!(names.len() == 1 && names[0].starts_with("written-"), "{names:?}");
}

#[test]
fn aircraft_are_added_up_and_points_without_failures_keep_their_successes() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = open(folder.path());
    append(&archive, "TC-JJA", MIDNIGHT, &[("x", 1), ("y", 5)], 10);
    append(&archive, "TC-JJB", MIDNIGHT, &[("x", 2)], 20);
    append(&archive, "TC-JJB", MIDNIGHT + 300, &[], 7);
    let start = MIDNIGHT;
    let expected =
        expected(&[(start, Some("x"), 3), (start, Some("y"), 5), (start, None, 30), (start + 300, None, 7)]);
    assert_eq!(counts(&archive), expected);
}

#[test]
fn what_was_written_twice_counts_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = open(folder.path());
    for _ in 0..3 {
        append(&archive, "TC-JJA", MIDNIGHT, &[("x", 1)], 10);
    }
    assert_eq!(counts(&archive), expected(&[(MIDNIGHT, Some("x"), 1), (MIDNIGHT, None, 10)]));
}

#[test]
fn the_newest_version_of_a_window_stands_for_it_whole_whichever_was_written_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = open(folder.path());
    let first: &[(&str, u64)] = &[("x", 1), ("y", 1)];
    for (version, fails, success) in [(1, first, 10), (2, &[("x", 4)], 11), (1, first, 10)] {
        let mut rows = Rows::default();
        versioned(&mut rows, version, "TC-JJA", MIDNIGHT, fails, success);
        archive.append(rows).expect("written");
    }
    let expected = expected(&[(MIDNIGHT, Some("x"), 4), (MIDNIGHT, None, 11)]);
    assert_eq!(counts(&archive), expected);
    compact(&archive);
    assert_eq!(counts(&archive), expected);
}

#[test]
fn a_period_takes_the_windows_that_start_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = open(folder.path());
    for window in 0..4 {
        append(&archive, "TC-JJA", MIDNIGHT + 300 * window, &[("x", 1)], 0);
    }
    let period = Period { from: UnixSeconds(MIDNIGHT + 300), until: UnixSeconds(MIDNIGHT + 900) };
    let starts: Vec<_> = counts_within(&archive, period).into_keys().map(|key| key.0 - MIDNIGHT).collect();
    assert_eq!(starts, [300, 300, 600, 600]);
}

#[test]
fn compaction_makes_one_file_of_a_day_and_changes_no_count() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = open(folder.path());
    for number in 0..20 {
        append(&archive, "TC-JJA", MIDNIGHT + 300 * (number % 7), &[("x", 1)], 3);
        append(&archive, "TC-JJB", MIDNIGHT + 300 * number, &[("y", 2)], 4);
    }
    let before = counts(&archive);
    let outcome = compact(&archive);
    assert_eq!((outcome.files_before, outcome.files_after), (40, 1));
    // 13 of the 20 windows of one aircraft were written again.
    assert_eq!((outcome.rows_before, outcome.rows_after), (80, 54));
    assert!(outcome.bytes_after < outcome.bytes_before);
    assert_eq!(counts(&archive), before);
    let again = compact(&archive);
    assert_eq!((again.files_before, again.rows_before), (1, 0));
}

#[test]
fn late_windows_of_a_compacted_day_are_compacted_into_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = open(folder.path());
    for number in 0..3 {
        append(&archive, "TC-JJA", MIDNIGHT + 300 * number, &[("x", 1)], 3);
    }
    compact(&archive);
    append(&archive, "TC-JJA", MIDNIGHT + 900, &[("x", 1)], 3);
    append(&archive, "TC-JJA", MIDNIGHT, &[("x", 1)], 3);
    let before = counts(&archive);
    assert_eq!(compact(&archive).files_before, 3);
    assert_eq!(counts(&archive), before);
    assert_eq!(before.len(), 8);
}

/// A process that is killed behind the new file's last byte leaves all old files beside it.
#[test]
fn a_compaction_killed_before_it_deletes_leaves_every_row_to_be_read_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = open(folder.path());
    let day = folder.path().join("day=2026-11-21");
    for number in 0..5 {
        append(&archive, "TC-JJA", MIDNIGHT + 300 * number, &[("x", 1)], 3);
    }
    let before = counts(&archive);
    let kept = tempfile::tempdir().expect("a folder");
    file_names(&day).iter().for_each(|name| {
        fs::copy(day.join(name), kept.path().join(name)).expect("copied");
    });
    compact(&archive);
    file_names(kept.path()).iter().take(3).for_each(|name| {
        fs::copy(kept.path().join(name), day.join(name)).expect("copied");
    });
    assert_eq!(counts(&archive), before);
    assert_eq!(compact(&archive).files_before, 4);
    assert_eq!(counts(&archive), before);
}

#[test]
fn a_window_without_any_row_takes_the_place_of_an_older_version_and_counts_as_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = open(folder.path());
    append(&archive, "TC-JJA", MIDNIGHT, &[("x", 1)], 10);
    append(&archive, "TC-JJA", MIDNIGHT + 300, &[("x", 2)], 20);
    let mut rows = Rows::default();
    let head = Head {
        tail: "TC-JJA".parse().expect("a tail"),
        window: Window::containing(UnixSeconds(MIDNIGHT).millis(), WindowLength::FIVE_MINUTES),
        model: ModelVersion(3),
        version: 2,
    };
    rows.push(&head, [], []);
    archive.append(rows).expect("written");
    let left = expected(&[(MIDNIGHT + 300, Some("x"), 2), (MIDNIGHT + 300, None, 20)]);
    assert_eq!(counts(&archive), left);
    compact(&archive);
    assert_eq!(counts(&archive), left);
    append(&archive, "TC-JJA", MIDNIGHT, &[("x", 1)], 10);
    assert_eq!(counts(&archive), left, "it came again after the newer one");
}

#[test]
fn unfinished_files_are_not_read_and_swept_up_when_they_are_a_day_old() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = open(folder.path());
    append(&archive, "TC-JJA", MIDNIGHT, &[("x", 1)], 3);
    let unfinished = folder.path().join("day=2026-11-21/.written-1.parquet");
    fs::write(&unfinished, "PAR1").expect("written");
    assert_eq!(counts(&archive).len(), 2);
    let written = fs::metadata(&unfinished).and_then(|file| file.modified()).expect("a time");
    let written = written.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs() as i64;
    assert_eq!(archive.compact(DAY, UnixSeconds(written + 80_000)).expect("compacted").leftovers, 0);
    assert_eq!(archive.compact(DAY, UnixSeconds(written + 90_000)).expect("compacted").leftovers, 1);
    assert!(!unfinished.exists());
}

#[test]
fn a_file_that_is_damaged_is_an_error_that_names_the_day_and_nothing_is_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = open(folder.path());
    append(&archive, "TC-JJA", MIDNIGHT, &[("x", 1)], 3);
    let day = folder.path().join("day=2026-11-21");
    fs::write(day.join("written-0-0-0.parquet"), "no Parquet at all").expect("written");
    let error = archive.compact(DAY, UnixSeconds(0)).expect_err("refused").to_string();
    assert!(error.contains("day=2026-11-21"), "{error}");
    let visible = file_names(&day).into_iter().filter(|name| !name.starts_with('.')).count();
    assert_eq!(visible, 2);
    let read = archive.counts(&[DAY], ALWAYS, |_| (), || ());
    assert!(read.expect_err("refused").to_string().contains("day=2026-11-21"));
}

struct Finish<'a>(&'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Two compactions and a writer at once, and a reader that must see, at every moment, each row that was written before
/// it began, and none twice.
#[test]
fn readers_writers_and_compactions_do_not_disturb_each_other() {
    const WINDOWS: i64 = 60;
    let folder = tempfile::tempdir().expect("a folder");
    let archive = open(folder.path());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // Also when this panics: the scope waits for the others.
        let finish = Finish(&done);
        for _ in 0..2 {
            scope.spawn(|| {
                let own = open(folder.path());
                while !done.load(Ordering::Relaxed) {
                    if own.days().is_ok_and(|days| !days.is_empty()) {
                        compact(&own);
                    }
                }
            });
        }
        for number in 0..WINDOWS {
            append(&archive, "TC-JJA", MIDNIGHT + 300 * number, &[("x", 1 + number as u64)], 1);
            if number % 5 == 0 {
                let read = counts(&archive);
                let sum: u64 = read.iter().filter(|(key, _)| key.2.is_some()).map(|(_, fail)| fail).sum();
                let written = number as u64 + 1;
                assert_eq!((read.len() as u64, sum), (2 * written, written * (written + 1) / 2));
            }
        }
        drop(finish);
    });
    compact(&archive);
    assert_eq!(counts(&archive).len() as i64, 2 * WINDOWS);
    assert_eq!(file_names(&folder.path().join("day=2026-11-21")).len(), 1);
}
