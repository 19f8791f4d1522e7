//! What all sources share: the way to the engine, and what happens when one fails.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use super::EventBatch;
use crate::link::Backoff;
use crate::pipeline::Input;
use crate::service::Heartbeat;

/// A batch is handed over when it holds this many events…
pub(super) const BATCH_EVENTS: usize = 512;
/// …or when its first one has waited this long.
pub(super) const LINGER: Duration = Duration::from_millis(5);
/// How soon a waiting source notices that the agent stops.
pub(super) const STOP_CHECK: Duration = Duration::from_millis(200);

/// How long a sender that never pauses may hold up a stop.
const LONGEST_EMPTYING: Duration = Duration::from_secs(1);

const SHORTEST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Why a source came to an end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The agent stops, or its engine is gone.
    #[error("the agent stops")]
    Stopped,
    /// Something the system refused; time may mend it.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Fault {
    /// For `map_err`.
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// The way to the engine.
#[derive(Clone)]
pub(super) struct Outlet {
    queue: SyncSender<Input>,
    stop: Arc<AtomicBool>,
    /// Set while the engine can't store what it takes, and has no memory left for what can wait.
    memory_full: Arc<AtomicBool>,
    heartbeat: Heartbeat,
}

impl Outlet {
    pub(super) fn new(queue: SyncSender<Input>, stop: Arc<AtomicBool>) -> Self {
        Self { queue, stop, memory_full: Arc::default(), heartbeat: Heartbeat::default() }
    }

    pub(super) fn heeding(self, memory_full: Arc<AtomicBool>) -> Self {
        Self { memory_full, ..self }
    }

    /// The same way for one more source, and that source's own sign of life.
    pub(super) fn for_another_source(&self) -> (Self, Heartbeat) {
        let heartbeat = Heartbeat::default();
        (Self { heartbeat: heartbeat.clone(), ..self.clone() }, heartbeat)
    }

    /// For sources that read from a file, which keeps what is not read yet: waits while the engine has no memory left.
    pub(super) fn wait_for_memory(&self) -> Result<(), Fault> {
        while self.memory_full.load(Ordering::Relaxed) {
            self.pause(STOP_CHECK)?;
        }
        self.check()
    }

    /// Waits for another thread, which has to answer for how long it takes.
    pub(super) fn wait_for_another<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.heartbeat.excuse();
        let result = wait();
        self.heartbeat.beat();
        result
    }

    /// Hands a batch over, leaving an empty one. Blocks while the queue is full: the source then reads nothing, and
    /// the kernel makes the sender wait.
    pub(super) fn send(&self, batch: &mut EventBatch) -> Result<(), Fault> {
        if batch.is_empty() {
            self.heartbeat.beat();
            return Ok(());
        }
        let batch = Input::Batch(std::mem::take(batch));
        self.wait_for_another(|| self.queue.send(batch).map_err(|_| Fault::Stopped))
    }

    /// Every source asks this time and again, and whoever asks is alive.
    pub(super) fn check(&self) -> Result<(), Fault> {
        self.heartbeat.beat();
        if self.stop.load(Ordering::Relaxed) { Err(Fault::Stopped) } else { Ok(()) }
    }

    /// Waits, unless the agent stops.
    pub(super) fn pause(&self, duration: Duration) -> Result<(), Fault> {
        let until = Instant::now() + duration;
        loop {
            self.check()?;
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(());
            }
            std::thread::sleep(rest.min(STOP_CHECK));
        }
    }

    /// Runs a source until it is done or the agent stops. A fault is told once, and tried again with growing pauses.
    pub(super) fn supervise(&self, name: &str, mut source: impl FnMut() -> Result<(), Fault>) {
        let mut backoff = Backoff::new(SHORTEST_RETRY, LONGEST_RETRY);
        let mut told = String::new();
        loop {
            let began = Instant::now();
            let fault = match source() {
                Ok(()) | Err(Fault::Stopped) => return,
                Err(fault) => fault.to_string(),
            };
            backoff.held(began.elapsed());
            if fault != told {
                tracing::warn!("{name}: {fault}; it will be tried again until it works");
                told = fault;
            }
            if self.pause(backoff.after_failure(u32::MAX)).is_err() {
                return;
            }
        }
    }
}

/// How a source that reads a socket leaves: with the socket, what lies in it would be gone, so it is emptied first.
pub(super) struct Leaving<'a> {
    outlet: &'a Outlet,
    since: Option<Instant>,
}

impl<'a> Leaving<'a> {
    pub(super) fn new(outlet: &'a Outlet) -> Self {
        Self { outlet, since: None }
    }

    /// Asked before the socket is read: what was sent before the agent was stopped lies in it by then.
    pub(super) fn look(&mut self) -> Result<(), Fault> {
        if let Err(stopped) = self.outlet.check() {
            let since = self.since.get_or_insert_with(Instant::now);
            if since.elapsed() > LONGEST_EMPTYING {
                return Err(stopped);
            }
        }
        Ok(())
    }

    /// Nothing lay in the socket, and nothing of it waits to be handed over.
    pub(super) fn found_empty(&self) -> Result<(), Fault> {
        if self.since.is_some() { Err(Fault::Stopped) } else { Ok(()) }
    }
}
