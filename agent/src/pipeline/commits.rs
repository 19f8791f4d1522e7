//! The engine's transactions. Each begins with what has gathered for the log, so that the database always holds a
//! state the agent really was in.

use std::time::Duration;

use cabinwatch_shared::model::Model;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{Committed, Frame};

use super::clock::Clock;
use super::closing::ClosedWindow;
use super::engine::{Engine, HOUSEKEEPING};
use super::state::owe_again;
use super::windows::OpenWindow;
use crate::store::{Change, Counter, Excess, ModelChange, Removal, StoreError};

/// A start replays at most about this much of the log.
const CHECKPOINT_BYTES: u64 = 1 << 20;

/// Keys that no open window uses are dropped from memory when there are more than this.
const IDLE_KEYS: usize = 1024;

impl<C: Clock> Engine<C> {
    /// Ends the group: what it counts is noted in the state, and its bytes go into the change that is begun here.
    pub(super) fn begin_change(&mut self) -> Change {
        let mut change = Change::at(self.now_seconds());
        self.group_since = None;
        if !self.group.is_empty() {
            let (events, head) = (self.group.len(), self.group_head());
            let (body, cursors, counts) = self.group.finish(head);
            if self.holding {
                self.state.hold(self.store.next_group(), body.len() as u64, events);
            }
            self.state.note(cursors, &counts, change.at);
            change.keys = self.store.take_unwritten_keys();
            change.group = Some(body);
        }
        change
    }

    /// Writes a change with the state after it.
    pub(super) fn write_checkpoint(&mut self, mut change: Change) -> Result<(), StoreError> {
        change.keys_in_use = self.store.keys_in_memory();
        if !self.holding {
            self.state.clock.newest = Some(self.now());
            self.state.clock.adopted = self.keeper.record(self.boot);
        }
        change.checkpoint = Some(self.state.to_checkpoint(self.moment()));
        change.clock = Some(self.trust);
        self.write(change)
    }

    /// Commits the group.
    pub(super) fn commit_group(&mut self) -> Result<(), StoreError> {
        let change = self.begin_change();
        if change.group.is_none() {
            self.on_stored.drain(..).for_each(|tell| tell());
            return Ok(());
        }
        if self.state.provisional.is_some_and(|held| held.bytes >= self.settings.clock.provisional_bytes) {
            self.keeper.lose_patience();
        }
        if self.store.bytes_since_checkpoint() >= CHECKPOINT_BYTES {
            self.write_checkpoint(change)?;
            return self.remove_excess();
        }
        self.write(change)
    }

    /// Commits the group, if there is one, and the state.
    pub(super) fn commit_checkpoint(&mut self) -> Result<(), StoreError> {
        let change = self.begin_change();
        self.write_checkpoint(change)
    }

    /// Closes the windows that nothing more is waited for.
    pub(super) fn close_due_windows(&mut self) -> Result<(), StoreError> {
        let Some(watermark) = self.state.watermark.at(self.moment()) else { return Ok(()) };
        let lateness = self.settings.counting.lateness_seconds;
        if self.state.windows.next_due(lateness).is_none_or(|due| due > watermark) {
            return Ok(());
        }
        let due = self.state.windows.take_due(watermark, lateness);
        self.close(due)?;
        self.remove_excess()
    }

    /// Goes over to the window length in force. Windows of another one are closed as they are.
    pub(super) fn adopt_length(&mut self) -> Result<(), StoreError> {
        let length = self.settings.length;
        if self.state.length == length {
            return Ok(());
        }
        tracing::info!(
            "windows are {} s from now on; they were {} s",
            length.as_seconds(),
            self.state.length.as_seconds()
        );
        let open = self.state.windows.take_other_lengths(length.as_seconds());
        self.state.length = length;
        self.close(open)
    }

    /// Scores windows and writes them, their frames, and what the ground must hear of losses, in one transaction.
    pub(super) fn close(&mut self, windows: Vec<(UnixSeconds, OpenWindow)>) -> Result<(), StoreError> {
        let closing = self.score_all(windows);
        self.group.counts().add(Counter::WindowsClosed, closing.records.len() as u64);
        let mut change = self.begin_change();
        change.frames = closing.frames;
        change.windows = closing.records;
        if let Some(slots) = closing.slots {
            change.model = Some(ModelChange { slots, memory: self.models.memory.clone() });
        }
        if let Some((version, outcome)) = closing.outcome {
            self.push_model_report(&mut change, version, outcome);
        }
        self.report(&mut change);
        self.write_checkpoint(change)?;
        if self.store.keys_in_memory_count() > IDLE_KEYS {
            self.store.forget_keys_except(&self.state.windows.keys());
        }
        Ok(())
    }

