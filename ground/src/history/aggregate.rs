//! Failures and successes per window, counted on all cores.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cabinwatch_archive::windows::WindowArchive;
use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::window::{Window, WindowLength};
use hashbrown::HashMap;

use super::count::{Counter, CountsOf, MAX_KEYS};
use super::intern::Interner;
use super::reader::Reader;
use super::{ArchiveSelection, ArchiveSummary, History, HistoryError, HistoryFile, ReadOptions, ReadSummary};

/// What the files of one run hold: a row for every window and fault key with at least one failure.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregates {
    length: WindowLength,
    /// Sorted.
    points: Vec<String>,
    /// Place of the point, and description; sorted.
    keys: Vec<(u32, String)>,
    /// Window start, key's place and counts; sorted.
    rows: Vec<(i64, u32, Counts)>,
    /// Window start, point's place and successes; sorted.
    successes: Vec<(i64, u32, u64)>,
    /// How reading the files went.
    pub summary: ReadSummary,
    /// How reading the window archive went; none where there was none to read.
    pub archive: Option<ArchiveSummary>,
}

/// One fault key in one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AggregateRow<'a> {
    /// The window.
    pub window: Window,
    /// The key.
    pub key: FaultKey<'a>,
    /// The key's place among [`Aggregates::keys`].
    pub key_place: usize,
    /// At least one failure, and the successes of the key's point in the window.
    pub counts: Counts,
}

/// Successes of one point in one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointSuccesses<'a> {
    /// The window.
    pub window: Window,
    /// The point.
    pub edr_point: &'a str,
    /// How many; at least one.
    pub success: u64,
}

impl Aggregates {
    /// How long a window is.
    #[must_use]
    pub const fn window_length(&self) -> WindowLength {
        self.length
    }

    /// All fault keys, sorted by point, then description.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = FaultKey<'_>> {
        self.keys.iter().map(|key| self.key(key))
    }

    /// All rows, sorted by window, then key.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = AggregateRow<'_>> {
        self.rows.iter().map(|&(start, place, counts)| AggregateRow {
            window: self.window(start),
            key: self.keys.get(place as usize).map_or(FaultKey::OTHER, |key| self.key(key)),
            key_place: place as usize,
            counts,
        })
    }

    /// Successes by window, then point, also of points where nothing failed.
    pub fn successes(&self) -> impl ExactSizeIterator<Item = PointSuccesses<'_>> {
        self.successes.iter().map(|&(start, point, success)| PointSuccesses {
            window: self.window(start),
            edr_point: self.point(point),
            success,
        })
    }

    fn window(&self, start: i64) -> Window {
        Window::containing(UnixSeconds(start).millis(), self.length)
    }

    fn key<'a>(&'a self, key: &'a (u32, String)) -> FaultKey<'a> {
        FaultKey { edr_point: self.point(key.0), description: &key.1 }
    }

    fn point(&self, place: u32) -> &str {
        self.points.get(place as usize).map_or("", String::as_str)
    }
}

/// Reads files and counts. The result does not depend on the number of threads. `after_file` is called after each
/// file, from whichever thread read it.
///
/// # Errors
/// When a file cannot be opened or read, when none can be used, or, with [`ReadOptions::strict`], at the first row
/// or file that has to be left out.
pub fn aggregate(
    history: &dyn History,
    files: &[HistoryFile],
    options: &ReadOptions,
    after_file: &(dyn Fn() + Sync),
) -> Result<Aggregates, HistoryError> {
    let mut tally = Tally::new(options.window);
    tally.add_files(history, files, options, after_file)?;
    tally.finish()
}

/// Counts on their way into [`Aggregates`], from one source or several: those of one window and key are added up.
#[derive(Debug)]
pub struct Tally {
    length: WindowLength,
    counters: Vec<Counter>,
    files: Vec<HistoryFile>,
    archive: Option<ArchiveSummary>,
}

impl Tally {
    /// Nothing counted yet.
    #[must_use]
    pub const fn new(length: WindowLength) -> Self {
        Self { length, counters: Vec::new(), files: Vec::new(), archive: None }
    }

    /// Counts EDR files.
    ///
    /// # Errors
    /// As [`aggregate`].
    pub fn add_files(
        &mut self,
        history: &dyn History,
        files: &[HistoryFile],
        options: &ReadOptions,
        after_file: &(dyn Fn() + Sync),
    ) -> Result<(), HistoryError> {
        if files.is_empty() {
            return Err(HistoryError::NoFiles(history.describe()));
        }
        history.will_open(files);
        self.counters.extend(count_files(history, files, options, after_file)?);
        self.files.extend_from_slice(files);
        Ok(())
    }

    /// Counts the windows of an archive, all aircraft added up. `after_day` is called after each day.
    ///
    /// # Errors
    /// When the archive cannot be read, or has windows of other lengths only.
    pub fn add_archive(
        &mut self,
        archive: &WindowArchive,
        selection: &ArchiveSelection,
        after_day: &dyn Fn(),
    ) -> Result<(), HistoryError> {
        let (counter, summary) = super::archive::count(archive, selection, self.length, after_day)?;
        self.counters.push(counter);
        self.archive = Some(summary);
        Ok(())
    }

