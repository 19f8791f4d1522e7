//! The service: connections to the broker, one after the other, and the group in hand.

use std::mem;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{Committed, Topic, topics};
use rumqttc::{ClientError, QoS};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep_until};

use super::archive::{Archive, ArchiveError};
use super::backoff::Backoff;
use super::intake::{Intake, IntakeError, Message, MessageKind};
use super::summary::Summary;
use crate::broker::{self, BrokerError, Connection, Delivery, LinkEvent};
use crate::config::Config;
use crate::tables::Tables;

/// Between attempts to connect.
const CONNECT_BACKOFF: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(60));
/// Between attempts to store.
const STORE_BACKOFF: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));
/// How often an idle service looks whether something can be made up for.
const IDLE: Duration = Duration::from_secs(10);

/// Why ingest can't run. What may pass by itself (a broker or a database that is away) is waited for instead.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The broker's configuration.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The archive's URL.
    #[error("ingest.archive: {0}; expected file:///dir, or nothing for no archive")]
    ArchiveUrl(String),
    /// The archive's folder.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The tables, at start.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// A mistake in the program.
    #[error("storing broke off: {0}")]
    Broken(#[from] JoinError),
}

/// Runs until `stop` says so (or its sender is gone), then finishes the group in hand and disconnects. `progress`
/// always holds the latest numbers.
///
/// # Errors
/// When the configuration can't work, or the tables can't be read at start.
pub async fn run(
    config: &Config,
    tables: Box<dyn Tables>,
    mut stop: watch::Receiver<bool>,
    progress: &watch::Sender<Summary>,
) -> Result<Summary, IngestError> {
    let archive = archive_dir(&config.ingest.archive)?.map(|dir| Archive::open(&dir)).transpose()?;
    let group = usize::try_from(config.ingest.group_messages.max(1)).unwrap_or(usize::MAX);
    // As many again as are being stored, so that the next group is there when this one is done.
    let in_flight = u16::try_from(group.saturating_mul(2)).unwrap_or(u16::MAX);
    let intake = Intake::open(tables, archive)?;
    let mut service = Service {
        group,
        worker: Worker::new(intake),
        waiting: Vec::new(),
        summary: Summary::default(),
        progress,
    };
    let mut backoff = CONNECT_BACKOFF;
    while !stopping(&stop) {
        let options = broker::consumer(&config.broker, &config.ingest.client_id, in_flight)?;
        let mut connection = Connection::open(options);
        match service.serve(&mut connection, &mut stop, &mut backoff).await? {
            End::Stopped => {
                connection.close().await;
                break;
            }
            End::Lost(reason) => {
                let wait = backoff.next();
                tracing::warn!(reason, wait_ms = wait.as_millis(), "no connection to the broker");
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    _ = stop.wait_for(|stop| *stop) => {}
                }
            }
        }
    }
    service.report();
    Ok(*progress.borrow())
}

fn stopping(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}

fn archive_dir(url: &str) -> Result<Option<PathBuf>, IngestError> {
    if url.is_empty() {
        return Ok(None);
    }
    let parsed = url::Url::parse(url).map_err(|error| IngestError::ArchiveUrl(error.to_string()))?;
    match parsed.to_file_path() {
        Ok(path) if parsed.scheme() == "file" => Ok(Some(path)),
        _ => Err(IngestError::ArchiveUrl("it names no folder on this machine".to_owned())),
    }
}

fn now() -> UnixSeconds {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixSeconds(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX))
}

/// How a connection ended.
enum End {
    Stopped,
    Lost(String),
}

struct Service<'p> {
    /// Most messages in a group.
    group: usize,
    worker: Worker,
    /// Messages that wait for the group in hand.
    waiting: Vec<Delivery>,
    /// What is counted here; the intake counts the rest.
    summary: Summary,
    progress: &'p watch::Sender<Summary>,
}

