//! Counts of one thread.

use cabinwatch_shared::event::State;
use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::window::{Window, WindowLength};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::HistoryError;
use super::columns::Columns;
use super::dates::DateReader;
use super::intern::Interner;
use super::records::Record;
use super::summary::{ReadSummary, RejectReason};

/// Most different fault keys of one run, and most different points.
pub(super) const MAX_KEYS: usize = 1 << 20;

/// Counts per window start (in seconds) and number.
pub(super) type CountsOf = HashMap<(i64, u32), u64, FixedState>;

/// Failures per window and fault key, successes per window and point.
#[derive(Debug)]
pub(super) struct Counter {
    length: WindowLength,
    dates: DateReader,
    /// The window of the row before, where the next row most likely falls too.
    window: Option<Window>,
    pub(super) points: Interner,
    /// Descriptions, each under its point.
    pub(super) keys: Interner,
    pub(super) failures: CountsOf,
    pub(super) successes: CountsOf,
    pub(super) summary: ReadSummary,
}

impl Counter {
    pub(super) fn new(length: WindowLength) -> Self {
        Self {
            length,
            dates: DateReader::default(),
            window: None,
            points: Interner::default(),
            keys: Interner::default(),
            failures: CountsOf::default(),
            successes: CountsOf::default(),
            summary: ReadSummary::default(),
        }
    }

    /// Fails when there are more kinds of things to count than memory should be spent on.
    pub(super) fn check_keys(&self) -> Result<(), HistoryError> {
        let most = self.keys.texts().len().max(self.points.texts().len());
        if most > MAX_KEYS { Err(HistoryError::TooManyKeys(MAX_KEYS)) } else { Ok(()) }
    }

    /// Counts one row, or says why it cannot be.
    pub(super) fn take(&mut self, columns: &Columns, row: &Record<'_>) -> Result<(), RejectReason> {
        if row.len() != columns.count {
            return Err(RejectReason::FieldCount);
        }
        let start = self.window_of(row.field(columns.edr_date)).ok_or(RejectReason::Date)?;
        let state = row.field(columns.state);
        let text = std::str::from_utf8(state).map_err(|_| RejectReason::NotUtf8)?;
        let Ok(state) = State::parse(text) else {
            self.summary.count_state(text, 1);
            return Ok(());
        };
        let point = self.points.number(0, row.field(columns.edr_point)).map_err(|_| RejectReason::NotUtf8)?;
        match state {
            State::Success => {
                *self.successes.entry((start, point)).or_default() += 1;
                self.summary.success += 1;
            }
            State::Fail => {
                let description = row.field(columns.description);
                let key = self.keys.number(point, description).map_err(|_| RejectReason::NotUtf8)?;
                *self.failures.entry((start, key)).or_default() += 1;
                self.summary.fail += 1;
            }
        }
        Ok(())
    }

    /// Adds failures that were counted elsewhere.
    pub(super) fn add_failures(&mut self, start: UnixSeconds, key: FaultKey<'_>, count: u64) {
        let point = self.points.number(0, key.edr_point.as_bytes());
        let key = point.and_then(|point| self.keys.number(point, key.description.as_bytes()));
        // Texts are UTF-8 already.
        if let (Ok(key), true) = (key, count > 0) {
            *self.failures.entry((start.0, key)).or_default() += count;
        }
    }

    /// Adds successes that were counted elsewhere.
    pub(super) fn add_successes(&mut self, start: UnixSeconds, point: &str, count: u64) {
        if let (Ok(point), true) = (self.points.number(0, point.as_bytes()), count > 0) {
            *self.successes.entry((start.0, point)).or_default() += count;
        }
    }

    /// Start of the window a date falls into.
    fn window_of(&mut self, date: &[u8]) -> Option<i64> {
        let at = self.dates.read(date)?;
        let second = at.seconds();
        let window = match self.window {
            Some(window) if window.start() <= second && second < window.end() => window,
            _ => Window::containing(at, self.length),
        };
        self.window = Some(window);
        Some(window.start().0)
    }
}
