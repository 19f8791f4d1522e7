//! Which files a run reads.

use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::window::WindowLength;

use super::{HistoryFile, Listing};

const DAY_SECONDS: i64 = 86_400;

/// The files of one run, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The files.
    pub files: Vec<HistoryFile>,
    /// Whether no file was recent, so that the newest were taken instead.
    pub fell_back: bool,
}

/// The files of detection: those cut within the last window length before `now`; where there is none, the newest
/// `newest` of those not cut after `now`; where there is none either, the newest of all.
#[must_use]
pub fn recent(listing: &Listing, now: UnixSeconds, window: WindowLength, newest: usize) -> Selection {
    let from = UnixSeconds(now.0.saturating_sub(i64::from(window.as_seconds())));
    let within = between(listing, from, now);
    if !within.is_empty() {
        return Selection { files: within, fell_back: false };
    }
    let mut files = between(listing, UnixSeconds(i64::MIN), now);
    if files.is_empty() {
        files.clone_from(&listing.files);
    }
    let files = files.split_off(files.len().saturating_sub(newest));
    Selection { files, fell_back: true }
}

/// The files of training: those cut within the last `days` days before `now`; where there is none, those of the last
/// `days` days before the newest file.
#[must_use]
pub fn training(listing: &Listing, now: UnixSeconds, days: u32) -> Selection {
    let span = i64::from(days).saturating_mul(DAY_SECONDS);
    let back = |end: UnixSeconds| between(listing, UnixSeconds(end.0.saturating_sub(span)), end);
    let within = back(now);
    match listing.files.last() {
        Some(newest) if within.is_empty() => Selection { files: back(newest.cut), fell_back: true },
        _ => Selection { files: within, fell_back: false },
    }
}

fn between(listing: &Listing, from: UnixSeconds, to: UnixSeconds) -> Vec<HistoryFile> {
    listing.files.iter().filter(|file| from <= file.cut && file.cut <= to).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(cuts: &[i64]) -> Listing {
        let file = |&cut: &i64| HistoryFile { name: format!("e_{cut}.csv"), cut: UnixSeconds(cut) };
        Listing { files: cuts.iter().map(file).collect(), ..Listing::default() }
    }

    fn cuts(selection: &Selection) -> Vec<i64> {
        selection.files.iter().map(|file| file.cut.0).collect()
    }

    #[test]
    fn detection_takes_the_files_of_the_last_window() {
        let selection =
            recent(&listing(&[0, 699, 700, 1000, 1001]), UnixSeconds(1000), WindowLength::FIVE_MINUTES, 2);
        assert_eq!((cuts(&selection), selection.fell_back), (vec![700, 1000], false));
    }

    #[test]
    fn without_a_recent_file_the_newest_are_taken() {
        let now = UnixSeconds(100_000);
        let selection = recent(&listing(&[1, 2, 3, 200_000]), now, WindowLength::FIVE_MINUTES, 2);
        assert_eq!((cuts(&selection), selection.fell_back), (vec![2, 3], true));
        let all_later = recent(&listing(&[200_000, 300_000]), now, WindowLength::FIVE_MINUTES, 1);
        assert_eq!(cuts(&all_later), [300_000]);
        assert_eq!(recent(&listing(&[]), now, WindowLength::FIVE_MINUTES, 10).files, []);
    }

    #[test]
    fn training_takes_days_counted_back_from_now_or_from_the_newest_file() {
        let day = DAY_SECONDS;
        let files = listing(&[0, day, 2 * day, 3 * day]);
        assert_eq!(cuts(&training(&files, UnixSeconds(2 * day + 1), 1)), [2 * day]);
        let old = training(&files, UnixSeconds(100 * day), 2);
        assert_eq!((cuts(&old), old.fell_back), (vec![day, 2 * day, 3 * day], true));
        assert_eq!(training(&listing(&[]), UnixSeconds(0), 2).files, []);
    }
}
