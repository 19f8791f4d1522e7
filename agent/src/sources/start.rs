//! One thread for each configured source.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::outlet::Outlet;
use super::producers::Producers;
use super::replay::{Replay, Speed};
use super::spool::SpoolSource;
use super::syslog::SyslogAddress;
use super::tail::Tail;
use super::{event_socket, log_lines::SharedInterpreter, replay, spool, syslog, tail};
use crate::config::Config;
use crate::pipeline::Input;
use crate::rules::{Hints, Interpreter, RuleError, RuleSet};
use crate::service::Watched;

/// Why the sources can't work with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No address, or one that others can reach.
    #[error(
        "setting `sources.syslog_udp`: `{0}` is not a loopback address with a port, such as 127.0.0.1:514"
    )]
    Udp(String),
    /// A speed that means nothing.
    #[error("setting `sources.replay.speed` of {}: expected 0 (as fast as it goes) or more, got {speed}", path.display())]
    Speed {
        /// What is replayed.
        path: PathBuf,
        /// The speed.
        speed: f64,
    },
    /// The rules can't be read.
    #[error(transparent)]
    Rules(#[from] RuleError),
    /// The system gives no thread.
    #[error("cannot start the thread of {name}: {source}")]
    Thread {
        /// The source.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The running sources.
#[derive(Debug)]
pub struct SourceThreads {
    threads: Vec<(String, JoinHandle<()>)>,
    watched: Vec<Watched>,
}

impl SourceThreads {
    /// Waits for all sources to end. `stop` must have been set, and the engine must go on taking inputs meanwhile, or
    /// be gone: a source may wait for room in the queue.
    pub fn join(self) {
        for (name, thread) in self.threads {
            if thread.join().is_err() {
                tracing::error!(
                    "{name} has failed; what it had not handed over is read again at the next start"
                );
            }
        }
    }

    /// The sign of life of each. It begins when the source listens, or has said why it can't.
    #[must_use]
    pub fn watched(&self) -> Vec<Watched> {
        self.watched.clone()
    }

    /// Whether all have ended by themselves: only replays do.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.threads.iter().all(|(_, thread)| thread.is_finished())
    }
}

/// What the threads share.
struct Starter {
    outlet: Outlet,
    interpreter: SharedInterpreter,
    producers: Arc<Mutex<Producers>>,
    cursors: HashMap<String, Vec<u8>>,
    max_line_bytes: usize,
    threads: Vec<(String, JoinHandle<()>)>,
    watched: Vec<Watched>,
}

/// Starts all sources. `cursors` is what the store holds; a full queue makes them wait, and `memory_full` those that
/// read from files.
///
/// # Errors
/// When the configuration can't work. What time may mend, a missing file or folder, is no error: the source tells it
/// once in the log and tries again.
pub fn start(
    config: &Config,
    cursors: HashMap<String, Vec<u8>>,
    queue: SyncSender<Input>,
    memory_full: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
) -> Result<SourceThreads, SourceError> {
    let sources = &config.sources;
    let syslog = syslog_addresses(&sources.syslog_sockets, &sources.syslog_udp)?;
    let speeds = sources.replay.iter().map(|replay| {
        Speed::from_config(replay.speed)
            .map(|speed| (replay.path.clone(), speed))
            .ok_or_else(|| SourceError::Speed { path: replay.path.clone(), speed: replay.speed })
    });
    let replays: Vec<_> = speeds.collect::<Result<_, _>>()?;
    let rules = Arc::new(RuleSet::load(&sources.rules)?);
    let mut starter = Starter {
        outlet: Outlet::new(queue, stop).heeding(memory_full),
        interpreter: Arc::new(Mutex::new(Interpreter::new(rules, Hints::default()))),
        producers: Arc::new(Mutex::new(Producers::restore(&cursors))),
        cursors,
        max_line_bytes: sources.max_line_bytes as usize,
        threads: Vec::new(),
        watched: Vec::new(),
    };
    if is_set(&sources.spool) {
        starter.spool(&sources.spool)?;
    }
    if is_set(&sources.event_socket) {
        starter.event_socket(&sources.event_socket)?;
    }
    syslog.into_iter().try_for_each(|address| starter.syslog(address))?;
    sources.tail.iter().try_for_each(|path| starter.tail(path))?;
    replays.into_iter().try_for_each(|(path, speed)| starter.replay(path, speed))?;
    Ok(SourceThreads { threads: starter.threads, watched: starter.watched })
}

fn is_set(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

fn syslog_addresses(sockets: &[PathBuf], udp: &[String]) -> Result<Vec<SyslogAddress>, SourceError> {
    let mut addresses: Vec<_> = sockets.iter().cloned().map(SyslogAddress::Unix).collect();
    for text in udp {
        let address = text.parse::<SocketAddr>().ok().filter(|address| address.ip().is_loopback());
        addresses.push(SyslogAddress::Udp(address.ok_or_else(|| SourceError::Udp(text.clone()))?));
    }
    Ok(addresses)
}

impl Starter {
    fn thread(
        &mut self,
        name: String,
        body: impl FnOnce(&str, &Outlet) + Send + 'static,
    ) -> Result<(), SourceError> {
        let (outlet, heartbeat) = self.outlet.for_another_source();
        self.watched.push(Watched { name: name.clone(), heartbeat: heartbeat.clone() });
        let inner = name.clone();
        let run = move || {
            body(&inner, &outlet);
            heartbeat.excuse();
        };
        let thread = std::thread::Builder::new().name("source".to_owned()).spawn(run);
        let thread = thread.map_err(|source| SourceError::Thread { name: name.clone(), source })?;
        self.threads.push((name, thread));
        Ok(())
    }

    fn event_socket(&mut self, path: &Path) -> Result<(), SourceError> {
        let (producers, max) = (Arc::clone(&self.producers), self.max_line_bytes);
        let path = path.to_owned();
        self.thread(format!("event socket {}", path.display()), move |name, outlet| {
            outlet.supervise(name, || event_socket::run(&path, max, &producers, outlet));
        })
    }

    fn spool(&mut self, folder: &Path) -> Result<(), SourceError> {
        let (producers, max) = (Arc::clone(&self.producers), self.max_line_bytes);
        let cursor = self.cursors.get(spool::CURSOR_NAME).cloned();
        let folder = folder.to_owned();
        self.thread(format!("spool {}", folder.display()), move |name, outlet| {
            let mut source = SpoolSource::new(&folder, max, &producers, outlet, cursor.as_ref());
            outlet.supervise(name, || source.run());
        })
    }

    fn syslog(&mut self, address: SyslogAddress) -> Result<(), SourceError> {
        let (interpreter, max) = (Arc::clone(&self.interpreter), self.max_line_bytes);
        self.thread(address.name(), move |name, outlet| {
            outlet.supervise(name, || syslog::run(&address, max, &interpreter, outlet));
        })
    }

    fn tail(&mut self, path: &Path) -> Result<(), SourceError> {
        let (interpreter, max) = (Arc::clone(&self.interpreter), self.max_line_bytes);
        let cursor = self.cursors.get(&tail::cursor_name(path)).cloned();
        let path = path.to_owned();
        self.thread(format!("tail {}", path.display()), move |name, outlet| {
            let mut source = Tail::new(&path, max, &interpreter, outlet, cursor.as_ref());
            outlet.supervise(name, || source.run());
        })
    }

    fn replay(&mut self, path: PathBuf, speed: Speed) -> Result<(), SourceError> {
        let max = self.max_line_bytes;
        let cursor = self.cursors.get(&replay::cursor_name(&path)).cloned();
        self.thread(format!("replay {}", path.display()), move |name, outlet| {
            let mut source = Replay::new(&path, speed, max, outlet, cursor.as_ref());
            outlet.supervise(name, || source.run());
        })
    }
}