    pub(super) fn score(
        &mut self,
        start: UnixSeconds,
        window: &OpenWindow,
        model: Option<&Model<'_>>,
    ) -> ClosedWindow {
        let end = UnixSeconds(start.0.saturating_add(i64::from(window.seconds())));
        self.state.closed.close(start, end);
        let closed = ClosedWindow::score(start, window, |key| self.store.key_in_memory(key), model);
        let alarms = closed.rows.iter().filter(|row| row.alarms.any()).count();
        tracing::info!(%start, keys = closed.rows.len(), alarms, "a window is closed");
        closed
    }

    /// Adds a frame for each kind of loss the ground has not heard of.
    pub(super) fn report(&mut self, change: &mut Change) {
        self.last_report = self.clock.since_boot();
        for loss in self.state.take_losses() {
            tracing::warn!("lost: {} {} since {}", loss.count, loss.reason.as_str(), loss.since);
            self.push_frame(change, &Frame::Loss(loss));
        }
    }

    pub(super) fn push_frame(&self, change: &mut Change, frame: &Frame<'_>) {
        let mut bytes = Vec::new();
        match frame.write(&mut bytes) {
            Ok(()) => change.frames.push(bytes),
            Err(error) => tracing::error!("a frame can't be written: {error}"),
        }
    }

    /// Reports losses where no window closes to carry them, once in a window's length.
    pub(super) fn report_losses(&mut self, now: Duration) -> Result<(), StoreError> {
        let length = Duration::from_secs(u64::from(self.settings.length.as_seconds()));
        if self.state.unreported.is_empty() || now.saturating_sub(self.last_report) < length {
            return Ok(());
        }
        self.report_now()
    }

    /// Reports losses in frames of their own.
    pub(super) fn report_now(&mut self) -> Result<(), StoreError> {
        let mut change = self.begin_change();
        self.report(&mut change);
        self.write_checkpoint(change)
    }

    /// The ground has stored frames.
    pub(super) fn acknowledge(&mut self, committed: Committed) -> Result<(), StoreError> {
        let bounds = self.store.bounds()?;
        if committed.stream != bounds.stream {
            tracing::debug!("the ground acknowledges stream {}, ours is {}", committed.stream, bounds.stream);
            return Ok(());
        }
        if committed.seq > bounds.newest {
            let (seq, newest) = (committed.seq.0, bounds.newest.0);
            tracing::warn!("the ground acknowledges frame {seq}, but the newest is {newest}: ignored");
            return Ok(());
        }
        if committed.seq < bounds.oldest {
            return Ok(());
        }
        let change = Change { committed: Some(committed), ..self.begin_change() };
        self.write(change)
    }

    /// Lets retention look, once in a while.
    pub(super) fn keep_house(&mut self, now: Duration) -> Result<(), StoreError> {
        if now.saturating_sub(self.last_housekeeping) < HOUSEKEEPING {
            return Ok(());
        }
        self.remove_excess()
    }

    /// Removes what exceeds the limits, and counts the frames among it as lost.
    fn remove_excess(&mut self) -> Result<(), StoreError> {
        self.last_housekeeping = self.clock.since_boot();
        let held = self.state.provisional.map(|held| held.from);
        self.store.refill()?;
        let removal = self.store.plan_removal(&self.settings.retention, self.aging_seconds(), held)?;
        if removal == Removal::default() {
            return Ok(());
        }
        let told_no_more = self.store.losses_among(&removal)?;
        for (excess, count) in &removal.outbox.reasons {
            self.group.counts().add(Counter::Lost(excess.of_frames()), *count);
        }
        // The log has no limit of rows of its own: these go because they name too many keys.
        let crowded_out = removal.events.reasons.iter().filter(|(excess, _)| *excess == Excess::Rows);
        let crowded_out = crowded_out.map(|(_, groups)| groups).sum();
        self.group.counts().add(Counter::GaveWay, crowded_out);
        let keys_in_use = self.store.keys_in_memory();
        owe_again(&mut self.state.unreported, &told_no_more);
        let change = Change { removal, keys_in_use, ..self.begin_change() };
        // What is owed again is in no group: only a checkpoint keeps it.
        if told_no_more.is_empty() { self.write(change) } else { self.write_checkpoint(change) }
    }
}
