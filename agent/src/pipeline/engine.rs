//! The thread that owns the database: it takes what sources and link send, and does what time brings.

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use cabinwatch_shared::event::Event;
use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::time::UnixMillis;
use cabinwatch_shared::wire::{ClockTrust, Committed, LossReason};

use super::clock::Clock;
use super::counting;
use super::offers::Models;
use super::outage::Outage;
use super::settings::Settings;
use super::state::State;
use super::timekeeping::Timekeeper;
use super::watermark::Moment;
use super::{Input, OfferedModel, Outgoing, timing};
use crate::service::Heartbeat;
use crate::sources::{DatedBy, EventBatch};
use crate::store::{BootId, BootMillis, Change, Counter, GroupWriter, LoggedEvent, Store, StoreError};

/// How often retention looks at the database when nothing else makes it.
pub(super) const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// How often the clocks are looked at while they are in doubt.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(1);

/// Counts events, closes windows, and keeps the database.
pub struct Engine<C> {
    pub(super) settings: Settings,
    pub(super) clock: C,
    pub(super) path: PathBuf,
    pub(super) store: Store,
    pub(super) state: State,
    /// What the next commit adds to the log.
    pub(super) group: GroupWriter,
    /// When the group's first part came, by the boot clock.
    pub(super) group_since: Option<Duration>,
    /// What time it is.
    pub(super) keeper: Timekeeper,
    /// Which boot of the machine this is.
    pub(super) boot: BootId,
    /// Whether the group's events wait for a time of day.
    pub(super) holding: bool,
    /// What was last told of the clock, and when of a step.
    pub(super) trust: ClockTrust,
    pub(super) step_told: Option<Duration>,
    /// A model that can't be judged before there is a time of day.
    pub(super) offered: Option<OfferedModel>,
    /// Whom to tell once the group is durable.
    pub(super) on_stored: Vec<Box<dyn FnOnce() + Send>>,
    pub(super) models: Models,
    pub(super) outgoing: Outgoing,
    /// Set when the process shall end: a commit that fails is not tried for ever then.
    pub(super) stop: Arc<AtomicBool>,
    pub(super) heartbeat: Heartbeat,
    /// The newest time in the database when this process opened it.
    pub(super) last_written: Option<UnixMillis>,
    /// Where inputs come from, for as long as nothing can be written.
    pub(super) queue: Option<Rc<Receiver<Input>>>,
    pub(super) outage: Outage,
    /// The ground's last word, and whether the agent shall leave, where that came in such a while.
    pub(super) committed: Option<Committed>,
    pub(super) leaving: bool,
    /// Whether another time of day is being adopted.
    pub(super) setting_clock: bool,
    /// What could not be written because the database is damaged.
    pub(super) stranded: Option<Change>,
    /// Damage that was found while a batch was taken.
    pub(super) damage: Option<StoreError>,
    /// When losses were last reported and retention last looked, by the boot clock.
    pub(super) last_report: Duration,
    pub(super) last_housekeeping: Duration,
}

impl<C: Clock> Engine<C> {
    /// How far each source had been read for what the database holds.
    #[must_use]
    pub fn cursors(&self) -> HashMap<String, Vec<u8>> {
        self.state.cursors.iter().map(|(name, position)| (name.clone(), position.clone())).collect()
    }

    /// The version of the model in use; 0 for none.
    #[must_use]
    pub fn model_version(&self) -> ModelVersion {
        self.models.version()
    }

    /// Says whom to call after a commit that appended frames.
    pub fn call_on_frames(&mut self, outgoing: Outgoing) {
        self.outgoing = outgoing;
    }

    /// The engine's sign of life: it shows up when the next input comes or something is due, and in between only for
    /// as long as a commit that fails waits.
    #[must_use]
    pub fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// Works until [`Input::Shutdown`], or until every sender is gone, and commits what there is.
    ///
    /// # Errors
    /// When the database is damaged, or fails while the process ends.
    pub fn run(&mut self, queue: &Rc<Receiver<Input>>) -> Result<(), StoreError> {
        self.queue = Some(Rc::clone(queue));
        while !self.leaving {
            let wait = self.wait();
            self.heartbeat.beat_again_within(wait);
            let input = queue.recv_timeout(wait);
            self.heartbeat.beat();
            let done = match input {
                Ok(Input::Shutdown) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(input) => self.take(input),
                Err(RecvTimeoutError::Timeout) => Ok(()),
            };
            // What can't be read now may be read later; nothing was half done.
            if let Err(error) = done.and_then(|()| self.take_what_waits()).and_then(|()| self.tick()) {
                self.store.distrust();
                self.wait_out(error)?;
            }
        }
        self.end_work()
    }

