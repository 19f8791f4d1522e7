//! The service: connections to the broker, one after the other, and the group in hand.

use std::mem;
use std::time::Duration;

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::wire::{Committed, Topic};
use rumqttc::{ClientError, QoS};
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::Instant;

use super::archive::{Archive, ArchiveError};
use super::backoff::Backoff;
use super::intake::{Intake, IntakeError};
use super::membership::Membership;
use super::monitor::Monitor;
use super::summary::Summary;
use super::waiting::{ALWAYS_FIT, Waiting};
use super::worker::{Done, Work, Worker, message};
use crate::broker::{self, BrokerError, Connection, Consumer, Delivery, Ending, LinkEvent};
use crate::config::Config;
use crate::tables::Tables;

/// Between attempts to connect.
const CONNECT_BACKOFF: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(60));

/// Why ingest can't run. What may pass by itself (a broker or a database that is away) is waited for instead.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The broker's configuration.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The archive's URL.
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
    stop: watch::Receiver<bool>,
    progress: &watch::Sender<Summary>,
) -> Result<Summary, IngestError> {
    run_watched(config, tables, stop, progress, &Monitor::default()).await
}

/// The same, and tells `monitor` all the while where it stands.
///
/// # Errors
/// When the configuration can't work, or the tables can't be read at start.
pub async fn run_watched(
    config: &Config,
    tables: Box<dyn Tables>,
    mut stop: watch::Receiver<bool>,
    progress: &watch::Sender<Summary>,
    monitor: &Monitor,
) -> Result<Summary, IngestError> {
    let archive = Archive::open(&config.ingest.archive, config.history.timeout())?;
    let group = usize::try_from(config.ingest.group_messages.max(1)).unwrap_or(usize::MAX);
    // As many again as are being stored, so that the next group is there when this one is done.
    let in_flight = u16::try_from(group.saturating_mul(2)).unwrap_or(u16::MAX);
    let intake = Intake::open(tables, archive)?;
    let consumer = Consumer::new(&config.ingest);
    // Tried before anything is taken from the broker: what is wrong from the start is the caller's mistake.
    broker::consumer_options(&config.broker, &consumer, in_flight)?;
    let mut service = Service {
        group,
        membership: Membership::Apart,
        consumer,
        worker: Worker::new(intake, monitor.clone()),
        in_flight,
        waiting: Waiting::default(),
        owes_greeting: false,
        summary: Summary::default(),
        progress,
        monitor,
    };
    monitor.started(in_flight.into());
    let mut backoff = CONNECT_BACKOFF;
    while !stopping(&stop) {
        // Later a file may be missing for the moment in which it is renewed.
        let options = broker::consumer_options(&config.broker, &service.consumer, service.in_flight);
        let (reason, wait) = match options {
            Ok(options) => {
                let mut connection = Connection::open(&config.broker, options);
                match service.serve(&mut connection, &mut stop, &mut backoff).await? {
                    End::Stopped => {
                        connection.close().await;
                        break;
                    }
                    End::Over(Ending::Lost(reason)) => (reason, backoff.next()),
                    // There is no use in trying again soon.
                    End::Over(Ending::Denied(reason)) => (reason, CONNECT_BACKOFF.longest()),
                }
            }
            Err(error) => (error.to_string(), backoff.next()),
        };
        tracing::warn!(reason, wait_ms = wait.as_millis(), "no connection to the broker");
        tokio::select! {
            () = monitor.alive_during(tokio::time::sleep(wait)) => {}
            () = told_to_stop(&mut stop) => {}
        }
    }
    service.report();
    Ok(*progress.borrow())
}

/// Waits for the word to stop, or for nobody to be left who could say it.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn stopping(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}

/// Why a connection is no longer served.
enum End {
    Stopped,
    Over(Ending),
}