    /// Puts it all together.
    ///
    /// # Errors
    /// When no file could be used, or there are too many keys.
    pub fn finish(self) -> Result<Aggregates, HistoryError> {
        let aggregates = merge(self.counters, self.length, &self.files)?;
        match aggregates.summary.set_aside.first() {
            Some(first) if aggregates.summary.set_aside.len() == self.files.len() => {
                Err(HistoryError::NoUsableFile { files: self.files.len(), first: first.clone() })
            }
            _ => Ok(Aggregates { archive: self.archive, ..aggregates }),
        }
    }
}

/// A counter for each thread.
fn count_files(
    history: &dyn History,
    files: &[HistoryFile],
    options: &ReadOptions,
    after_file: &(dyn Fn() + Sync),
) -> Result<Vec<Counter>, HistoryError> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let threads = rayon::broadcast(|_| {
        let mut reader = Reader::new(history, *options);
        // Files are handed out in order and finished once begun, so the first error by place is always found.
        while !stop.load(Ordering::Relaxed) {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(place) else { break };
            if let Err(error) = reader.read(file) {
                stop.store(true, Ordering::Relaxed);
                return Err((place, error));
            }
            after_file();
        }
        Ok(reader.counter)
    });
    let mut counters = Vec::with_capacity(threads.len());
    let mut first_error: Option<(usize, HistoryError)> = None;
    for thread in threads {
        match thread {
            Ok(counter) => counters.push(counter),
            Err(error) if first_error.as_ref().is_none_or(|first| error.0 < first.0) => {
                first_error = Some(error);
            }
            Err(_) => {}
        }
    }
    match first_error {
        Some((_, error)) => Err(error),
        None => Ok(counters),
    }
}

/// Puts the threads' counts together, under numbers that are places in sorted lists.
fn merge(
    mut counters: Vec<Counter>,
    length: WindowLength,
    files: &[HistoryFile],
) -> Result<Aggregates, HistoryError> {
    let summary = merge_summaries(&mut counters, files);
    let (points, point_numbers) =
        renumber(counters.iter().map(|counter| texts(&counter.points).map(|(_, text)| text.to_string())));
    let (keys, key_numbers) = renumber(counters.iter().zip(&point_numbers).map(|(counter, points)| {
        texts(&counter.keys).map(|(point, text)| (number(points, *point), text.to_string()))
    }));
    if keys.len().max(points.len()) > MAX_KEYS {
        return Err(HistoryError::TooManyKeys(MAX_KEYS));
    }
    let mut failures = CountsOf::default();
    let mut successes = CountsOf::default();
    for ((counter, keys), points) in counters.iter().zip(&key_numbers).zip(&point_numbers) {
        add(&mut failures, &counter.failures, keys);
        add(&mut successes, &counter.successes, points);
    }
    let mut rows: Vec<_> = failures
        .into_iter()
        .map(|((start, key), fail)| {
            let point = keys.get(key as usize).map_or(0, |key| key.0);
            let success = successes.get(&(start, point)).copied().unwrap_or_default();
            (start, key, Counts { fail, success })
        })
        .collect();
    rows.sort_unstable_by_key(|row| (row.0, row.1));
    let mut successes: Vec<_> = successes.into_iter().map(|((start, point), n)| (start, point, n)).collect();
    successes.sort_unstable();
    Ok(Aggregates { length, points, keys, rows, successes, summary, archive: None })
}

fn merge_summaries(counters: &mut [Counter], files: &[HistoryFile]) -> ReadSummary {
    let mut summary = ReadSummary::default();
    counters.iter_mut().for_each(|counter| summary.merge(std::mem::take(&mut counter.summary)));
    let places: HashMap<&str, usize> =
        files.iter().enumerate().map(|(place, file)| (file.name.as_str(), place)).collect();
    summary.finish(|file| places.get(file).copied().unwrap_or(usize::MAX));
    summary.warn();
    summary
}

fn texts(interner: &Interner) -> std::slice::Iter<'_, (u32, Box<str>)> {
    interner.texts().iter()
}

/// One sorted list of what several threads have numbered, and for each thread the places its numbers have there.
fn renumber<T: Clone + Ord>(
    threads: impl Iterator<Item = impl Iterator<Item = T>>,
) -> (Vec<T>, Vec<Vec<u32>>) {
    let threads: Vec<Vec<T>> = threads.map(Iterator::collect).collect();
    let mut all: Vec<T> = threads.iter().flatten().cloned().collect();
    all.sort_unstable();
    all.dedup();
    let place = |item: &T| all.binary_search(item).map_or(0, |place| place as u32);
    let numbers = threads.iter().map(|items| items.iter().map(place).collect()).collect();
    (all, numbers)
}

fn number(numbers: &[u32], old: u32) -> u32 {
    numbers.get(old as usize).copied().unwrap_or_default()
}

fn add(total: &mut CountsOf, part: &CountsOf, numbers: &[u32]) {
    if total.is_empty() {
        total.reserve(part.len());
    }
    for (&(start, old), count) in part {
        *total.entry((start, number(numbers, old))).or_default() += count;
    }
}

#[cfg(test)]
#[path = "aggregate_tests.rs"]
mod tests;
