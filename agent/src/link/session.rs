//! One connection to the broker, from the first packet to the last.

use std::time::{Duration, Instant};

use cabinwatch_shared::model::AgentRelease;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::wire::{
    AgentStatus, ClockTrust, Committed, FrameSeq, LinkState, MessageHead, StreamId, Topic, WireError,
};
use rumqttc::{
    AsyncClient, ClientError, ConnectionError, Event, EventLoop, Incoming, PubAckReason, Publish,
    PublishNoticeError, PublishOptions, QoS, SubscribeReasonCode,
};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::sender::{Kind, Limits, Sender, Step};
use super::{Link, LinkError, broker, message};
use crate::config::LinkConfig;
use crate::store::{OutboxBounds, Reader, StoreError};

/// How often the link looks around when nothing tells it to.
pub(super) const TICK: Duration = Duration::from_millis(500);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_millis(1500);
/// Several satellite round trips: the retained acknowledgement is there by then, or there is none.
const ACK_WAIT: Duration = Duration::from_secs(3);
/// Messages the broker has not confirmed: what a geostationary line needs to stay busy, and no more.
const IN_FLIGHT: usize = 16;
const BACKLOG_IN_FLIGHT: usize = 4;
/// Requests the client holds: all messages in flight, the status, the subscriptions and the farewell.
const CLIENT_CAPACITY: usize = IN_FLIGHT + 8;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("{0}")]
    Setup(#[from] LinkError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Connection(#[from] Box<ConnectionError>),
    #[error("the client takes no more requests: {0}")]
    Client(#[from] Box<ClientError>),
    #[error("the broker has confirmed nothing for {0:?}")]
    Stuck(Duration),
    #[error(
        "the broker's access list does not let us write below cabinwatch/v1/{0}/up: `tail` must be the name we have at the broker"
    )]
    Denied(Tail),
    #[error("the database was replaced, so a new stream begins")]
    NewStream,
    #[error("a message does not encode: {0}")]
    Wire(#[from] WireError),
}

impl From<ClientError> for SessionError {
    fn from(error: ClientError) -> Self {
        Self::Client(Box::new(error))
    }
}

impl SessionError {
    /// What to tell whoever looks after the aircraft.
    pub(super) fn explained(&self, link: &LinkConfig) -> String {
        match self {
            Self::Connection(error) => broker::explain(error, link),
            error => error.to_string(),
        }
    }
}

/// How a session ended.
pub(super) struct SessionEnd {
    /// How long the broker had let us in; none if it never did.
    pub(super) held: Option<Duration>,
    /// Why; none if the agent stops.
    pub(super) error: Option<SessionError>,
}

type Polled = Result<Event, ConnectionError>;

/// Polls the client's event loop in a task of its own: a poll that is dropped half-way would lose the connection it
/// is making. The task ends with the session.
struct Poller {
    events: mpsc::Receiver<Polled>,
    task: AbortHandle,
}

impl Poller {
    fn start(mut event_loop: EventLoop) -> Self {
        let (queue, events) = mpsc::channel(16);
        let task = tokio::spawn(async move {
            loop {
                let polled = event_loop.poll().await;
                let ends = polled.is_err();
                if queue.send(polled).await.is_err() || ends {
                    break;
                }
            }
        });
        Self { events, task: task.abort_handle() }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection.
pub(super) struct Session<'a> {
    link: &'a mut Link,
    outbox: Reader,
    stream: StreamId,
    client: AsyncClient,
    poller: Poller,
    /// What the broker says of each message in flight.
    confirmations: JoinSet<Result<(), PublishNoticeError>>,
    /// Present once the broker has let us in.
    sender: Option<Sender>,
    /// What the ground has been told of the clock.
    said_clock: Option<ClockTrust>,
    connected_at: Option<Instant>,
    progress_at: Instant,
    refusals: u64,
}

impl<'a> Session<'a> {
    /// Connects, and sends until the connection breaks or the agent stops.
    pub(super) async fn run(link: &'a mut Link) -> SessionEnd {
        let mut session = match Self::connect(link) {
            Ok(session) => session,
            Err(error) => return SessionEnd { held: None, error: Some(error) },
        };
        let error = session.serve().await.err();
        if error.is_none() {
            session.farewell().await;
        }
        SessionEnd { held: session.connected_at.map(|at| at.elapsed()), error }
    }