    /// Takes what came while nothing could be written, besides events.
    fn take_what_waits(&mut self) -> Result<(), StoreError> {
        if let Some(committed) = self.committed.take() {
            self.acknowledge(committed)?;
        }
        if let Some(bundle) = self.offered.take_if(|_| !self.holding) {
            self.take_model(bundle)?;
        }
        Ok(())
    }

    /// Takes one input. What is due by then is left to [`Self::tick`].
    ///
    /// # Errors
    /// When the database is damaged, or fails while the process ends.
    pub fn take(&mut self, input: Input) -> Result<(), StoreError> {
        match input {
            Input::Batch(batch) => self.take_batch(batch),
            Input::Committed(committed) => self.acknowledge(committed),
            Input::ModelOffered(offered) if self.holding => {
                self.offered = Some(offered);
                Ok(())
            }
            Input::ModelOffered(offered) => self.take_model(offered),
            Input::Shutdown => Ok(()),
        }
    }

    /// A batch is never split: its cursors say that *all* of it is stored.
    fn take_batch(&mut self, batch: EventBatch) -> Result<(), StoreError> {
        let minded = self.mind_clock();
        let (now, since_boot) = timing::read(&self.clock);
        if self.holding {
            self.hold_batch(&batch, now.boot);
        } else {
            self.count_batch(&batch, now.boot, since_boot);
        }
        self.take_besides_events(batch, since_boot);
        minded.map(drop)
    }

    /// An event that can't be counted. The batch goes on: its cursors speak for all of it.
    pub(super) fn lose_to_storage(&mut self, error: StoreError) {
        self.group.counts().add(Counter::Lost(LossReason::Storage), 1);
        if error.is_corrupt() {
            self.damage = Some(error);
        }
    }

    pub(super) fn take_besides_events(&mut self, batch: EventBatch, since_boot: Duration) {
        let counts = self.group.counts();
        counts.add(Counter::UnknownLines, batch.unknown_lines);
        batch.losses.iter().for_each(|(reason, count)| counts.add(Counter::Lost(*reason), *count));
        batch.cursors.into_iter().for_each(|cursor| self.group.reach(cursor));
        self.on_stored.extend(batch.on_stored);
        self.group_since.get_or_insert(since_boot);
    }

    pub(super) fn count_batch(&mut self, batch: &EventBatch, boot: BootMillis, since_boot: Duration) {
        let arrival = Moment { now: self.state.closed.first_open(self.keeper.at(boot)), since_boot };
        let mut taken = 0;
        for event in batch.events() {
            let mut at = self.keeper.date(event.at, batch.dated_by, boot);
            if batch.dated_by == DatedBy::Machine {
                at = self.state.closed.first_open(at);
            }
            let event = Event { at, ..event };
            let mut counted = self.count(&event, arrival);
            if counted.is_err() && self.may_read_anew(since_boot) && self.store.read_anew().is_ok() {
                counted = self.count(&event, arrival);
            }
            match counted {
                Ok(Some(event)) => {
                    self.group.push(event);
                    taken += 1;
                }
                Ok(None) => {}
                // Whether the file knows its key can't be read.
                Err(error) => self.lose_to_storage(error),
            }
        }
        self.group.counts().add(Counter::Events, taken);
    }

    fn count(&mut self, event: &Event<'_>, arrival: Moment) -> Result<Option<LoggedEvent>, StoreError> {
        let (limits, counts) = (&self.settings.counting, self.group.counts());
        counting::count(event, arrival, limits, &mut self.state, &mut self.store, counts)
    }

    /// Does what is due by now.
    ///
    /// # Errors
    /// When the database is damaged, or fails while the process ends.
    pub fn tick(&mut self) -> Result<(), StoreError> {
        if let Some(damage) = self.damage.take() {
            return Err(damage);
        }
        let (_, now) = self.mind_clock()?;
        let waited =
            self.group_since.is_some_and(|since| now.saturating_sub(since) >= self.settings.group_wait);
        if waited || self.group.len() >= self.settings.group_events {
            self.commit_group()?;
        }
        // Before there is a time of day, nothing may be told that bears one.
        if !self.holding {
            self.close_due_windows()?;
            self.report_losses(now)?;
        }
        self.keep_house(now)
    }

    /// How long nothing is due for.
    fn wait(&self) -> Duration {
        let now = self.clock.since_boot();
        let group = self.group_since.map(|since| (since + self.settings.group_wait).saturating_sub(now));
        let due = self.state.windows.next_due(self.settings.counting.lateness_seconds);
        let window = due.filter(|_| !self.holding).and_then(|due| {
            let left = due.0.saturating_sub(self.state.watermark.at(self.moment())?.0);
            Some(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
        });
        let clock = self.keeper.is_undecided().then_some(LOOK_AT_CLOCK);
        [group, window, clock].into_iter().flatten().fold(HOUSEKEEPING, Duration::min)
    }
}
