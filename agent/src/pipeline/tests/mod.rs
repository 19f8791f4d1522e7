//! The engine on a real file, with clocks the tests set.

mod clock;
mod clock_model;
mod counting;
mod crowds;
mod damage;
mod durability;
mod ends;
mod keys;
mod models;
mod outbox;
mod replay;
mod rollout;
mod storage;
mod trials;

use std::cell::Cell;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use cabinwatch_shared::event::{Event, State as EventState};
use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::time::UnixMillis;
use cabinwatch_shared::window::WindowLength;
use cabinwatch_shared::wire::{Frame, FrameHead, FrameSeq};
use tempfile::TempDir;

use super::clock::Clock;
use super::{Engine, Input, OfferedModel, Settings};
use crate::config::Config;
use crate::sources::EventBatch;
use crate::store::lock::tests::patiently;
use crate::store::{BootId, Counter, Reader, StoreError};

/// A start of a window, and where the tests' wall clock stands at first.
pub(crate) const T0: i64 = 1_795_248_600;

/// A bundle from somewhere that needs no word of what became of it.
pub(crate) fn offering(bundle: Vec<u8>) -> Input {
    Input::ModelOffered(OfferedModel { bundle, on_decided: Box::new(|| {}) })
}

pub(crate) const FAIL: EventState = EventState::Fail;
pub(crate) const SUCCESS: EventState = EventState::Success;

/// What a machine's clocks show, in milliseconds.
#[derive(Clone, Copy)]
struct Dials {
    wall: i64,
    since_boot: u64,
    /// How often it was booted.
    boots: u128,
    /// When the wall clock was synchronised last, as it showed it.
    mark: Option<i64>,
}

/// A machine's clocks.
#[derive(Clone)]
pub(crate) struct TestClock(Rc<Cell<Dials>>);

impl Clock for TestClock {
    fn wall(&self) -> UnixMillis {
        UnixMillis(self.0.get().wall)
    }

    fn since_boot(&self) -> Duration {
        Duration::from_millis(self.0.get().since_boot)
    }

    fn boot(&self) -> Option<BootId> {
        Some(BootId(self.0.get().boots))
    }

    fn touched(&self, _: &Path) -> Option<UnixMillis> {
        self.0.get().mark.map(UnixMillis)
    }
}

impl TestClock {
    fn turn(&self, change: impl FnOnce(&mut Dials)) {
        let mut dials = self.0.get();
        change(&mut dials);
        self.0.set(dials);
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.turn(|dials| {
            dials.wall += seconds * 1000;
            dials.since_boot += seconds.unsigned_abs() * 1000;
        });
    }

    pub(crate) fn set_wall(&self, seconds: i64) {
        self.turn(|dials| dials.wall = seconds * 1000);
    }

    /// A time service sets the wall clock, and says so.
    pub(crate) fn synchronise(&self, seconds: i64) {
        self.turn(|dials| {
            dials.wall = seconds * 1000;
            dials.mark = Some(dials.wall);
        });
    }

    /// The power comes back: the boot clock begins anew, the mark is gone, the wall clock shows what it shows.
    pub(crate) fn boot_showing(&self, seconds: i64) {
        self.turn(|dials| {
            *dials = Dials { wall: seconds * 1000, since_boot: 2_000, boots: dials.boots + 1, mark: None };
        });
    }
}

/// An agent without sources and link.
pub(crate) struct Agent {
    pub(crate) folder: TempDir,
    pub(crate) clock: TestClock,
    pub(crate) settings: Settings,
    pub(crate) stop: Arc<AtomicBool>,
    engine: Option<Engine<TestClock>>,
}

