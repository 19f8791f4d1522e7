//! Where ingest stands, told by its loop and asked for by operators.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use super::summary::Summary;

/// How often an idle loop says that it is alive.
const TURN: Duration = Duration::from_secs(1);
/// A loop that has not turned for so long hangs. Far above what one turn may wait for: a broker that takes in no
/// acknowledgements, until its connection is given up.
const HANGS_AFTER: Duration = Duration::from_secs(120);
/// A group that is being stored for so long has tables that do not answer.
const SLOW_STORE: Duration = Duration::from_secs(15);
/// How often the streams are counted: there may be thousands.
const BACKLOG_EVERY: Duration = Duration::from_secs(5);

/// A handle to where ingest stands. Clones share it.
#[derive(Clone, Debug)]
pub struct Monitor(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    standing: Mutex<Standing>,
    /// Messages of each group.
    group_messages: Histogram,
    /// Seconds it took to store each group, failed attempts included.
    store_seconds: Histogram,
}

/// Frames that are stored but not committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Streams that ever sent a frame.
    pub streams: u64,
    /// Streams of which frames are missing before others that are stored.
    pub waiting_streams: u64,
    /// Frames stored behind those that are missing.
    pub held_back_frames: u64,
}

/// The whole of it at one instant.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub phase: Phase,
    pub link: Link,
    pub store: Store,
    /// Messages that wait for the group in hand.
    pub waiting: usize,
    /// Most messages that can be on hand: the broker sends no more before some are acknowledged.
    pub receive_maximum: usize,
    pub summary: Summary,
    pub backlog: Backlog,
    pub last_stored: Option<SystemTime>,
    /// When the loop last turned.
    pub turned: Instant,
    backlog_counted: Option<Instant>,
}

/// From start to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Running,
    Stopping,
}

/// The connection to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// None, and why the last one ended.
    Down(Option<String>),
    Connected,
    Subscribed,
}

/// What the tables do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Idle,
    /// A group of so many messages is being stored; whether an attempt at it has failed before.
    Storing {
        since: Instant,
        messages: usize,
        failed: Option<String>,
    },
    /// A group could not be stored and waits for the next attempt.
    Failed {
        messages: usize,
        reason: String,
    },
}

impl Default for Monitor {
    fn default() -> Self {
        let standing = Standing {
            phase: Phase::Starting,
            link: Link::Down(None),
            store: Store::Idle,
            waiting: 0,
            receive_maximum: 0,
            summary: Summary::default(),
            backlog: Backlog::default(),
            last_stored: None,
            turned: Instant::now(),
            backlog_counted: None,
        };
        Self(Arc::new(Shared {
            standing: Mutex::new(standing),
            group_messages: Histogram::new(exponential_buckets(1.0, 4.0, 8)),
            store_seconds: Histogram::new(exponential_buckets(0.001, 4.0, 9)),
        }))
    }
}

impl Monitor {
    /// Ingest has read the tables and begins; so many messages may be on hand.
    pub fn started(&self, receive_maximum: usize) {
        let mut standing = self.standing();
        if standing.phase == Phase::Starting {
            standing.phase = Phase::Running;
        }
        standing.receive_maximum = receive_maximum;
        standing.turned = Instant::now();
    }

    /// From the next connection on the broker is to send fewer messages before some are acknowledged.
    pub fn narrowed(&self, receive_maximum: usize) {
        self.standing().receive_maximum = receive_maximum;
    }

    /// It was told to stop.
    pub fn stopping(&self) {
        self.standing().phase = Phase::Stopping;
    }

    /// The loop turns, with so many messages waiting for the group in hand.
    pub fn turn(&self, waiting: usize) {
        let mut standing = self.standing();
        (standing.turned, standing.waiting) = (Instant::now(), waiting);
    }

    /// Waits until an idle loop should turn again.
    pub async fn pause(&self) {
        tokio::time::sleep(TURN).await;
    }

