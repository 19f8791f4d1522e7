//! Days, and the names of what lies in their folders.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use cabinwatch_shared::time::UnixSeconds;

use crate::upload::UNFINISHED;

const SECONDS: i64 = 86_400;
const FOLDER: &str = "day=";
const EXTENSION: &str = ".parquet";
/// What one call of [`super::WindowArchive::append`] wrote.
const WRITTEN: &str = "written-";
/// What compaction made of all files of a day.
const COMPACTED: &str = "compacted-";

/// A day in UTC, by its number since 1970-01-01. A window belongs to the day it starts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i64);

/// The text is no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a day: expected YYYY-MM-DD")]
pub struct NotADay;

impl Day {
    /// The day an instant falls into.
    #[must_use]
    pub const fn of(at: UnixSeconds) -> Self {
        Self(at.0.div_euclid(SECONDS))
    }

    /// Its first second.
    #[must_use]
    pub const fn start(self) -> UnixSeconds {
        UnixSeconds(self.0.saturating_mul(SECONDS))
    }

    pub(super) fn folder(self) -> String {
        format!("{FOLDER}{self}")
    }

    pub(super) fn of_folder(name: &str) -> Option<Self> {
        name.strip_prefix(FOLDER)?.parse().ok()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.start().to_string();
        f.write_str(text.split_once('T').map_or(text.as_str(), |(day, _)| day))
    }
}

impl FromStr for Day {
    type Err = NotADay;

    fn from_str(text: &str) -> Result<Self, NotADay> {
        let date: jiff::civil::Date = text.parse().map_err(|_| NotADay)?;
        let start = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| NotADay)?;
        let day = Self::of(UnixSeconds(start.timestamp().as_second()));
        // Texts that only contain a date name another thing.
        if day.to_string() == text { Ok(day) } else { Err(NotADay) }
    }
}

/// What the name of a file in a day's folder says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Rows of one writing; some may lie in other files, too.
    Written,
    /// Rows of which none is there twice.
    Compacted,
    /// Not whole, and never will be when it is old.
    Unfinished,
    /// None of ours.
    Foreign,
}

impl Kind {
    pub fn of(name: &str) -> Self {
        if name.starts_with(UNFINISHED) {
            return Self::Unfinished;
        }
        match name.strip_suffix(EXTENSION) {
            Some(stem) if stem.starts_with(WRITTEN) => Self::Written,
            Some(stem) if stem.starts_with(COMPACTED) => Self::Compacted,
            _ => Self::Foreign,
        }
    }
}

/// Gives out names that no other process gives out.
#[derive(Debug)]
pub(super) struct Names {
    process: u64,
    count: AtomicU64,
}

impl Names {
    pub fn new() -> Self {
        // The standard library's hash keys are random: enough to tell processes on many hosts apart.
        Self { process: RandomState::new().build_hasher().finish(), count: AtomicU64::new(0) }
    }

    pub fn written(&self) -> String {
        self.next(WRITTEN)
    }

    pub fn compacted(&self) -> String {
        self.next(COMPACTED)
    }

    fn next(&self, kind: &str) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        format!("{kind}{}-{:016x}-{count}{EXTENSION}", now_micros(), self.process)
    }
}

/// Microseconds since 1970.
fn now_micros() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_named_as_the_calendar_does() {
        let day = Day::of(UnixSeconds(1_795_248_600));
        assert_eq!((day.to_string().as_str(), "2026-11-21".parse()), ("2026-11-21", Ok(day)));
        assert_eq!(Day::of_folder(&day.folder()), Some(day));
        assert_eq!(Day::of(UnixSeconds(-1)).to_string(), "1969-12-31");
        for text in ["", "yesterday", "2026-11-31", "2026-11-21T08:00:00Z", "20261121"] {
            assert_eq!(text.parse::<Day>(), Err(NotADay), "{text:?}");
        }
    }

    #[test]
    fn names_tell_what_a_file_is() {
        let names = Names::new();
        let (first, second) = (names.written(), names.written());
        assert_ne!(first, second);
        assert_eq!(Kind::of(&first), Kind::Written);
        assert_eq!(Kind::of(&names.compacted()), Kind::Compacted);
        assert_eq!(Kind::of(&format!("{UNFINISHED}{first}")), Kind::Unfinished);
        assert_eq!(Kind::of("_SUCCESS"), Kind::Foreign);
        assert_eq!(Kind::of("written-1.csv"), Kind::Foreign);
    }
}
