//! The thread that owns the database: it takes what sources and link send, and does what time brings.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use cabinwatch_shared::event::Event;
use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::time::UnixMillis;
use cabinwatch_shared::wire::ClockTrust;

use super::clock::Clock;
use super::counting;
use super::offers::Models;
use super::settings::Settings;
use super::state::State;
use super::timekeeping::Timekeeper;
use super::watermark::Moment;
use super::{Input, OfferedModel, Outgoing, timing};
use crate::service::Heartbeat;
use crate::sources::{DatedBy, EventBatch};
use crate::store::{
    BootId, BootMillis, ClockRecord, Counter, Found, Founded, GroupWriter, Store, StoreError,
};

/// How often retention looks at the database when nothing else makes it.
pub(super) const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// How often the clocks are looked at while they are in doubt.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(1);

/// Waits before a failed commit is looked into and tried again; the last one repeats.
const RETRY_WAITS: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(10)];

/// Counts events, closes windows, and keeps the database.
pub struct Engine<C> {
    pub(super) settings: Settings,
    pub(super) clock: C,
    path: PathBuf,
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
    /// When losses were last reported and retention last looked, by the boot clock.
    pub(super) last_report: Duration,
    pub(super) last_housekeeping: Duration,
}

impl<C: Clock> Engine<C> {
    /// Opens the database and builds the state from it.
    ///
    /// # Errors
    /// When the database can't be opened, or belongs to a newer agent or another program.
    pub fn open(
        path: PathBuf,
        settings: Settings,
        clock: C,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, StoreError> {
        let founded = timing::founded(&clock, &settings.clock);
        let opened = Store::open(&path, founded)?;
        let mut engine = Self::with_store(path, settings, clock, stop, opened);
        match engine.restore(None) {
            Err(StoreError::Corrupt(what)) => engine.start_anew(what),
            Err(error) => Err(error),
            Ok(()) => Ok(engine),
        }
    }

    /// Goes on with a new database after the old one turned out damaged, which is set aside.
    ///
    /// # Errors
    /// When that is not possible either.
    pub fn start_anew(self, what: String) -> Result<Self, StoreError> {
        let Self { settings, clock, path, store, stop, outgoing, keeper, boot, heartbeat, .. } = self;
        let founded = Founded { announced: false, ..timing::founded(&clock, &settings.clock) };
        let opened = store.replace(what, founded)?;
        let mut engine = Self::with_store(path, settings, clock, stop, opened);
        engine.outgoing = outgoing;
        engine.boot = boot;
        engine.heartbeat = heartbeat;
        engine.restore(Some(keeper))?;
        Ok(engine)
    }

    fn with_store(
        path: PathBuf,
        settings: Settings,
        clock: C,
        stop: Arc<AtomicBool>,
        (store, found): (Store, Found),
    ) -> Self {
        log_found(&path, &found);
        let since_boot = clock.since_boot();
        let boot = timing::boot(&clock, &settings.clock);
        Self {
            state: State::new(settings.length),
            keeper: timing::new_keeper(&clock, &settings.clock, &ClockRecord::default()),
            boot,
            holding: true,
            trust: store.bounds().map_or(ClockTrust::Provisional, |bounds| bounds.clock),
            step_told: None,
            offered: None,
            settings,
            clock,
            path,
            store,
            group: GroupWriter::default(),
            group_since: None,
            on_stored: Vec::new(),
            models: Models::default(),
            outgoing: Arc::new(|| ()),
            stop,
            heartbeat: Heartbeat::default(),
            last_written: None,
            last_report: since_boot,
            last_housekeeping: since_boot,
        }
    }

    /// Builds the state. A keeper that knows the time already goes on; else a new one sees whether it can be known.
    fn restore(&mut self, keeper: Option<Timekeeper>) -> Result<(), StoreError> {
        let length = self.settings.length;
        self.state = self.store.restore(
            |names, checkpoint| State::from_checkpoint(checkpoint, names, length),
            |names, state, group| state.apply(names, group),
        )?;
        self.last_written = self.state.clock.newest;
        self.keeper = keeper
            .filter(|keeper| !keeper.is_provisional())
            .unwrap_or_else(|| timing::new_keeper(&self.clock, &self.settings.clock, &self.state.clock));
        self.load_models()?;
        if !self.keeper.is_provisional() {
            self.keep_time()?;
        }
        self.mind_clock()?;
        if self.holding {
            tracing::warn!(
                "the clock is not trusted yet: events are stored, and counted when the time of day is known"
            );
        }
        Ok(())
    }

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
    pub fn run(&mut self, queue: &Receiver<Input>) -> Result<(), StoreError> {
        loop {
            let wait = self.wait();
            self.heartbeat.beat_again_within(wait);
            let input = queue.recv_timeout(wait);
            self.heartbeat.beat();
            match input {
                Ok(Input::Shutdown) | Err(RecvTimeoutError::Disconnected) => return self.end_work(),
                Ok(input) => self.take(input)?,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.tick()?;
        }
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
    fn take_batch(&mut self, mut batch: EventBatch) -> Result<(), StoreError> {
        let (boot, since_boot) = self.mind_clock()?;
        if self.holding {
            self.hold_batch(&batch, boot)?;
        } else {
            self.count_batch(&batch, boot, since_boot)?;
        }
        let counts = self.group.counts();
        counts.add(Counter::UnknownLines, batch.unknown_lines);
        batch.losses.iter().for_each(|(reason, count)| counts.add(Counter::Lost(*reason), *count));
        batch.cursors.drain(..).for_each(|cursor| self.group.reach(cursor));
        self.on_stored.extend(batch.on_stored.take());
        self.group_since.get_or_insert(since_boot);
        Ok(())
    }

    fn count_batch(
        &mut self,
        batch: &EventBatch,
        boot: BootMillis,
        since_boot: Duration,
    ) -> Result<(), StoreError> {
        let arrival = Moment { now: self.state.closed.first_open(self.keeper.at(boot)), since_boot };
        let mut taken = 0;
        for event in batch.events() {
            let mut at = self.keeper.date(event.at, batch.dated_by, boot);
            if batch.dated_by == DatedBy::Machine {
                at = self.state.closed.first_open(at);
            }
            let counted = counting::count(
                &Event { at, ..event },
                arrival,
                &self.settings.counting,
                &mut self.state,
                &mut self.store,
                self.group.counts(),
            )?;
            if let Some(event) = counted {
                self.group.push(event);
                taken += 1;
            }
        }
        self.group.counts().add(Counter::Events, taken);
        Ok(())
    }

    /// Does what is due by now.
    ///
    /// # Errors
    /// When the database is damaged, or fails while the process ends.
    pub fn tick(&mut self) -> Result<(), StoreError> {
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

    /// How long to wait before a commit that failed that often is tried again; none once the process shall end.
    pub(super) fn retry_wait(&self, failures: usize) -> Option<Duration> {
        let wait = RETRY_WAITS.get(failures).or(RETRY_WAITS.last()).copied();
        wait.filter(|_| !self.stop.load(Ordering::Relaxed))
    }
}

fn log_found(path: &std::path::Path, found: &Found) {
    let path = path.display();
    match found {
        Found::Database => tracing::debug!(%path, "the database is sound"),
        Found::Nothing => tracing::info!(%path, "there was no database: a new stream begins"),
        Found::Damaged { aside, what } => tracing::error!(
            %path,
            aside = %aside.display(),
            "the database is damaged ({what}) and was set aside; a new stream begins, and frames that were not yet \
             sent are lost"
        ),
    }
}
