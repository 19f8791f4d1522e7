//! All work with the tables, one piece at a time, on a thread that may block, and again until it works.

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
type Finished = (Intake, Work, Result<Acknowledgements, IntakeError>);

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

/// One piece of work.
pub(super) enum Work {
    /// To store a group of messages.
    Store(Vec<Delivery>),
    /// To find out how far all aircraft are.
    Recall,
    /// To look after frames that wait for a model, and whether the tables answer at all.
    Look,
}

impl Work {
    const fn messages(&self) -> usize {
        match self {
            Self::Store(deliveries) => deliveries.len(),
            Self::Recall | Self::Look => 0,
        }
    }
}

/// Does the work.
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
    /// The tables are at work.
    Busy(JoinHandle<Finished>),
    /// Work that failed waits for the next attempt.
    Waiting { intake: Intake, work: Work, until: Instant },
    /// Between two of the others, and after a panic.
    Gone,
}

/// What came of the worker's turn.
pub(super) enum Done {
    /// Work is done: these messages are stored, and these streams are so far.
    Stored { deliveries: Vec<Delivery>, committed: Acknowledgements },
    /// It goes on.
    Again,
}

impl Worker {
    pub fn new(intake: Intake, monitor: Monitor) -> Self {
        Self { state: State::Idle { intake, since: Instant::now() }, backoff: BACKOFF, monitor, retries: 0 }
    }

    pub const fn is_busy(&self) -> bool {
        matches!(self.state, State::Busy(_))
    }

    pub const fn is_free(&self) -> bool {
        matches!(self.state, State::Idle { .. })
    }

    pub const fn intake(&self) -> Option<&Intake> {
        match &self.state {
            State::Idle { intake, .. } | State::Waiting { intake, .. } => Some(intake),
            State::Busy(_) | State::Gone => None,
        }
    }

    /// Begins work; only for a worker that is free.
    pub fn start(&mut self, work: Work) {
        match mem::replace(&mut self.state, State::Gone) {
            State::Idle { intake, .. } => self.begin(intake, work),
            other => self.state = other,
        }
    }

    fn begin(&mut self, intake: Intake, work: Work) {
        self.monitor.storing(work.messages());
        self.state = State::Busy(tokio::task::spawn_blocking(move || perform(intake, work)));
    }

    /// Gives up work that waits for its next attempt: the broker still has the messages.
    pub fn abandon(&mut self) {
        self.state = match mem::replace(&mut self.state, State::Gone) {
            State::Waiting { intake, .. } => {
                self.monitor.abandoned();
                State::Idle { intake, since: Instant::now() }
            }
            other => other,
        };
    }

    /// Waits for whatever is next: work that is done, the next attempt, or a look where there is nothing else to do.
    /// Safe to drop and call again.
    pub async fn done(&mut self) -> Result<Done, JoinError> {
        match &mut self.state {
            State::Busy(task) => {
                let (intake, work, result) = task.await?;
                Ok(self.finished(intake, work, result))
            }
            State::Waiting { until, .. } => {
                sleep_until(*until).await;
                self.retry();
                Ok(Done::Again)
            }
            State::Idle { since, .. } => {
                sleep_until(*since + IDLE).await;
                self.start(Work::Look);
                Ok(Done::Again)
            }
            State::Gone => std::future::pending().await,
        }
    }

    fn retry(&mut self) {
        match mem::replace(&mut self.state, State::Gone) {
            State::Waiting { intake, work, .. } => {
                self.retries += 1;
                self.begin(intake, work);
            }
            other => self.state = other,
        }
    }

    fn finished(
        &mut self,
        intake: Intake,
        work: Work,
        result: Result<Acknowledgements, IntakeError>,
    ) -> Done {
        match result {
            Ok(committed) => {
                self.backoff.reset();
                self.monitor.stored();
                self.state = State::Idle { intake, since: Instant::now() };
                let deliveries = match work {
                    Work::Store(deliveries) => deliveries,
                    Work::Recall | Work::Look => Vec::new(),
                };
                Done::Stored { deliveries, committed }
            }
            Err(error) => {
                let wait = self.backoff.next();
                self.monitor.store_failed(&error);
                tracing::error!(%error, wait_ms = wait.as_millis(), "cannot store; nothing is acknowledged until it works");
                self.state = State::Waiting { intake, work, until: Instant::now() + wait };
                Done::Again
            }
        }
    }
}

fn perform(mut intake: Intake, work: Work) -> Finished {
    let result = match &work {
        Work::Store(deliveries) => store(&mut intake, deliveries),
        Work::Recall => intake.committed(),
        Work::Look => intake.recover(now()).map(|()| Vec::new()),
    };
    (intake, work, result)
}

fn store(intake: &mut Intake, deliveries: &[Delivery]) -> Result<Acknowledgements, IntakeError> {
    let messages: Vec<_> = deliveries.iter().filter_map(message).collect();
    let committed = intake.store(&messages, now())?;
    // Under load there is no idle moment to look in. The group is stored whatever comes of it.
    if intake.recovery_is_due()
        && let Err(error) = intake.recover(now())
    {
        tracing::error!(%error, "cannot look after frames that wait for a model; tried again later");
    }
    Ok(committed)
}

fn now() -> UnixSeconds {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixSeconds(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
