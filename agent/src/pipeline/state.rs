//! What the agent knows besides its tables. The log is its truth: applying each group of the log to the state at the
//! last checkpoint gives it back.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use cabinwatch_shared::time::{UnixMillis, UnixSeconds};
use cabinwatch_shared::window::{Window, WindowLength};
use cabinwatch_shared::wire::{LossFrame, LossReason};

use super::watermark::{Moment, Watermark};
use super::windows::OpenWindows;
use crate::sources::Cursor;
use crate::store::{
    Checkpoint, ClockRecord, Closed, Counter, Counts, GroupHead, KeyNames, LoggedGroup, LossSpan,
    ProvisionalSpan, StoreError, StreamCause,
};

/// The state between two commits.
#[derive(Debug)]
pub struct State {
    /// How far event time has come.
    pub watermark: Watermark,
    /// Which windows have been closed.
    pub closed: Closed,
    /// How long windows are.
    pub length: WindowLength,
    /// The windows that are open.
    pub windows: OpenWindows,
    /// How far each source has been read.
    pub cursors: BTreeMap<String, Vec<u8>>,
    /// All counters.
    pub counts: Counts,
    /// Losses that no frame has told the ground yet.
    pub unreported: BTreeMap<LossReason, LossSpan>,
    /// Fingerprint of the bundle that was refused last.
    pub refused_bundle: Option<u64>,
    /// What was known of the time of day.
    pub clock: ClockRecord,
    /// Groups whose events wait for a time of day, and are counted in no window.
    pub provisional: Option<ProvisionalSpan>,
    /// How the stream began, where no frame has told the ground yet.
    pub unannounced: Option<StreamCause>,
}

impl State {
    /// The state of a database that has seen nothing.
    #[must_use]
    pub fn new(length: WindowLength) -> Self {
        Self {
            watermark: Watermark::default(),
            closed: Closed::default(),
            length,
            windows: OpenWindows::default(),
            cursors: BTreeMap::new(),
            counts: Counts::default(),
            unreported: BTreeMap::new(),
            refused_bundle: None,
            clock: ClockRecord::default(),
            provisional: None,
            unannounced: None,
        }
    }

    /// The state at a checkpoint. `length` holds where the checkpoint names none, which is before the first event.
    ///
    /// # Errors
    /// When a key of an open window can't be looked up.
    pub fn from_checkpoint(
        checkpoint: Checkpoint,
        names: &mut KeyNames<'_>,
        length: WindowLength,
    ) -> Result<Self, StoreError> {
        let length = NonZeroU32::new(checkpoint.window_seconds).map_or(length, WindowLength::seconds);
        let mut windows = OpenWindows::default();
        for window in &checkpoint.windows {
            let open = windows.at(window.start, window.seconds);
            for (id, tally) in &window.tallies {
                open.add(names.key(*id)?, *tally);
            }
        }
        Ok(Self {
            watermark: Watermark::standing(checkpoint.watermark),
            closed: checkpoint.closed,
            length,
            windows,
            cursors: checkpoint.cursors,
            counts: checkpoint.counts,
            unreported: checkpoint.unreported,
            refused_bundle: checkpoint.refused_bundle,
            clock: checkpoint.clock,
            provisional: checkpoint.provisional,
            unannounced: checkpoint.unannounced,
        })
    }

    /// Applies a group of the log. Its events were judged when they came in; here they only count. Those of a
    /// provisional group wait.
    ///
    /// # Errors
    /// When the group does not decode or a key can't be looked up.
    pub fn apply(
        &mut self,
        names: &mut KeyNames<'_>,
        LoggedGroup { id, stored, group, bytes }: &LoggedGroup<'_>,
    ) -> Result<(), StoreError> {
        match group.head {
            GroupHead::Dated { watermark } => {
                self.watermark = Watermark::standing(watermark);
                self.clock.newest = Some(stored.millis());
            }
            GroupHead::Provisional { .. } => {
                // In memory, so that the next checkpoint says that they are in use.
                for event in group.provisional() {
                    names.key(event.map_err(|_| StoreError::garbled("a group of events"))?.key)?;
                }
                self.hold(*id, *bytes, group.len());
            }
        }
        for event in group.events() {
            let event = event.map_err(|_| StoreError::garbled("a group of events"))?;
            let start = Window::containing(event.at, self.length).start();
            let window = self.windows.at(start, self.length.as_seconds());
            if !window.count_known(event.key, event.state) {
                window.count(names.key(event.key)?, event.state);
            }
        }
        self.note(group.cursors.iter().cloned(), &group.counts, *stored);
        Ok(())
    }

