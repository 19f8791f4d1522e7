//! While nothing can be written. `docs/agent-faults.md` says what becomes of what.
//!
//! A disk that is full takes what can be spared of the database. When that does not help, or storage fails in another
//! way, the change waits until it can be written, and events go on being counted in memory: nobody is told that they are
//! stored, so what producers were told stays true. That memory is bounded. Once it is used up, files are not read on, and
//! events that nobody would send again are lost and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use cabinwatch_shared::wire::LossReason;

use super::clock::Clock;
use super::engine::Engine;
use super::state::{add_losses, owe_again};
use super::{Input, timing};
use crate::service::UnwritableSince;
use crate::sources::EventBatch;
use crate::store::{Change, Counter, GroupWriter, Removal, Sacrifice, StoreError};

/// Waits before a failed commit is looked into and tried again; the last one repeats.
const RETRY_WAITS: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(10)];

/// A database that can't be read is as good as damaged after this many failures, which take a minute and a half.
const UNREADABLE_PATIENCE: usize = 12;

/// What goes on is written to the log once in this while.
const TELL_EVERY: Duration = Duration::from_secs(600);

const READ_ANEW_EVERY: Duration = Duration::from_millis(200);

/// Numbered events are taken whatever happens, since they were taken once and for all; their number is bounded by the
/// protocol. Should a producer not keep to it, the engine takes nothing more at this many times its memory.
const HARD_LIMIT: u64 = 2;

/// Answers that wait. A producer that gets none sends again, and is answered then.
const MOST_ANSWERS: usize = 4096;

/// How often writing has failed, and what was told of it.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// Since when, by the boot clock; none while writing works.
    since: Option<Duration>,
    failures: usize,
    told: Option<(Duration, String)>,
    /// The same for other threads.
    shown: UnwritableSince,
    /// Whether files shall wait: the memory is used up.
    memory_full: Arc<AtomicBool>,
    /// When it was last told that something gives way.
    gave_way: Option<Duration>,
    /// When the file was last opened anew for a key that could not be read.
    read_anew: Option<Duration>,
}