impl Service<'_> {
    /// Serves one connection until it is lost or it is time to stop.
    async fn serve(
        &mut self,
        connection: &mut Connection,
        stop: &mut watch::Receiver<bool>,
        backoff: &mut Backoff,
    ) -> Result<End, IngestError> {
        // What came over an earlier connection can't be acknowledged on this one; the broker sends it again.
        self.waiting.clear();
        loop {
            if stopping(stop) && !self.worker.is_busy() {
                return Ok(End::Stopped);
            }
            if self.worker.is_free() && !self.waiting.is_empty() && !stopping(stop) {
                let rest = self.waiting.split_off(self.group.min(self.waiting.len()));
                self.worker.start(mem::replace(&mut self.waiting, rest))?;
            }
            let sent = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop), if !stopping(stop) => Ok(()),
                done = self.worker.done() => self.stored(connection, done?).await,
                event = connection.next() => match event {
                    LinkEvent::Connected { session_present } => {
                        tracing::info!(session_present, "connected to the broker");
                        self.summary.connections += 1;
                        connection.subscribe(&[topics::ALL_FRAMES, topics::ALL_STATUS]).await
                    }
                    LinkEvent::Subscribed => {
                        backoff.reset();
                        self.greet(connection).await
                    }
                    LinkEvent::Message(delivery) => self.receive(connection, delivery).await,
                    LinkEvent::Ended(reason) => return self.lost(reason).await,
                },
            };
            if let Err(error) = sent {
                return self.lost(error.to_string()).await;
            }
        }
    }

    /// The connection is gone: the group in hand is still stored, and its messages come again as duplicates.
    async fn lost(&mut self, reason: String) -> Result<End, IngestError> {
        while self.worker.is_busy() {
            self.worker.done().await?;
            self.worker.abandon();
        }
        self.worker.abandon();
        self.waiting.clear();
        self.report();
        Ok(End::Lost(reason))
    }

    async fn receive(&mut self, connection: &Connection, delivery: Delivery) -> Result<(), ClientError> {
        // QoS 0 is outside the receive maximum, so nothing else bounds it.
        let overflow = delivery.qos == QoS::AtMostOnce && self.waiting.len() > 2 * self.group;
        if overflow || message(&delivery).is_none() {
            self.summary.ignored += 1;
            return connection.acknowledge(&delivery).await;
        }
        self.waiting.push(delivery);
        Ok(())
    }

    /// Tells every aircraft how far the ground is: the word may have been lost with the process or broker before.
    async fn greet(&mut self, connection: &Connection) -> Result<(), ClientError> {
        match self.worker.idle().map(Intake::committed) {
            Some(Ok(committed)) => acknowledge(connection, committed).await,
            Some(Err(error)) => {
                tracing::error!(%error, "cannot read how far the streams are");
                Ok(())
            }
            // A new connection finds the worker idle.
            None => Ok(()),
        }
    }

    async fn stored(&mut self, connection: &Connection, done: Done) -> Result<(), ClientError> {
        if let Done::Stored { deliveries, committed } = done {
            self.report();
            for delivery in &deliveries {
                connection.acknowledge(delivery).await?;
            }
            acknowledge(connection, committed).await?;
        }
        Ok(())
    }

    fn report(&mut self) {
        if let Some(intake) = self.worker.idle() {
            let mut summary = intake.summary();
            summary.add(&self.summary);
            summary.retries += self.worker.retries;
            self.progress.send_replace(summary);
        }
    }
}

async fn acknowledge(connection: &Connection, committed: Vec<(Tail, Committed)>) -> Result<(), ClientError> {
    for (tail, committed) in committed {
        let mut payload = Vec::new();
        if let Err(error) = committed.write(&mut payload) {
            tracing::error!(%tail, %error, "cannot write an acknowledgement");
            continue;
        }
        connection.publish_retained(Topic::Ack(&tail).to_string(), payload).await?;
    }
    Ok(())
}

fn message(delivery: &Delivery) -> Option<Message<'_>> {
    let topic = std::str::from_utf8(&delivery.topic).ok()?;
    let (tail, rest) = topics::parse(topic)?;
    let kind = match rest {
        "up/frames" => MessageKind::Frames,
        "up/status" => MessageKind::Status { retained: delivery.retain },
        _ => return None,
    };
    Some(Message { tail, kind, payload: &delivery.payload })
}