    /// Waits for what may take long by rights, and says meanwhile that the loop is alive.
    pub async fn alive_during<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            self.standing().turned = Instant::now();
            tokio::select! {
                done = &mut work => return done,
                () = self.pause() => {}
            }
        }
    }

    /// The broker has accepted the connection.
    pub fn connected(&self) {
        self.standing().link = Link::Connected;
    }

    /// The broker has accepted the subscription: messages come.
    pub fn subscribed(&self) {
        self.standing().link = Link::Subscribed;
    }

    /// There is no connection, for this reason.
    pub fn disconnected(&self, reason: &str) {
        self.standing().link = Link::Down(Some(reason.to_owned()));
    }

    /// The tables are asked to store so many messages; with none, only whether they answer.
    pub fn storing(&self, messages: usize) {
        let mut standing = self.standing();
        let failed = match &standing.store {
            Store::Failed { reason, .. } => Some(reason.clone()),
            Store::Idle | Store::Storing { .. } => None,
        };
        standing.store = Store::Storing { since: Instant::now(), messages, failed };
    }

    /// They have.
    pub fn stored(&self) {
        if let Some(messages) = self.store_ended(Store::Idle).filter(|messages| *messages > 0) {
            self.0.group_messages.observe(messages as f64);
            self.standing().last_stored = Some(SystemTime::now());
        }
    }

    /// They could not.
    pub fn store_failed(&self, reason: &dyn Display) {
        let messages = match &self.standing().store {
            Store::Storing { messages, .. } | Store::Failed { messages, .. } => *messages,
            Store::Idle => 0,
        };
        self.store_ended(Store::Failed { messages, reason: reason.to_string() });
    }

    /// The group that could not be stored is given up: the broker still has it. That the tables fail stays true.
    pub fn abandoned(&self) {
        if let Store::Failed { messages, .. } = &mut self.standing().store {
            *messages = 0;
        }
    }

    /// Notes how long the attempt took; gives how many messages it was about.
    fn store_ended(&self, then: Store) -> Option<usize> {
        let before = std::mem::replace(&mut self.standing().store, then);
        let Store::Storing { since, messages, .. } = before else { return None };
        if messages > 0 {
            self.0.store_seconds.observe(since.elapsed().as_secs_f64());
        }
        Some(messages)
    }

    /// The latest numbers. `backlog` is counted now and then only.
    pub fn report(&self, summary: Summary, backlog: impl FnOnce() -> Backlog) {
        let mut standing = self.standing();
        standing.summary = summary;
        if standing.backlog_counted.is_none_or(|last| last.elapsed() >= BACKLOG_EVERY) {
            (standing.backlog, standing.backlog_counted) = (backlog(), Some(Instant::now()));
        }
    }

    pub(crate) fn snapshot(&self) -> Standing {
        self.standing().clone()
    }

    pub(crate) fn histograms(&self) -> (Histogram, Histogram) {
        (self.0.group_messages.clone(), self.0.store_seconds.clone())
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        // Nothing is left half done under the lock, so what a panic elsewhere left is whole.
        self.0.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    /// Why the process should be restarted, if it should: its loop hangs.
    pub fn hangs(&self, now: Instant) -> Option<String> {
        let still = now.saturating_duration_since(self.turned);
        let running = self.phase != Phase::Starting;
        (running && still > HANGS_AFTER).then(|| format!("the loop has not turned for {} s", still.as_secs()))
    }

    /// Why it takes in no messages now, or can't store them; nothing when all is well.
    pub fn not_ready(&self, now: Instant) -> Vec<String> {
        let mut reasons = Vec::new();
        match self.phase {
            Phase::Starting => reasons.push("starting: the tables have not been read yet".to_owned()),
            Phase::Running => {}
            Phase::Stopping => {
                reasons.push("stopping: the group in hand is stored, then the process ends".to_owned());
            }
        }
        match &self.link {
            Link::Down(None) => reasons.push("not connected to the broker yet".to_owned()),
            Link::Down(Some(reason)) => reasons.push(format!("not connected to the broker: {reason}")),
            Link::Connected => reasons.push("connected to the broker, but not subscribed yet".to_owned()),
            Link::Subscribed => {}
        }
        match &self.store {
            Store::Failed { messages, reason } | Store::Storing { messages, failed: Some(reason), .. } => {
                let again = match messages {
                    0 => String::new(),
                    messages => format!(", {messages} messages are tried again"),
                };
                reasons.push(format!("the tables fail{again}: {reason}"));
            }
            Store::Storing { since, messages, failed: None } => {
                let taken = now.saturating_duration_since(*since);
                if taken > SLOW_STORE {
                    let seconds = taken.as_secs();
                    reasons.push(format!(
                        "the tables have not answered for {seconds} s; {messages} messages are being stored"
                    ));
                }
            }
            Store::Idle => {}
        }
        reasons
    }
}