impl Agent {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| ())
    }

    pub(crate) fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let config = Config { tail: "TC-JJA".to_owned(), ..Config::default() };
        let mut settings = Settings::from_config(&config).expect("valid");
        settings.reserve_bytes = 0;
        change(&mut settings);
        let mut agent = Self {
            folder: TempDir::new().expect("a folder"),
            clock: TestClock(Rc::new(Cell::new(Dials {
                wall: T0 * 1000,
                since_boot: 0,
                boots: 1,
                mark: None,
            }))),
            settings,
            stop: Arc::default(),
            engine: None,
        };
        agent.restart();
        agent
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("agent.db")
    }

    pub(crate) fn engine(&mut self) -> &mut Engine<TestClock> {
        self.engine.as_mut().expect("it runs")
    }

    pub(crate) fn stop(&mut self) {
        self.engine = None;
    }

    /// What the daemon does when it finds its database damaged.
    pub(crate) fn start_anew(&mut self) {
        let mut engine = self.engine.take().expect("it runs");
        engine.queue = Some(Rc::new(std::sync::mpsc::sync_channel(1).1));
        self.engine = Some(engine.start_anew("it is damaged".to_owned()).expect("made anew"));
    }

    /// Stops it, with everything in the one file and nothing beside it that could mend it.
    pub(crate) fn stop_folded(&mut self) {
        self.engine().store.fold_log();
        self.stop();
        std::fs::remove_file(self.folder.path().join("agent.db-wal")).expect("removed");
    }

    /// Ends the process without a word, as far as one process can: what was not committed is gone.
    pub(crate) fn restart(&mut self) {
        self.try_restart().expect("opens");
    }

    pub(crate) fn try_restart(&mut self) -> Result<(), StoreError> {
        self.stop();
        let open =
            || Engine::open(self.path(), self.settings.clone(), self.clock.clone(), Arc::clone(&self.stop));
        self.engine = Some(patiently(open)?);
        Ok(())
    }

    pub(crate) fn take(&mut self, input: Input) {
        self.engine().take(input).expect("taken");
        self.tick();
    }

    pub(crate) fn tick(&mut self) {
        self.engine().tick().expect("done");
    }

    /// Hands over events at seconds after `T0`, in one batch.
    pub(crate) fn events(&mut self, events: &[(i64, &str, &str, EventState)]) {
        let mut batch = EventBatch::default();
        events.iter().for_each(|event| push(&mut batch, *event));
        self.take(Input::Batch(batch));
    }

    /// Lets the group's time run out.
    pub(crate) fn commit(&mut self) {
        self.engine().commit_group().expect("committed");
    }

    /// Lets the clocks run, a second at a time, as the engine's own timeouts would.
    pub(crate) fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.clock.advance(1);
            self.tick();
        }
    }

    pub(crate) fn counted(&mut self, counter: Counter) -> u64 {
        self.commit();
        self.engine().state.counts.get(counter)
    }

    /// The frames in the outbox.
    pub(crate) fn frames(&self) -> Vec<StoredBytes> {
        let reader = Reader::open(&self.path()).expect("a database");
        let frames = reader.frames(FrameSeq(0), usize::MAX).expect("readable");
        frames.into_iter().map(|(seq, bytes)| StoredBytes { seq, bytes }).collect()
    }

    /// The windows among the frames.
    pub(crate) fn windows(&self) -> Vec<WindowSeen> {
        let frames = self.frames();
        let windows = frames.iter().filter_map(|frame| match frame.decode() {
            Frame::Window(window) => Some(spelled_out(&window)),
            _ => None,
        });
        windows.collect()
    }
}

/// A window as a frame told it: its start after `T0`, successes by point, failures by key.
pub(crate) type WindowSeen = (i64, Vec<(String, u64)>, Vec<(String, u64)>);

pub(crate) struct StoredBytes {
    pub(crate) seq: FrameSeq,
    bytes: Vec<u8>,
}

impl StoredBytes {
    pub(crate) fn decode(&self) -> Frame<'_> {
        FrameHead { seq: self.seq, bytes: &self.bytes }.decode().expect("a frame")
    }
}

fn spelled_out(window: &cabinwatch_shared::wire::WindowFrame<'_>) -> WindowSeen {
    use cabinwatch_shared::wire::PointName;
    assert!(window.known.is_empty(), "these tests use no model");
    let points = window.points.iter().map(|row| match row.point {
        PointName::Spelled(point) => (point.to_owned(), row.success),
        PointName::Known(_) => panic!("these tests use no model"),
    });
    let keys = window.spelled.iter().map(|row| {
        let key = FaultKey { edr_point: row.edr_point, description: row.description };
        (key.to_string(), row.fail)
    });
    (window.start.0 - T0, points.collect(), keys.collect())
}

pub(crate) fn push(
    batch: &mut EventBatch,
    (at, edr_point, description, state): (i64, &str, &str, EventState),
) {
    batch.push(&Event { at: UnixMillis((T0 + at) * 1000), key: FaultKey { edr_point, description }, state });
}

pub(crate) fn length(seconds: u32) -> WindowLength {
    WindowLength::seconds(NonZeroU32::new(seconds).expect("not zero"))
}

pub(crate) fn owned(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
    pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}