    fn connect(link: &'a mut Link) -> Result<Self, SessionError> {
        let outbox = Reader::open(&link.database)?;
        let stream = outbox.bounds()?.stream;
        let options = broker::mqtt_options(&link.config, &link.tail)?;
        let (client, event_loop) = AsyncClient::builder(options).capacity(CLIENT_CAPACITY).build();
        Ok(Self {
            link,
            outbox,
            stream,
            client,
            poller: Poller::start(event_loop),
            confirmations: JoinSet::new(),
            sender: None,
            said_clock: None,
            connected_at: None,
            progress_at: Instant::now(),
            refusals: 0,
        })
    }

    /// Ends without an error when the agent stops.
    async fn serve(&mut self) -> Result<(), SessionError> {
        while !self.link.stopped() {
            self.link.intake.hand_over();
            self.check_progress()?;
            let pause = self.send_what_is_due()?.min(TICK);
            tokio::select! {
                polled = self.poller.events.recv() => match polled {
                    Some(polled) => self.happened(polled.map_err(Box::new)?)?,
                    None => return Err(Box::new(ConnectionError::RequestsDone).into()),
                },
                Some(confirmed) = self.confirmations.join_next() => {
                    self.confirmed(confirmed.unwrap_or(Err(PublishNoticeError::Recv)));
                }
                () = self.link.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        Ok(())
    }

    fn check_progress(&self) -> Result<(), SessionError> {
        let waits = self.sender.as_ref().is_none_or(|sender| sender.in_flight() > 0);
        let limit = Duration::from_secs(self.link.config.link.stuck_seconds.max(1));
        if waits && self.progress_at.elapsed() > limit { Err(SessionError::Stuck(limit)) } else { Ok(()) }
    }

    /// Sends everything that may go now. How long nothing more will.
    fn send_what_is_due(&mut self) -> Result<Duration, SessionError> {
        loop {
            if self.sender.is_none() {
                return Ok(TICK);
            }
            let bounds = self.outbox.bounds()?;
            if bounds.stream != self.stream {
                return Err(SessionError::NewStream);
            }
            if self.said_clock != Some(bounds.clock) {
                self.say_online(bounds)?;
            }
            let Some(sender) = &mut self.sender else { return Ok(TICK) };
            let now = Instant::now();
            match sender.next(bounds, now) {
                Step::Wait => return Ok(TICK),
                Step::WaitUntil(at) => return Ok(at.saturating_duration_since(now)),
                Step::Send { kind, first, last } => self.send(kind, first, last, bounds)?,
            }
        }
    }

    fn send(
        &mut self,
        kind: Kind,
        first: FrameSeq,
        last: FrameSeq,
        bounds: OutboxBounds,
    ) -> Result<(), SessionError> {
        let Some(sender) = &mut self.sender else { return Ok(()) };
        let most = if kind == Kind::Live { 1 } else { self.link.config.link.message_bytes as usize };
        let mut frames = self.outbox.frames(first, most)?;
        frames.retain(|(seq, _)| *seq <= last);
        let first = frames.first().map(|(seq, _)| *seq);
        let head = MessageHead { stream: self.stream, oldest: bounds.oldest, first: first.unwrap_or(last) };
        let Some(message) = message::pack(&head, &frames)? else {
            // Committed or dropped since the bounds were read.
            sender.passed(kind, last);
            return Ok(());
        };
        let now = Instant::now();
        if sender.in_flight() == 0 {
            self.progress_at = now;
        }
        sender.sent(kind, head.first, message.last, message.payload.len(), now);
        self.link.stats.sent(message.payload.len());
        tracing::debug!(?kind, first = head.first.0, last = message.last.0, "frames sent");
        let topic = Topic::Frames(&self.link.tail).to_string();
        let options = PublishOptions::new(QoS::AtLeastOnce);
        let notice = self.client.try_publish_tracked(topic, message.payload, options)?;
        self.confirmations.spawn(notice.wait_completion_async());
        Ok(())
    }

    fn confirmed(&mut self, result: Result<(), PublishNoticeError>) {
        if let Some(sender) = &mut self.sender {
            sender.settled();
        }
        self.progress_at = Instant::now();
        if let Err(error) = result {
            self.refusals += 1;
            if self.refusals == 1 {
                tracing::warn!("the broker refused a message, which will be sent again: {error}");
            }
        }
    }

    fn happened(&mut self, event: Event) -> Result<(), SessionError> {
        if matches!(event, Event::Incoming(_)) {
            self.link.stats.heard();
        }
        match event {
            Event::Incoming(Incoming::ConnAck(_)) => self.welcomed(),
            Event::Incoming(Incoming::Publish(publish)) => {
                self.received(&publish);
                Ok(())
            }
            // Brokers end the connection over this; what one message may not do, none of them may.
            Event::Incoming(Incoming::PubAck(answer)) if answer.reason == PubAckReason::NotAuthorized => {
                Err(SessionError::Denied(self.link.tail.clone()))
            }
            Event::Incoming(Incoming::SubAck(answer)) => {
                let refused = |code: &&SubscribeReasonCode| !matches!(code, SubscribeReasonCode::Success(_));
                if let Some(code) = answer.return_codes.iter().find(refused) {
                    tracing::error!(
                        "the broker refuses a subscription of ours ({code:?}): its access list must let {} read \
                         its `down/#` and the models",
                        self.link.tail
                    );
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The broker has let us in.
    fn welcomed(&mut self) -> Result<(), SessionError> {
        let (bounds, now) = (self.outbox.bounds()?, Instant::now());
        let link = &self.link.config.link;
        let limits = Limits {
            drain_bytes_per_second: link.drain_bytes_per_second,
            resend_after: Duration::from_secs(link.resend_seconds.max(1)),
            ack_wait: ACK_WAIT,
            in_flight: IN_FLIGHT,
            backlog_in_flight: BACKLOG_IN_FLIGHT,
        };
        self.sender = Some(Sender::new(limits, bounds, now));
        self.connected_at = Some(now);
        self.progress_at = now;
        self.link.stats.connected();
        tracing::info!(broker = link.broker, "connected");
        let tail = &self.link.tail;
        self.client.try_subscribe(Topic::Ack(tail).to_string(), QoS::AtLeastOnce)?;
        self.client
            .try_subscribe(Topic::Model(&self.link.config.model.cohort).to_string(), QoS::AtLeastOnce)?;
        self.say_online(bounds)
    }

    /// Said at each connection, and again when the clock has become another matter.
    fn say_online(&mut self, bounds: OutboxBounds) -> Result<(), SessionError> {
        let OutboxBounds { oldest, newest, clock, .. } = bounds;
        let model = self.outbox.active_model_version()?;
        self.said_clock = Some(clock);
        self.say(&LinkState::Online(AgentStatus {
            release: release(),
            model,
            stream: self.stream,
            oldest,
            newest,
            cohort: self.link.config.model.cohort.as_str().try_into().unwrap_or_default(),
            clock,
        }))
    }

    fn say(&self, state: &LinkState) -> Result<(), SessionError> {
        let mut payload = Vec::new();
        state.write(&mut payload)?;
        let options = PublishOptions::new(QoS::AtLeastOnce).retained();
        Ok(self.client.try_publish(Topic::Status(&self.link.tail).to_string(), payload, options)?)
    }

    fn received(&mut self, publish: &Publish) {
        let model_topic = Topic::Model(&self.link.config.model.cohort).to_string();
        if publish.payload.is_empty() {
            // A retained word that was taken back.
        } else if publish.topic == model_topic.as_bytes() {
            self.link.intake.model(publish.payload.to_vec());
        } else if publish.topic == Topic::Ack(&self.link.tail).to_string().as_bytes() {
            match Committed::parse(&publish.payload) {
                Ok(committed) => self.acknowledged(committed),
                Err(error) => tracing::warn!("an acknowledgement is not understood: {error}"),
            }
        }
        self.link.intake.hand_over();
    }

    fn acknowledged(&mut self, committed: Committed) {
        let Some(sender) = &mut self.sender else { return };
        if committed.stream == self.stream {
            sender.committed(committed.seq, Instant::now());
            self.link.intake.committed(committed);
        } else {
            // The ground knows an earlier database of this aircraft, so it has nothing of this one.
            sender.committed(FrameSeq(0), Instant::now());
        }
    }

    /// Says that we go, and goes.
    async fn farewell(&mut self) {
        if self.sender.is_none() || self.say(&LinkState::Offline).is_err() {
            return;
        }
        let leave = async {
            if self.client.disconnect_with_timeout(FAREWELL).await.is_ok() {
                while let Some(Ok(_)) = self.poller.events.recv().await {}
            }
        };
        if tokio::time::timeout(FAREWELL, leave).await.is_err() {
            tracing::info!("the broker did not take leave in time");
        }
    }
}

/// This program's release, from the package's version.
fn release() -> AgentRelease {
    let mut numbers = env!("CARGO_PKG_VERSION").split('.').map(|number| number.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    AgentRelease(next(), next(), next())
}
