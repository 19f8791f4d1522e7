//! The link to the ground: the outbox goes up over MQTT, acknowledgements and models come down.
//!
//! One thread with a tokio runtime of its own. Each connection is a [`session`] with a new client; what the client of
//! a broken connection still held is not missed, because the outbox has it. What to send when is decided in
//! [`sender`], which knows neither network nor clock; nothing is deleted here, the engine does that when it learns
//! what the ground has committed.

mod alarms;
mod backoff;
mod broker;
mod error;
mod intake;
mod memory;
mod message;
mod poller;
mod sender;
mod session;
mod stats;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cabinwatch_shared::tail::{NotATail, Tail};
use cabinwatch_shared::wire::{AgentStatus, Committed, WireError};
use cabinwatch_tls::TlsError;
use tokio::sync::Notify;

use self::alarms::AlarmWatch;
pub(crate) use self::backoff::Backoff;
use self::intake::Intake;
use self::memory::TlsMemory;
use self::session::{EndReason, Session, SessionEnd};
pub use self::stats::{LinkSnapshot, LinkStats, Trouble};
use crate::config::{Config, LinkMode};
use crate::pipeline::{Input, Outgoing};
use crate::service::Heartbeat;
use crate::store::{Reader, StoreError};

/// Why the link can't work with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No address.
    #[error("setting `link.broker`: expected mqtt://host:port or mqtts://host:port, got `{0}`")]
    Broker(String),
    /// No registration.
    #[error("setting `tail`: {0}")]
    Tail(NotATail),
    /// The password can't be read.
    #[error("setting `link.password_file`: cannot read {}: {source}", path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Certificate or key can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A certificate that would never be shown.
    #[error("setting `link.client_certificate` needs TLS: `link.broker` must begin with mqtts://")]
    IdentityWithoutTls,
    /// The status payload does not encode.
    #[error("the link's status does not encode: {0}")]
    Status(WireError),
    /// The system gives no thread or no runtime.
    #[error("cannot start the link's thread: {0}")]
    Thread(std::io::Error),
}

/// The running link.
#[derive(Debug)]
pub struct LinkHandle {
    wake: Arc<Notify>,
    stats: Arc<LinkStats>,
    heartbeat: Heartbeat,
    thread: Option<JoinHandle<()>>,
}

impl LinkHandle {
    /// Tells the link that the outbox has new frames.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// The same, for whoever must not hold the handle.
    #[must_use]
    pub fn waker(&self) -> Outgoing {
        let wake = Arc::clone(&self.wake);
        Arc::new(move || wake.notify_one())
    }

    /// The link's counters.
    #[must_use]
    pub fn stats(&self) -> Arc<LinkStats> {
        Arc::clone(&self.stats)
    }

    /// The link's sign of life; a link that is down lives.
    #[must_use]
    pub fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// Waits until the link has said good-bye; `stop` must have been set. Takes two seconds at most.
    pub fn join(self) {
        self.wake.notify_one();
        if self.thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the link's thread has failed; frames stay in the outbox");
        }
    }
}

/// What all sessions share.
struct Link {
    config: Config,
    tail: Tail,
    database: PathBuf,
    intake: Intake,
    wake: Arc<Notify>,
    stats: Arc<LinkStats>,
    stop: Arc<AtomicBool>,
    heartbeat: Heartbeat,
    tls: TlsMemory,
    alarms: AlarmWatch,
    /// What the ground had stored at the end of the last scheduled contact, if that was all there was.
    settled: Option<Committed>,
    /// What the ground was told of us last, but for the numbers that always change.
    said: Option<AgentStatus>,
}

