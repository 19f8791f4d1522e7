//! How an engine comes to its database: at a start, and when a database turns out damaged while the engine works.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cabinwatch_shared::wire::ClockTrust;

use super::clock::Clock;
use super::engine::Engine;
use super::offers::Models;
use super::outage::Outage;
use super::settings::Settings;
use super::state::State;
use super::timekeeping::Timekeeper;
use super::timing;
use crate::service::Heartbeat;
use crate::store::{Change, ClockRecord, Found, Founded, GroupWriter, KeyEntry, Replaced, Store, StoreError};

/// What an engine knows besides its database.
struct Memory {
    state: State,
    stranded: Option<Change>,
    on_stored: Vec<Box<dyn FnOnce() + Send>>,
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

    /// Goes on with a new database after the old one turned out damaged, which is set aside. What is in memory goes over
    /// into the new one: windows that are open, how far the sources have been read, and all counts. What only the old
    /// one held is lost: frames that were not sent, and history.
    ///
    /// # Errors
    /// When that is not possible either.
    pub fn start_anew(mut self, what: String) -> Result<Self, StoreError> {
        // The state takes note of what the group says besides its events, which are counted already.
        self.begin_change();
        // Before it works, it knows nothing that no source has still.
        let works = self.queue.is_some() && !self.holding;
        let memory =
            works.then(|| Memory { state: self.state, stranded: self.stranded, on_stored: self.on_stored });
        let founded = Founded { announced: false, ..timing::founded(&self.clock, &self.settings.clock) };
        let Replaced { store, found, keys } = self.store.replace(what, founded)?;
        let mut engine = Self::with_store(self.path, self.settings, self.clock, self.stop, (store, found));
        engine.outgoing = self.outgoing;
        engine.boot = self.boot;
        engine.heartbeat = self.heartbeat;
        engine.outage = self.outage;
        engine.leaving = self.leaving;
        engine.queue = self.queue;
        engine.restore(Some(self.keeper))?;
        if let Some(memory) = memory.filter(|_| !engine.holding) {
            engine.take_over(memory, keys)?;
        }
        Ok(engine)
    }

    fn take_over(&mut self, memory: Memory, keys: Vec<KeyEntry>) -> Result<(), StoreError> {
        let Memory { state, stranded, on_stored } = memory;
        let fresh = std::mem::replace(&mut self.state, state);
        self.state.counts.merge(&fresh.counts);
        self.state.provisional = None;
        self.store.adopt_keys(keys);
        let mut change = self.begin_change();
        change.keys = self.store.take_unwritten_keys();
        if let Some(stranded) = stranded {
            change.frames = stranded.frames;
            change.windows = stranded.windows;
        }
        self.on_stored = on_stored;
        self.write_checkpoint(change)
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
            queue: None,
            outage: Outage::default(),
            committed: None,
            leaving: false,
            setting_clock: false,
            stranded: None,
            damage: None,
            last_report: since_boot,
            last_housekeeping: since_boot,
        }
    }

    /// Builds the state. A keeper that knows the time already goes on; else a new one sees whether it can be known.
    fn restore(&mut self, keeper: Option<Timekeeper>) -> Result<(), StoreError> {
        let length = self.settings.length;
        self.store.keep_free(self.settings.reserve_bytes);
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
