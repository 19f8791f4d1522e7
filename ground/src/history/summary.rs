//! What reading came to: rows taken, rows not taken and why.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// How many rejected rows are shown; all are counted.
const SHOWN_ROWS: usize = 20;
/// How many different unknown states are told apart; the rest are counted together. Those are the first by their text:
/// the first that come would depend on which thread reads which file.
const SHOWN_STATES: usize = 20;
/// Longest text of an unknown state that is shown, in bytes.
const SHOWN_STATE_BYTES: usize = 40;

/// Why a row was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// More or fewer fields than the header.
    FieldCount,
    /// `edr_date` is no date.
    Date,
    /// A field that is needed is not UTF-8.
    NotUtf8,
    /// Longer than `history.max_line_bytes`.
    TooLong,
    /// A quote that is opened and never closed.
    OpenQuote,
}

impl RejectReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::FieldCount, Self::Date, Self::NotUtf8, Self::TooLong, Self::OpenQuote];

    /// The reason as `evaluation.json` and the metrics name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FieldCount => "field_count",
            Self::Date => "date",
            Self::NotUtf8 => "not_utf8",
            Self::TooLong => "too_long",
            Self::OpenQuote => "open_quote",
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FieldCount => "it has more or fewer fields than the header",
            Self::Date => "its edr_date is no date (expected YYYY-MM-DD HH:MM:SS[.fff] or ISO 8601)",
            Self::NotUtf8 => "it is not UTF-8",
            Self::TooLong => "it is longer than history.max_line_bytes",
            Self::OpenQuote => "it opens a quote that is never closed",
        })
    }
}

/// One row that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// The file.
    pub file: String,
    /// The row's first line, counted from 1.
    pub line: u64,
    /// Why.
    pub reason: RejectReason,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: the row is rejected: {}", self.file, self.line, self.reason)
    }
}

/// One file that was not used at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetAside {
    /// The file.
    pub file: String,
    /// Why.
    pub reason: String,
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is set aside: {}", self.file, self.reason)
    }
}

/// What reading came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReadSummary {
    /// Files read.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Rows seen, header lines and empty lines not counted.
    pub rows: u64,
    /// Rows counted as failures.
    pub fail: u64,
    /// Rows counted as successes.
    pub success: u64,
    /// Rows of any other state, by its text.
    pub other_states: BTreeMap<String, u64>,
    /// Rows of other states beyond those told apart above.
    pub more_states: u64,
    /// Rows rejected, by reason.
    pub rejected: BTreeMap<RejectReason, u64>,
    /// The first of them.
    pub rejected_first: Vec<Rejected>,
    /// Files not used.
    pub set_aside: Vec<SetAside>,
}

impl ReadSummary {
    /// Rows of states that take no part in rates.
    #[must_use]
    pub fn ignored(&self) -> u64 {
        self.other_states.values().sum::<u64>() + self.more_states
    }

    /// Rows rejected, whatever the reason.
    #[must_use]
    pub fn rejected_rows(&self) -> u64 {
        self.rejected.values().sum()
    }

    pub(super) fn count_state(&mut self, text: &str, rows: u64) {
        let text = &text[..text.floor_char_boundary(SHOWN_STATE_BYTES)];
        if let Some(count) = self.other_states.get_mut(text) {
            *count += rows;
            return;
        }
        self.other_states.insert(text.to_owned(), rows);
        if self.other_states.len() > SHOWN_STATES
            && let Some((_, rows)) = self.other_states.pop_last()
        {
            self.more_states += rows;
        }
    }

    pub(super) fn reject(&mut self, rejected: Rejected) {
        *self.rejected.entry(rejected.reason).or_default() += 1;
        if self.rejected_first.len() < SHOWN_ROWS {
            self.rejected_first.push(rejected);
        }
    }

    /// Adds what another thread came to. Lists are put in order by [`Self::finish`].
    pub(super) fn merge(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.rows += other.rows;
        self.fail += other.fail;
        self.success += other.success;
        self.more_states += other.more_states;
        for (text, rows) in other.other_states {
            self.count_state(&text, rows);
        }
        for (reason, rows) in other.rejected {
            *self.rejected.entry(reason).or_default() += rows;
        }
        self.rejected_first.extend(other.rejected_first);
        self.set_aside.extend(other.set_aside);
    }

    /// Puts the lists in the order of the files. Each thread reads its files in that order, so the first rejected
    /// rows of all are among the first of each.
    pub(super) fn finish(&mut self, place: impl Fn(&str) -> usize) {
        self.rejected_first.sort_by_key(|rejected| (place(&rejected.file), rejected.line));
        self.rejected_first.truncate(SHOWN_ROWS);
        self.set_aside.sort_by_key(|aside| place(&aside.file));
    }

    /// Says on the log what was not taken.
    pub(super) fn warn(&self) {
        for aside in &self.set_aside {
            tracing::warn!("{aside}");
        }
        for rejected in &self.rejected_first {
            tracing::warn!("{rejected}");
        }
        let unshown = self.rejected_rows().saturating_sub(self.rejected_first.len() as u64);
        if unshown > 0 {
            tracing::warn!(rows = unshown, "more rows were rejected than are listed");
        }
    }
}