/// Starts the link, or none if the configuration names no broker.
///
/// # Errors
/// When the configuration can't work: what only time may mend, a broker that is down, is no error.
pub fn start(
    config: &Config,
    database: PathBuf,
    queue: SyncSender<Input>,
    stop: Arc<AtomicBool>,
) -> Result<LinkHandle, LinkError> {
    let (wake, stats, heartbeat) =
        (Arc::new(Notify::new()), Arc::new(LinkStats::default()), Heartbeat::default());
    let mut handle = LinkHandle {
        wake: Arc::clone(&wake),
        stats: Arc::clone(&stats),
        heartbeat: heartbeat.clone(),
        thread: None,
    };
    if config.link.broker.is_empty() {
        tracing::info!("no `link.broker` is set: frames stay in the outbox");
        heartbeat.excuse();
        return Ok(handle);
    }
    let tail: Tail = config.tail.parse().map_err(LinkError::Tail)?;
    let mut tls = TlsMemory::default();
    broker::mqtt_options(config, &tail, &mut tls)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(1)
        .build()
        .map_err(LinkError::Thread)?;
    let intake = Intake::new(queue);
    let alarms = AlarmWatch::new(config.link.every_seconds);
    let config = config.clone();
    let (settled, said) = (None, None);
    let mut link =
        Link { config, tail, database, intake, wake, stats, stop, heartbeat, tls, alarms, settled, said };
    let body = move || {
        runtime.block_on(link.run());
        link.heartbeat.excuse();
    };
    let thread = std::thread::Builder::new().name("link".to_owned()).spawn(body);
    handle.thread = Some(thread.map_err(LinkError::Thread)?);
    Ok(handle)
}

impl Link {
    async fn run(&mut self) {
        let settings = &self.config.link;
        let mut backoff = Backoff::new(
            Duration::from_millis(settings.backoff_min_millis),
            Duration::from_millis(settings.backoff_max_millis),
        );
        let mut last_problem = String::new();
        while !self.stopped() {
            self.stats.tries();
            // What goes down now is no news later.
            self.has_new_alarm();
            let end = Session::run(self).await;
            self.stats.disconnected();
            let SessionEnd { held, reason } = end;
            if let Some(held) = held {
                backoff.held(held);
                last_problem.clear();
            }
            self.settled = self.settled.filter(|_| matches!(reason, EndReason::Done));
            let error = match reason {
                EndReason::Stopped => return,
                EndReason::Done => {
                    backoff.reset();
                    self.stay_away().await;
                    continue;
                }
                EndReason::Failed(error) => error,
            };
            let problem = error.explained(&self.config.link);
            let random = getrandom::u32().unwrap_or(u32::MAX / 2);
            let pause = backoff.after_failure(random);
            self.stats.failed(&problem, pause);
            if problem != last_problem {
                tracing::warn!("the link is down: {problem}; it will be tried again until it works");
                last_problem = problem;
            }
            self.pause(pause).await;
        }
    }

    /// Waits for the next scheduled contact, or for something the ground should hear sooner.
    async fn stay_away(&mut self) {
        let settings = &self.config.link;
        let (wakes, until) =
            (settings.wake_on_alarm, Instant::now() + Duration::from_secs(settings.every_seconds.into()));
        tracing::debug!(seconds = settings.every_seconds, "the link is down as planned");
        self.stats.next_contact_in(settings.every_seconds);
        while !self.stopped() && Instant::now() < until {
            self.intake.hand_over();
            let tick = session::TICK.min(until - Instant::now());
            tokio::select! {
                () = self.wake.notified() => {
                    if self.has_new_alarm() && wakes {
                        tracing::info!("a new fault alarms: connecting ahead of the schedule");
                        return;
                    }
                }
                () = tokio::time::sleep(tick) => {}
            }
        }
    }

    /// Whether the outbox has frames not looked at yet that hold a new alarm.
    fn has_new_alarm(&mut self) -> bool {
        if self.config.link.mode == LinkMode::Kept {
            return false;
        }
        let looked = self.look_for_alarms();
        looked.unwrap_or_else(|error| {
            tracing::warn!("cannot look for alarms in the outbox: {error}");
            false
        })
    }

    fn look_for_alarms(&mut self) -> Result<bool, StoreError> {
        const AT_ONCE: usize = 64 << 10;
        let outbox = Reader::open(&self.database)?;
        if outbox.bounds()?.newest.next() < self.alarms.next() {
            self.alarms.start_over();
        }
        let mut news = false;
        loop {
            let frames = outbox.frames(self.alarms.next(), AT_ONCE)?;
            if frames.is_empty() {
                return Ok(news);
            }
            news |= self.alarms.look(&frames);
        }
    }

    /// Every loop of the link asks this, and whoever asks is alive.
    fn stopped(&self) -> bool {
        self.heartbeat.beat();
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits, but not longer than the agent runs.
    async fn pause(&mut self, duration: Duration) {
        let until = Instant::now() + duration;
        while !self.stopped() && Instant::now() < until {
            self.intake.hand_over();
            let tick = session::TICK.min(until - Instant::now());
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(tick) => {}
            }
        }
    }
}
