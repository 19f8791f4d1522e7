//! `run`: the daemon.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::{CommandError, settings};
use crate::config::Config;
use crate::pipeline::clock::SystemClock;
use crate::pipeline::{Engine, Input, QUEUE_CAPACITY};
use crate::service::{Attendant, LiveFile, Notifier, Watched};
use crate::sources::{self, SourceThreads};
use crate::store::StoreError;
use crate::{link, pipeline};

/// Runs until SIGTERM or SIGINT: then the sources stop, what they have handed over is committed, and the link says
/// good-bye. Windows that are open stay open for the next start.
///
/// # Errors
/// When the database, a source or the link can't start, or the database fails for good.
pub fn run(config: &Config, notifier: &Notifier) -> Result<(), CommandError> {
    let stop = Arc::new(AtomicBool::new(false));
    let path = config.store.path.clone();
    let engine = Engine::open(path.clone(), settings(config)?, SystemClock, Arc::clone(&stop));
    let mut engine = engine.map_err(|source| CommandError::store(&path, source))?;
    let (queue, inputs) = sync_channel(QUEUE_CAPACITY);
    let inputs = Rc::new(inputs);
    let link = link::start(config, path.clone(), queue.clone(), Arc::clone(&stop))?;
    engine.call_on_frames(link.waker());
    engine = begin(engine).map_err(|source| CommandError::store(&path, source))?;
    let sources =
        sources::start(config, engine.cursors(), queue.clone(), engine.memory_full(), Arc::clone(&stop));
    let sources = match sources {
        Ok(sources) => sources,
        Err(error) => {
            stop.store(true, Ordering::Relaxed);
            engine.end_work().map_err(|source| CommandError::store(&path, source))?;
            return Err(error.into());
        }
    };
    let mut watched = sources.watched();
    watched.push(Watched { name: "engine".to_owned(), heartbeat: engine.heartbeat() });
    watched.push(Watched { name: "link".to_owned(), heartbeat: link.heartbeat() });
    let live = LiveFile::new(config, link.stats(), engine.unwritable_since());
    let attendant = Attendant::start(notifier.clone(), watched, live).map_err(CommandError::Attendant)?;
    let signals =
        stop_on_signal(queue, sources, Arc::clone(&stop), notifier.clone()).map_err(CommandError::Signals)?;
    tracing::info!(tail = config.tail, "the agent runs");
    let result = work(engine, &inputs);
    // The sources may wait at the full queue; without a receiver they end.
    drop(inputs);
    stop.store(true, Ordering::Relaxed);
    signals.close();
    link.join();
    drop(attendant);
    tracing::info!("the agent has stopped");
    result.map_err(|source| CommandError::store(&path, source))
}

/// From here on, an end without a word is an unclean one. Also the first commit may find the database damaged.
fn begin(mut engine: pipeline::Engine<SystemClock>) -> Result<pipeline::Engine<SystemClock>, StoreError> {
    if let Err(error) = engine.begin_work() {
        let StoreError::Corrupt(what) = error else { return Err(error) };
        engine = engine.start_anew(what)?;
        engine.begin_work()?;
    }
    Ok(engine)
}

/// Lets the engine work. A database that turns out damaged on the way is set aside like one that was at the start.
fn work(mut engine: pipeline::Engine<SystemClock>, inputs: &Rc<Receiver<Input>>) -> Result<(), StoreError> {
    loop {
        match engine.run(inputs) {
            Err(StoreError::Corrupt(what)) => engine = engine.start_anew(what)?,
            other => return other,
        }
    }
}

/// Waits for a signal on a thread of its own: the sources stop first, so that all they have read comes before the
/// engine's last input.
fn stop_on_signal(
    queue: SyncSender<Input>,
    sources: SourceThreads,
    stop: Arc<AtomicBool>,
    notifier: Notifier,
) -> std::io::Result<Handle> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let handle = signals.handle();
    let wait = move || {
        if signals.forever().next().is_some() {
            tracing::info!("asked to stop");
            notifier.stopping();
        }
        stop.store(true, Ordering::Relaxed);
        sources.join();
        // An engine that is gone already needs no word.
        let _ = queue.send(Input::Shutdown);
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait)?;
    Ok(handle)
}
