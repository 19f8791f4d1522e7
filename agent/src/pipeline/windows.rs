//! The windows that are open, and what was counted in each.

use std::collections::{BTreeMap, HashSet};

use cabinwatch_shared::event::State;
use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::time::{UnixMillis, UnixSeconds};
use cabinwatch_shared::wire::MAX_POINTS;
use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::store::{KeyEntry, KeyId, Tally, WindowCounts};

/// One open window.
#[derive(Debug, Default)]
pub struct OpenWindow {
    /// Its length in seconds.
    seconds: u32,
    tallies: HashMap<KeyId, Tally, RandomState>,
    /// Every point that occurs, however its events ended.
    points: Vec<Box<str>>,
    fail_keys: usize,
    success_keys: usize,
}

impl OpenWindow {
    fn new(seconds: u32) -> Self {
        Self { seconds, ..Self::default() }
    }

    /// The length in seconds.
    #[must_use]
    pub const fn seconds(&self) -> u32 {
        self.seconds
    }

    /// Counts an event of a key that this window has counted before; whether it had.
    pub fn count_known(&mut self, key: KeyId, state: State) -> bool {
        let Some(tally) = self.tallies.get_mut(&key) else { return false };
        let count = match state {
            State::Fail => &mut tally.fail,
            State::Success => &mut tally.success,
        };
        let known = *count > 0;
        if known {
            *count += 1;
        }
        known
    }

    /// Counts an event.
    pub fn count(&mut self, key: &KeyEntry, state: State) {
        self.add(
            key,
            match state {
                State::Fail => Tally { fail: 1, success: 0 },
                State::Success => Tally { fail: 0, success: 1 },
            },
        );
    }

    /// Adds counts of a key.
    pub fn add(&mut self, key: &KeyEntry, counts: Tally) {
        let tally = self.tallies.entry(key.id).or_default();
        self.fail_keys += usize::from(tally.fail == 0 && counts.fail > 0);
        self.success_keys += usize::from(tally.success == 0 && counts.success > 0);
        tally.fail += counts.fail;
        tally.success += counts.success;
        // `OTHER` stands for many points and must not take the place of one.
        if key.key() != FaultKey::OTHER && !self.has_point(&key.edr_point) {
            self.points.push(key.edr_point.clone());
        }
    }

    /// How many keys have events that ended so.
    #[must_use]
    pub const fn keys(&self, state: State) -> usize {
        match state {
            State::Fail => self.fail_keys,
            State::Success => self.success_keys,
        }
    }

    /// Whether an event of this point fits in: it occurs already, or there is room for one more.
    #[must_use]
    pub fn has_room_for_point(&self, edr_point: &str) -> bool {
        self.points.len() < MAX_POINTS || self.has_point(edr_point)
    }

    fn has_point(&self, edr_point: &str) -> bool {
        self.points.iter().any(|known| **known == *edr_point)
    }

    /// What was counted, in no order.
    pub fn tallies(&self) -> impl Iterator<Item = (KeyId, Tally)> + '_ {
        self.tallies.iter().map(|(key, tally)| (*key, *tally))
    }

    fn end(&self, start: UnixSeconds) -> UnixSeconds {
        UnixSeconds(start.0.saturating_add(i64::from(self.seconds)))
    }
}

/// All open windows, by their first second.
#[derive(Debug, Default)]
pub struct OpenWindows(BTreeMap<UnixSeconds, OpenWindow>);

impl OpenWindows {
    /// The window that begins there; opened if it was not.
    pub fn at(&mut self, start: UnixSeconds, seconds: u32) -> &mut OpenWindow {
        self.0.entry(start).or_insert_with(|| OpenWindow::new(seconds))
    }

    /// Takes out, oldest first, the windows that nothing more is waited for.
    pub fn take_due(
        &mut self,
        watermark: UnixMillis,
        lateness_seconds: u32,
    ) -> Vec<(UnixSeconds, OpenWindow)> {
        self.take_where(|start, window| is_due(window.end(start), watermark, lateness_seconds))
    }

    /// Takes out, oldest first, the windows of another length than the one now in force.
    pub fn take_other_lengths(&mut self, seconds: u32) -> Vec<(UnixSeconds, OpenWindow)> {
        self.take_where(|_, window| window.seconds != seconds)
    }

    /// Takes out, oldest first, the windows that end after an instant.
    pub fn take_after(&mut self, instant: UnixSeconds) -> Vec<(UnixSeconds, OpenWindow)> {
        self.take_where(|start, window| window.end(start) > instant)
    }

    fn take_where(
        &mut self,
        leaves: impl Fn(UnixSeconds, &OpenWindow) -> bool,
    ) -> Vec<(UnixSeconds, OpenWindow)> {
        self.0.extract_if(.., |start, window| leaves(*start, window)).collect()
    }

    /// When the next window is due, in event time.
    #[must_use]
    pub fn next_due(&self, lateness_seconds: u32) -> Option<UnixMillis> {
        let end = self.0.iter().map(|(start, window)| window.end(*start)).min()?;
        Some(UnixSeconds(end.0.saturating_add(i64::from(lateness_seconds))).millis())
    }

    /// The windows, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (UnixSeconds, &OpenWindow)> {
        self.0.iter().map(|(start, window)| (*start, window))
    }

    /// Every key that an open window has counted.
    #[must_use]
    pub fn keys(&self) -> HashSet<KeyId> {
        self.0.values().flat_map(|window| window.tallies.keys().copied()).collect()
    }

    /// The counts, as a checkpoint keeps them.
    #[must_use]
    pub fn to_counts(&self) -> Vec<WindowCounts> {
        let counts = self.iter().map(|(start, window)| {
            let mut tallies: Vec<_> = window.tallies().collect();
            tallies.sort_unstable_by_key(|(key, _)| *key);
            WindowCounts { start, seconds: window.seconds, tallies }
        });
        counts.collect()
    }
}

/// Whether a window that ends there has been waited for long enough.
#[must_use]
pub fn is_due(end: UnixSeconds, watermark: UnixMillis, lateness_seconds: u32) -> bool {
    UnixSeconds(end.0.saturating_add(i64::from(lateness_seconds))).millis() <= watermark
}