struct Service<'p> {
    membership: Membership,
    consumer: Consumer,
    /// Most messages in a group.
    group: usize,
    /// Most messages that are not acknowledged, from the next connection on.
    in_flight: u16,
    worker: Worker,
    waiting: Waiting,
    /// Whether all aircraft are still to be told how far the ground is: the word may have been lost with the process or
    /// the broker before.
    owes_greeting: bool,
    /// What is counted here; the intake counts the rest.
    summary: Summary,
    progress: &'p watch::Sender<Summary>,
    monitor: &'p Monitor,
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
        self.membership = Membership::Apart;
        self.owes_greeting = false;
        loop {
            // At least once a second, since an idle loop turns so often: what waits for a time looks for it here.
            self.monitor.turn(self.waiting.len());
            if stopping(stop) {
                if let Err(error) = self.leave(connection).await {
                    return self.over(connection.ending(&error)).await;
                }
                if self.may_go() {
                    return Ok(End::Stopped);
                }
            }
            self.begin_work(stopping(stop));
            let sent = tokio::select! {
                biased;
                () = told_to_stop(stop), if !stopping(stop) => Ok(()),
                done = self.worker.done() => self.stored(connection, done?).await,
                event = connection.next() => match event {
                    LinkEvent::Connected { session_present } => {
                        let client_id = self.consumer.client_id();
                        tracing::info!(session_present, client_id, "connected to the broker");
                        self.summary.connections += 1;
                        self.monitor.connected();
                        self.report();
                        connection.subscribe([self.consumer.frames_filter(), self.consumer.status_filter()]).await
                    }
                    LinkEvent::Subscribed => {
                        backoff.reset();
                        self.monitor.subscribed();
                        self.membership = if self.is_member() { Membership::In } else { Membership::Apart };
                        self.owes_greeting = true;
                        Ok(())
                    }
                    LinkEvent::Unsubscribed => {
                        self.membership.answered();
                        Ok(())
                    }
                    LinkEvent::Message(delivery) if !self.waiting.has_room_for(&delivery) => {
                        let ending = self.overwhelmed();
                        return self.over(ending).await;
                    }
                    LinkEvent::Message(delivery) => self.receive(connection, delivery).await,
                    LinkEvent::Over(ending) => return self.over(ending).await,
                },
                () = self.monitor.pause() => Ok(()),
            };
            if let Err(error) = sent {
                return self.over(connection.ending(&error)).await;
            }
        }
    }

    /// Gives a worker that is free what is to be done next.
    fn begin_work(&mut self, stopping: bool) {
        if !self.worker.is_free() {
            return;
        }
        if mem::take(&mut self.owes_greeting) {
            self.worker.start(Work::Recall);
        } else if !self.waiting.is_empty() && (self.is_member() || !stopping) {
            self.worker.start(Work::Store(self.waiting.take_group(self.group)));
        }
    }

    const fn is_member(&self) -> bool {
        matches!(self.consumer, Consumer::Member { .. })
    }

    /// For a lone process the broker keeps what is not acknowledged. A member of a group also stores all that it was
    /// given, unless the tables fail.
    fn may_go(&self) -> bool {
        !self.worker.is_busy() && (self.membership.is_over(Instant::now()) || !self.worker.is_free())
    }

    /// Lets the others of the group take over.
    async fn leave(&mut self, connection: &Connection) -> Result<(), ClientError> {
        let open = self.worker.is_busy() || !self.waiting.is_empty();
        if self.membership.leave(open, Instant::now()) {
            connection.unsubscribe(self.consumer.frames_filter()).await?;
        }
        Ok(())
    }

    /// The connection is gone: the group in hand is still stored, and its messages come again as duplicates.
    async fn over(&mut self, ending: Ending) -> Result<End, IngestError> {
        let (Ending::Lost(reason) | Ending::Denied(reason)) = &ending;
        self.monitor.disconnected(reason);
        self.waiting.clear();
        self.monitor.turn(0);
        while self.worker.is_busy() {
            self.monitor.alive_during(self.worker.done()).await?;
        }
        self.worker.abandon();
        self.report();
        Ok(End::Over(ending))
    }

    /// There is no way to tell the broker to wait, but to begin anew with a promise of fewer messages.
    fn overwhelmed(&mut self) -> Ending {
        self.in_flight = self.in_flight.min(ALWAYS_FIT);
        self.monitor.narrowed(self.in_flight.into());
        let waiting = self.waiting.len();
        Ending::Lost(format!(
            "{waiting} messages wait, and there is no room for more: they are far larger than usual; {} at a time are taken from now on",
            self.in_flight
        ))
    }

    async fn receive(&mut self, connection: &Connection, delivery: Delivery) -> Result<(), ClientError> {
        // QoS 0 is outside the receive maximum, so nothing else bounds it.
        let overflow = delivery.qos == QoS::AtMostOnce && self.waiting.len() > 2 * self.group;
        if overflow || message(&delivery).is_none() {
            self.summary.ignored += 1;
            return connection.acknowledge(&delivery).await;
        }
        self.membership.received();
        self.waiting.push(delivery);
        Ok(())
    }

    async fn stored(&mut self, connection: &mut Connection, done: Done) -> Result<(), ClientError> {
        self.report();
        if let Done::Stored { deliveries, committed } = done {
            for delivery in &deliveries {
                connection.acknowledge(delivery).await?;
            }
            acknowledge(connection, committed).await?;
        }
        Ok(())
    }

    fn report(&mut self) {
        if let Some(intake) = self.worker.intake() {
            let mut summary = intake.summary();
            summary.add(&self.summary);
            summary.retries += self.worker.retries;
            self.monitor.report(summary, || intake.backlog());
            self.progress.send_replace(summary);
        }
    }
}

async fn acknowledge(
    connection: &mut Connection,
    committed: Vec<(Tail, Committed)>,
) -> Result<(), ClientError> {
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

#[cfg(test)]
mod tests;
