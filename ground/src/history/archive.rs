//! The window archive as a source of the same counts that EDR files give.

use cabinwatch_archive::windows::{Count, Counted, Day, Period, WindowArchive};
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::window::{Window, WindowLength};
use serde::Serialize;

use super::HistoryError;
use super::count::Counter;

const DAY_SECONDS: i64 = 86_400;

/// What a run reads of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveSelection {
    /// The days, oldest first.
    pub days: Vec<Day>,
    /// Of these the windows that start within it.
    pub period: Period,
    /// Whether nothing was recent, so that the newest days were taken instead.
    pub fell_back: bool,
}

/// What reading an archive came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ArchiveSummary {
    /// The archive.
    pub url: String,
    /// Days that were read.
    pub days: u64,
    /// Their files.
    pub files: u64,
    /// Rows counted, each once.
    pub rows: u64,
    /// Failures.
    pub fail: u64,
    /// Successes.
    pub success: u64,
    /// Rows left out: their windows are no even parts of the run's.
    pub other_length: u64,
}

/// The windows of the last `days` days before `now`; where there are none, those of the last `days` days that the
/// archive has.
///
/// # Errors
/// When the archive cannot be listed, or has no days.
pub fn select_archive(
    archive: &WindowArchive,
    now: UnixSeconds,
    days: u32,
) -> Result<ArchiveSelection, HistoryError> {
    let all = archive.days().map_err(HistoryError::Archive)?;
    let newest = *all.last().ok_or_else(|| HistoryError::EmptyArchive(archive.url().to_owned()))?;
    Ok(select(&all, newest, now, days))
}

fn select(all: &[Day], newest: Day, now: UnixSeconds, days: u32) -> ArchiveSelection {
    let span = i64::from(days).saturating_mul(DAY_SECONDS);
    let back = |until: UnixSeconds, fell_back| {
        let period = Period { from: UnixSeconds(until.0.saturating_sub(span)), until };
        let last = Day::of(UnixSeconds(until.0.saturating_sub(1)));
        let within = |day: &&Day| Day::of(period.from) <= **day && **day <= last;
        ArchiveSelection { days: all.iter().filter(within).copied().collect(), period, fell_back }
    };
    let recent = back(UnixSeconds(now.0.saturating_add(1)), false);
    if recent.days.is_empty() { back(Day(newest.0 + 1).start(), true) } else { recent }
}

/// Counts windows of the run's length. Shorter ones that divide it evenly are added up: all of them begin on the Unix
/// epoch, so each lies in one of the run's.
pub(super) fn count(
    archive: &WindowArchive,
    selection: &ArchiveSelection,
    length: WindowLength,
    after_day: &dyn Fn(),
) -> Result<(Counter, ArchiveSummary), HistoryError> {
    let mut counter = Counter::new(length);
    let mut summary = ArchiveSummary { url: archive.url().to_owned(), ..ArchiveSummary::default() };
    let mut within_limits = Ok(());
    let take = |count: Count<'_>| {
        let divides = count.length > 0 && i64::from(length.as_seconds()) % count.length == 0;
        if within_limits.is_ok() {
            within_limits = counter.check_keys();
        }
        if !divides || within_limits.is_err() {
            summary.other_length += count.rows;
            return;
        }
        let start = Window::containing(count.start.millis(), length).start();
        summary.rows += count.rows;
        match count.of {
            Counted::Failures(key, fail) => {
                summary.fail += fail;
                counter.add_failures(start, key, fail);
            }
            Counted::Successes(point, success) => {
                summary.success += success;
                counter.add_successes(start, point, success);
            }
        }
    };
    let read = archive.counts(&selection.days, selection.period, take, after_day);
    let read = read.map_err(HistoryError::Archive)?;
    within_limits?;
    if summary.rows == 0 && summary.other_length > 0 {
        return Err(HistoryError::ArchiveLength { rows: summary.other_length, run: length.as_seconds() });
    }
    (summary.days, summary.files) = (read.days, read.files);
    Ok((counter, summary))
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