    /// Takes note of a provisional group.
    pub fn hold(&mut self, id: u64, bytes: u64, events: u64) {
        let span = self.provisional.get_or_insert(ProvisionalSpan { from: id, bytes: 0, events: 0 });
        span.bytes += bytes;
        span.events += events;
    }

    /// Takes note of what a group says besides its events.
    pub fn note(&mut self, cursors: impl IntoIterator<Item = Cursor>, counts: &Counts, at: UnixSeconds) {
        for Cursor { name, position } in cursors {
            // An empty position is how a source says that it needs this cursor no more.
            if position.is_empty() {
                self.cursors.remove(&name);
            } else {
                self.cursors.insert(name, position);
            }
        }
        add_losses(&mut self.unreported, counts, at);
        self.counts.merge(counts);
    }

    /// Counts a loss that is in no group, and that has lasted until now.
    pub fn lose(&mut self, reason: LossReason, span: LossSpan) {
        self.counts.add(Counter::Lost(reason), span.count);
        owe(&mut self.unreported, reason, span);
        // Without a time of day, an earlier boot's estimate of its own start may be later than this one's.
        if let Some(owed) = self.unreported.get_mut(&reason) {
            owed.until = span.until;
            owed.since = owed.since.min(span.until);
        }
    }

    /// How far event time had come when the state was stored.
    #[must_use]
    pub fn stored_watermark(&self) -> Option<UnixMillis> {
        self.watermark.stored()
    }

    /// Hands over the losses the ground has not been told of.
    pub fn take_losses(&mut self) -> Vec<LossFrame> {
        let spans = std::mem::take(&mut self.unreported);
        let frame = |(reason, LossSpan { count, since, until })| LossFrame { reason, count, since, until };
        spans.into_iter().map(frame).collect()
    }

    /// The state as a checkpoint.
    #[must_use]
    pub fn to_checkpoint(&self, moment: Moment) -> Checkpoint {
        Checkpoint {
            watermark: self.watermark.at(moment),
            closed: self.closed.clone(),
            window_seconds: self.length.as_seconds(),
            windows: self.windows.to_counts(),
            cursors: self.cursors.clone(),
            counts: self.counts.clone(),
            unreported: self.unreported.clone(),
            refused_bundle: self.refused_bundle,
            clock: self.clock,
            provisional: self.provisional,
            unannounced: self.unannounced,
        }
    }
}

/// Adds the losses among the counts to those that the ground has not heard of.
pub fn add_losses(unreported: &mut BTreeMap<LossReason, LossSpan>, counts: &Counts, at: UnixSeconds) {
    counts
        .losses()
        .for_each(|(reason, count)| owe(unreported, reason, LossSpan { count, since: at, until: at }));
}

/// Takes back what frames were to tell that will never be sent.
pub fn owe_again(unreported: &mut BTreeMap<LossReason, LossSpan>, losses: &[LossFrame]) {
    for LossFrame { reason, count, since, until } in losses.iter().copied() {
        owe(unreported, reason, LossSpan { count, since, until });
    }
}

/// The ground is to be told.
fn owe(unreported: &mut BTreeMap<LossReason, LossSpan>, reason: LossReason, span: LossSpan) {
    let LossSpan { count, since, until } = span;
    let owed = unreported.entry(reason).or_insert(LossSpan { count: 0, since, until });
    owed.count = owed.count.saturating_add(count);
    owed.since = owed.since.min(since);
    owed.until = owed.until.max(until);
}