/// Stores groups, one at a time, on a thread that may block.
struct Worker {
    state: State,
    backoff: Backoff,
    retries: u64,
}

enum State {
    /// Nothing in hand.
    Idle { intake: Intake, since: Instant },
    /// A group is being stored.
    Storing(JoinHandle<(Intake, Vec<Delivery>, Result<Vec<(Tail, Committed)>, IntakeError>)>),
    /// A group that could not be stored waits for the next attempt.
    Waiting { intake: Intake, deliveries: Vec<Delivery>, until: Instant },
    /// Between two of the others, and after a panic.
    Gone,
}

/// What came of the worker's turn.
enum Done {
    /// A group is stored.
    Stored { deliveries: Vec<Delivery>, committed: Vec<(Tail, Committed)> },
    /// It goes on.
    Again,
}

impl Worker {
    fn new(intake: Intake) -> Self {
        Self { state: State::Idle { intake, since: Instant::now() }, backoff: STORE_BACKOFF, retries: 0 }
    }

    const fn is_busy(&self) -> bool {
        matches!(self.state, State::Storing(_))
    }

    const fn is_free(&self) -> bool {
        matches!(self.state, State::Idle { .. })
    }

    const fn idle(&self) -> Option<&Intake> {
        match &self.state {
            State::Idle { intake, .. } | State::Waiting { intake, .. } => Some(intake),
            State::Storing(_) | State::Gone => None,
        }
    }

    fn start(&mut self, deliveries: Vec<Delivery>) -> Result<(), IngestError> {
        self.state = match mem::replace(&mut self.state, State::Gone) {
            State::Idle { intake, .. } | State::Waiting { intake, .. } => {
                State::Storing(tokio::task::spawn_blocking(move || store(intake, deliveries)))
            }
            other => other,
        };
        Ok(())
    }

    /// Gives up a group that waits for its next attempt: the broker still has it.
    fn abandon(&mut self) {
        self.state = match mem::replace(&mut self.state, State::Gone) {
            State::Waiting { intake, .. } => State::Idle { intake, since: Instant::now() },
            other => other,
        };
    }

    /// Waits for whatever is next: a group that is stored, the next attempt, or a look after what waits for a
    /// model. Safe to drop and call again.
    async fn done(&mut self) -> Result<Done, IngestError> {
        match &mut self.state {
            State::Storing(task) => {
                let (intake, deliveries, result) = task.await?;
                Ok(self.finished(intake, deliveries, result))
            }
            State::Waiting { until, deliveries, .. } => {
                sleep_until(*until).await;
                let deliveries = mem::take(deliveries);
                self.retries += 1;
                self.start(deliveries)?;
                Ok(Done::Again)
            }
            State::Idle { since, .. } => {
                sleep_until(*since + IDLE).await;
                self.start(Vec::new())?;
                Ok(Done::Again)
            }
            State::Gone => std::future::pending().await,
        }
    }

    fn finished(
        &mut self,
        intake: Intake,
        deliveries: Vec<Delivery>,
        result: Result<Vec<(Tail, Committed)>, IntakeError>,
    ) -> Done {
        match result {
            Ok(committed) => {
                self.backoff.reset();
                self.state = State::Idle { intake, since: Instant::now() };
                Done::Stored { deliveries, committed }
            }
            Err(error) => {
                let wait = self.backoff.next();
                tracing::error!(%error, wait_ms = wait.as_millis(), "cannot store; nothing is acknowledged until it works");
                self.state = State::Waiting { intake, deliveries, until: Instant::now() + wait };
                Done::Again
            }
        }
    }
}

fn store(
    mut intake: Intake,
    deliveries: Vec<Delivery>,
) -> (Intake, Vec<Delivery>, Result<Vec<(Tail, Committed)>, IntakeError>) {
    let messages: Vec<_> = deliveries.iter().filter_map(message).collect();
    let mut result = Ok(Vec::new());
    if !messages.is_empty() {
        result = intake.store(&messages, now());
    }
    let result = result.and_then(|committed| intake.recover(now()).map(|()| committed));
    (intake, deliveries, result)
}
