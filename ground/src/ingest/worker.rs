//! Stores groups of messages, one at a time, on a thread that may block, and again until it works.

use std::mem;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{Committed, topics};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep_until};

use super::backoff::Backoff;
use super::intake::{Intake, IntakeError, Message, MessageKind};
use super::monitor::Monitor;
use crate::broker::Delivery;

/// Between attempts to store.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));
/// How often an idle worker looks after frames that wait for a model.
const IDLE: Duration = Duration::from_secs(10);

/// How far the streams are of which a group had something.
type Acknowledgements = Vec<(Tail, Committed)>;
/// What a thread gives back.
type Finished = (Intake, Vec<Delivery>, Result<Acknowledgements, IntakeError>);

/// The message in a delivery; none on a topic that is none of ours.
pub(super) fn message(delivery: &Delivery) -> Option<Message<'_>> {
    let topic = std::str::from_utf8(&delivery.topic).ok()?;
    let (tail, rest) = topics::parse(topic)?;
    let kind = match rest {
        "up/frames" => MessageKind::Frames,
        "up/status" => MessageKind::Status { retained: delivery.retain },
        _ => return None,
    };
    Some(Message { tail, kind, payload: &delivery.payload })
}

/// Stores groups.
pub(super) struct Worker {
    state: State,
    backoff: Backoff,
    monitor: Monitor,
    /// Attempts that failed and were repeated.
    pub retries: u64,
}

enum State {
    /// Nothing in hand.
    Idle { intake: Intake, since: Instant },
    /// A group is being stored.
    Storing(JoinHandle<Finished>),
    /// A group that could not be stored waits for the next attempt.
    Waiting { intake: Intake, deliveries: Vec<Delivery>, until: Instant },
    /// Between two of the others, and after a panic.
    Gone,
}

/// What came of the worker's turn.
pub(super) enum Done {
    /// A group is stored.
    Stored { deliveries: Vec<Delivery>, committed: Acknowledgements },
    /// It goes on.
    Again,
}

impl Worker {
    pub fn new(intake: Intake, monitor: Monitor) -> Self {
        Self { state: State::Idle { intake, since: Instant::now() }, backoff: BACKOFF, monitor, retries: 0 }
    }

    pub const fn is_busy(&self) -> bool {
        matches!(self.state, State::Storing(_))
    }

    pub const fn is_free(&self) -> bool {
        matches!(self.state, State::Idle { .. })
    }

    pub const fn idle(&self) -> Option<&Intake> {
        match &self.state {
            State::Idle { intake, .. } | State::Waiting { intake, .. } => Some(intake),
            State::Storing(_) | State::Gone => None,
        }
    }

    pub fn start(&mut self, deliveries: Vec<Delivery>) {
        self.monitor.storing(deliveries.len());
        self.state = match mem::replace(&mut self.state, State::Gone) {
            State::Idle { intake, .. } | State::Waiting { intake, .. } => {
                State::Storing(tokio::task::spawn_blocking(move || store(intake, deliveries)))
            }
            other => other,
        };
    }

    /// Gives up a group that waits for its next attempt: the broker still has it.
    pub fn abandon(&mut self) {
        self.state = match mem::replace(&mut self.state, State::Gone) {
            State::Waiting { intake, .. } => {
                self.monitor.abandoned();
                State::Idle { intake, since: Instant::now() }
            }
            other => other,
        };
    }

    /// Waits for whatever is next: a group that is stored, the next attempt, or a look after what waits for a
    /// model. Safe to drop and call again.
    pub async fn done(&mut self) -> Result<Done, JoinError> {
        match &mut self.state {
            State::Storing(task) => {
                let (intake, deliveries, result) = task.await?;
                Ok(self.finished(intake, deliveries, result))
            }
            State::Waiting { until, deliveries, .. } => {
                sleep_until(*until).await;
                let deliveries = mem::take(deliveries);
                self.retries += 1;
                self.start(deliveries);
                Ok(Done::Again)
            }
            State::Idle { since, .. } => {
                sleep_until(*since + IDLE).await;
                self.start(Vec::new());
                Ok(Done::Again)
            }
            State::Gone => std::future::pending().await,
        }
    }

    fn finished(
        &mut self,
        intake: Intake,
        deliveries: Vec<Delivery>,
        result: Result<Acknowledgements, IntakeError>,
    ) -> Done {
        match result {
            Ok(committed) => {
                self.backoff.reset();
                self.monitor.stored();
                self.state = State::Idle { intake, since: Instant::now() };
                Done::Stored { deliveries, committed }
            }
            Err(error) => {
                let wait = self.backoff.next();
                self.monitor.store_failed(&error);
                tracing::error!(%error, wait_ms = wait.as_millis(), "cannot store; nothing is acknowledged until it works");
                self.state = State::Waiting { intake, deliveries, until: Instant::now() + wait };
                Done::Again
            }
        }
    }
}

fn store(mut intake: Intake, deliveries: Vec<Delivery>) -> Finished {
    let messages: Vec<_> = deliveries.iter().filter_map(message).collect();
    let mut result = Ok(Vec::new());
    if !messages.is_empty() {
        result = intake.store(&messages, now());
    }
    let result = result.and_then(|committed| intake.recover(now()).map(|()| committed));
    (intake, deliveries, result)
}

fn now() -> UnixSeconds {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixSeconds(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX))
}