impl<C: Clock> Engine<C> {
    /// Set while sources that can wait shall wait.
    #[must_use]
    pub fn memory_full(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.outage.memory_full)
    }

    /// Since when nothing can be written.
    #[must_use]
    pub fn unwritable_since(&self) -> UnwritableSince {
        self.outage.shown.clone()
    }

    /// Writes a change, durably, and tells who waits for it. It is tried until it is written, for as long as the process
    /// shall live.
    pub(super) fn write(&mut self, mut change: Change) -> Result<(), StoreError> {
        let waiting = std::mem::take(&mut self.on_stored);
        while let Err(error) = self.store.write(&change) {
            let room = if error.is_full() { self.give_way(&mut change) } else { Ok(false) };
            let again = room.and_then(|room| if room { Ok(()) } else { self.wait_out(error) });
            if let Err(error) = again {
                self.on_stored.splice(0..0, waiting);
                self.stranded = Some(change);
                return Err(error);
            }
        }
        self.end_outage();
        waiting.into_iter().for_each(|tell| tell());
        if !change.frames.is_empty() {
            (self.outgoing)();
        }
        Ok(())
    }

    /// Makes room inside the file: stored events go first, then closed windows, then the oldest frames. Says whether
    /// there was anything left to give.
    fn give_way(&mut self, pending: &mut Change) -> Result<bool, StoreError> {
        // A log that can't grow is not helped by room in the file.
        if !self.store.is_short_of(pending.bytes()) {
            return Ok(false);
        }
        for sacrifice in Sacrifice::IN_ORDER {
            if self.give_up(sacrifice, pending)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives some of it up; frames are counted as lost in the same transaction.
    fn give_up(&mut self, sacrifice: Sacrifice, pending: &mut Change) -> Result<bool, StoreError> {
        let held = self.state.provisional.map(|held| held.from);
        let removal = match self.store.plan_sacrifice(sacrifice, held) {
            Err(error) if error.is_corrupt() => return Err(error),
            Ok(removal) if removal != Removal::default() => removal,
            Ok(_) | Err(_) => return Ok(false),
        };
        let Ok(told_no_more) = self.store.losses_among(&removal) else { return Ok(false) };
        let frames = removal.outbox.gone.rows;
        let spared = removal.events.gone.rows + removal.windows.gone.rows;
        let mut lost = GroupWriter::default();
        lost.counts().add(Counter::Lost(LossReason::Storage), frames);
        let head = self.group_head();
        let (body, _, counts) = lost.finish(head);
        let keys_in_use = self.store.keys_in_memory();
        let mut change = Change { removal, keys_in_use, ..Change::at(self.now_seconds()) };
        // A group may need room itself, which only the frames before it are sure to give.
        change.group = (frames > 0).then_some(body);
        // Whether this took place must be known before anything else is tried.
        while let Err(error) = self.store.write(&change) {
            if error.is_full() {
                return Ok(false);
            }
            self.wait_out(error)?;
        }
        self.state.note([], &counts, change.at);
        owe_again(&mut self.state.unreported, &told_no_more);
        if let Some(checkpoint) = &mut pending.checkpoint {
            owe_again(&mut checkpoint.unreported, &told_no_more);
            add_losses(&mut checkpoint.unreported, &counts, change.at);
            checkpoint.counts.merge(&counts);
        }
        self.group.counts().add(Counter::GaveWay, spared);
        self.tell_of_giving_way(frames);
        Ok(true)
    }

    fn tell_of_giving_way(&mut self, frames: u64) {
        let now = self.clock.since_boot();
        if frames == 0 && self.outage.gave_way.is_some_and(|told| now.saturating_sub(told) < TELL_EVERY) {
            return;
        }
        self.outage.gave_way = Some(now);
        match frames {
            0 => tracing::warn!("the disk is full: stored events and closed windows give way to new ones"),
            _ => tracing::error!("the disk is full: the {frames} oldest frames give way, and are lost"),
        }
    }

    /// Waits after a failure, counting meanwhile. An error if there is nothing to wait for.
    pub(super) fn wait_out(&mut self, error: StoreError) -> Result<(), StoreError> {
        let wait = RETRY_WAITS.get(self.outage.failures).or(RETRY_WAITS.last()).copied().unwrap_or_default();
        if error.is_corrupt() || self.leaving || self.stop.load(Ordering::Relaxed) {
            return Err(error);
        }
        if error.is_unreadable() && self.outage.failures >= UNREADABLE_PATIENCE {
            return Err(StoreError::Corrupt(error.to_string()));
        }
        self.tell_of_failure(&error);
        self.outage.failures += 1;
        self.count_meanwhile(wait)
    }

    fn tell_of_failure(&mut self, error: &StoreError) {
        let (now, error) = (self.clock.since_boot(), error.to_string());
        self.outage.since.get_or_insert(now);
        self.outage.shown.begin(now);
        let told = self.outage.told.as_ref();
        if told.is_some_and(|(at, what)| *what == error && now.saturating_sub(*at) < TELL_EVERY) {
            return;
        }
        tracing::error!("nothing can be written, which is tried again until it works: {error}");
        self.outage.told = Some((now, error));
    }

    fn end_outage(&mut self) {
        self.outage.failures = 0;
        self.outage.memory_full.store(false, Ordering::Relaxed);
        let Some(since) = self.outage.since.take() else { return };
        self.outage.shown.end();
        self.outage.told = None;
        let now = self.clock.since_boot();
        let seconds = now.saturating_sub(since).as_secs();
        tracing::warn!("writing works again after {seconds} s");
        self.group.counts().add(Counter::StorageOutages, 1);
        self.group.counts().add(Counter::StorageOutageSeconds, seconds);
        self.group_since.get_or_insert(now);
    }

    /// Takes what comes until the time is up.
    fn count_meanwhile(&mut self, wait: Duration) -> Result<(), StoreError> {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            self.heartbeat.beat_again_within(left);
            let Some(queue) = self.queue.clone().filter(|_| self.may_count()) else {
                std::thread::sleep(left);
                return Ok(());
            };
            match queue.recv_timeout(left) {
                Ok(Input::Batch(batch)) => self.count_in_memory(batch),
                Ok(Input::Committed(committed)) => self.committed = Some(committed),
                Ok(Input::ModelOffered(bundle)) => self.offered = Some(bundle),
                Ok(Input::Shutdown) | Err(RecvTimeoutError::Disconnected) => {
                    self.leaving = true;
                    return Ok(());
                }
                Err(RecvTimeoutError::Timeout) => return Ok(()),
            }
        }
    }

    /// Whether it is time to open the file anew for what can't be read. Not for each event of a storm.
    pub(super) fn may_read_anew(&mut self, now: Duration) -> bool {
        let may = self.outage.read_anew.is_none_or(|last| now.saturating_sub(last) >= READ_ANEW_EVERY);
        if may {
            self.outage.read_anew = Some(now);
        }
        may
    }

    /// Events that wait for a time of day lie in groups of their own kind, and what is counted while the clock is set
    /// might end up on the wrong side of it. Then the sources wait.
    fn may_count(&self) -> bool {
        let most = HARD_LIMIT * self.settings.hold_bytes;
        !self.holding && !self.setting_clock && !self.leaving && self.group.bytes() < most
    }

    fn count_in_memory(&mut self, batch: EventBatch) {
        let (now, since_boot) = timing::read(&self.clock);
        let full = self.group.bytes() >= self.settings.hold_bytes;
        self.outage.memory_full.store(full, Ordering::Relaxed);
        // What has a cursor was taken for good, or would not be read again.
        if full && batch.cursors.is_empty() {
            self.group.counts().add(Counter::Lost(LossReason::Storage), batch.len() as u64);
        } else {
            self.count_batch(&batch, now.boot, since_boot);
        }
        self.take_besides_events(batch, since_boot);
        self.on_stored.truncate(MOST_ANSWERS);
    }
}
