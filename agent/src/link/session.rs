//! One connection to the broker, from the first packet to the last.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::wire::{AgentStatus, Committed, FrameSeq, LinkState, MessageHead, StreamId, Topic};
use rumqttc::{
    AsyncClient, ConnectionError, Event, Incoming, PubAckReason, Publish, PublishNotice, PublishNoticeError,
    PublishOptions, QoS, RetainForwardRule, SubscribeFilter, SubscribeReasonCode,
};
use tokio::task::JoinSet;

use super::error::SessionError;
use super::poller::Poller;
use super::sender::{Kind, Limits, Progress, Sender, Step};
use super::{Link, broker, message};
use crate::config::LinkMode;
use crate::model::release;
use crate::pipeline::OfferedModel;
use crate::store::{OutboxBounds, Reader};

/// How often the link looks around when nothing tells it to.
pub(super) const TICK: Duration = Duration::from_millis(500);
/// How long a farewell may take when the agent stops…
const HASTY_FAREWELL: Duration = Duration::from_millis(1500);
/// …and when nobody waits for it: some round trips over a line that loses packets.
const FAREWELL: Duration = Duration::from_secs(10);
/// Several satellite round trips: the retained acknowledgement is there by then, or there is none.
const ACK_WAIT: Duration = Duration::from_secs(3);
/// How long a contact goes on for the engine to decide on a model.
const MODEL_PATIENCE: Duration = Duration::from_secs(10);
/// How long a contact goes on when the broker has everything and the ground does not say that it stored it.
const COMMIT_PATIENCE: Duration = Duration::from_secs(30);
/// Messages the broker has not confirmed: what a geostationary line needs to stay busy, and no more.
const IN_FLIGHT: usize = 16;
const BACKLOG_IN_FLIGHT: usize = 4;
/// Requests the client holds: all messages in flight, the status, the subscriptions and the farewell.
const CLIENT_CAPACITY: usize = IN_FLIGHT + 8;

/// How a session ended.
pub(super) struct SessionEnd {
    /// How long the broker had let us in; none if it never did.
    pub(super) held: Option<Duration>,
    /// Why.
    pub(super) reason: EndReason,
}

/// A model that the engine has in hand. The broker sends it only once, so it hears that we have it when it is stored.
struct HeldModel {
    publish: Publish,
    since: Instant,
    /// Set by the engine once its decision is stored.
    is_decided: Arc<AtomicBool>,
}

/// Why a session ended.
pub(super) enum EndReason {
    /// The agent stops.
    Stopped,
    /// A scheduled contact has done what it was for.
    Done,
    /// The line, the broker or the database.
    Failed(SessionError),
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
    connected_at: Option<Instant>,
    progress_at: Instant,
    /// When a frame was first sent, or the ground last stored one.
    news_at: Instant,
    /// Whether the broker has answered something we said; whatever it has kept for us came before that.
    greeted: bool,
    model: Option<HeldModel>,
    refusals: u64,
}

impl<'a> Session<'a> {
    /// Connects, and sends until the connection breaks or the agent stops.
    pub(super) async fn run(link: &'a mut Link) -> SessionEnd {
        let mut session = match Self::connect(link) {
            Ok(session) => session,
            Err(error) => return SessionEnd { held: None, reason: EndReason::Failed(error) },
        };
        let reason = session.serve().await.unwrap_or_else(EndReason::Failed);
        match reason {
            EndReason::Stopped => session.farewell(&LinkState::Offline, HASTY_FAREWELL).await,
            EndReason::Done => {
                session.link.settled = session.settled();
                let seconds = session.link.config.link.every_seconds;
                session.farewell(&LinkState::Away { seconds }, FAREWELL).await;
            }
            EndReason::Failed(_) => {}
        }
        SessionEnd { held: session.connected_at.map(|at| at.elapsed()), reason }
    }

    fn connect(link: &'a mut Link) -> Result<Self, SessionError> {
        let outbox = Reader::open(&link.database)?;
        let stream = outbox.bounds()?.stream;
        let options = broker::mqtt_options(&link.config, &link.tail, &mut link.tls)?;
        let (client, event_loop) = AsyncClient::builder(options).capacity(CLIENT_CAPACITY).build();
        Ok(Self {
            link,
            outbox,
            stream,
            client,
            poller: Poller::start(event_loop),
            confirmations: JoinSet::new(),
            sender: None,
            connected_at: None,
            progress_at: Instant::now(),
            news_at: Instant::now(),
            greeted: false,
            model: None,
            refusals: 0,
        })
    }

    /// Serves until the agent stops, or a scheduled contact is over.
    async fn serve(&mut self) -> Result<EndReason, SessionError> {
        while !self.link.stopped() {
            if self.is_over()? {
                return Ok(EndReason::Done);
            }
            self.link.intake.hand_over();
            self.check_progress()?;
            self.settle_model()?;
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
        Ok(EndReason::Stopped)
    }

    /// Whether a scheduled contact has done what it was for.
    fn is_over(&self) -> Result<bool, SessionError> {
        let Some(sender) = &self.sender else { return Ok(false) };
        // What is not decided on, for want of a time of day or of room, comes again with the next contact.
        let decides = self.model.as_ref().is_some_and(|model| model.since.elapsed() < MODEL_PATIENCE);
        if self.link.config.link.mode == LinkMode::Kept || !self.greeted || decides {
            return Ok(false);
        }
        Ok(match sender.progress(self.outbox.bounds()?) {
            Progress::Committed => sender.in_flight() == 0,
            Progress::Sent => self.news_at.elapsed() > COMMIT_PATIENCE,
            Progress::Sending => false,
        })
    }

    /// The newest frame, if the ground has stored it and all before it.
    fn settled(&self) -> Option<Committed> {
        let (sender, bounds) = self.sender.as_ref().zip(self.outbox.bounds().ok())?;
        let all = sender.progress(bounds) == Progress::Committed;
        all.then_some(Committed { stream: self.stream, seq: bounds.newest })
    }

    fn check_progress(&self) -> Result<(), SessionError> {
        let waits = !self.greeted || self.sender.as_ref().is_none_or(|sender| sender.in_flight() > 0);
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
            if self.link.said.as_ref().is_some_and(|said| said.clock != bounds.clock) {
                self.say_online(self.status(bounds)?)?;
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
        if kind != Kind::Again {
            self.news_at = now;
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
        self.greeted = true;
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
            Event::Incoming(Incoming::ConnAck(answer)) => self.welcomed(answer.session_present),
            Event::Incoming(Incoming::Publish(publish)) => self.received(&publish),
            // Brokers end the connection over this; what one message may not do, none of them may.
            Event::Incoming(Incoming::PubAck(answer)) if answer.reason == PubAckReason::NotAuthorized => {
                Err(SessionError::Denied(self.link.tail.clone()))
            }
            Event::Incoming(Incoming::SubAck(answer)) => {
                self.greeted = true;
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

    /// The broker has let us in. Where it still knows us, and the ground stored all we had when we left, there is nothing
    /// to hear before we send; where we have nothing to send, a subscription makes sure that we hear what there is.
    fn welcomed(&mut self, is_known: bool) -> Result<(), SessionError> {
        let (bounds, now) = (self.outbox.bounds()?, Instant::now());
        let settled = self
            .link
            .settled
            .filter(|settled| is_known && settled.stream == self.stream && settled.seq < bounds.newest);
        let resumes = settled.is_some();
        let link = &self.link.config.link;
        let limits = Limits {
            drain_bytes_per_second: link.drain_bytes_per_second,
            resend_after: Duration::from_secs(link.resend_seconds.max(1)),
            ack_wait: ACK_WAIT,
            in_flight: IN_FLIGHT,
            backlog_in_flight: BACKLOG_IN_FLIGHT,
        };
        let mut sender = Sender::new(limits, bounds, now);
        if let Some(settled) = settled {
            sender.committed(settled.seq, now);
        }
        self.sender = Some(sender);
        self.connected_at = Some(now);
        (self.progress_at, self.news_at) = (now, now);
        self.link.stats.connected();
        tracing::info!(broker = link.broker, "connected");
        let has_model = self.outbox.active_model_version()? != ModelVersion(0);
        if !resumes {
            self.client.try_subscribe_many(self.subscriptions(has_model))?;
        }
        let status = self.status(bounds)?;
        if resumes && self.link.said == Some(lasting(&status)) {
            return Ok(());
        }
        self.say_online(status)
    }

    fn status(&self, bounds: OutboxBounds) -> Result<AgentStatus, SessionError> {
        let OutboxBounds { oldest, newest, clock, .. } = bounds;
        Ok(AgentStatus {
            release: release(),
            model: self.outbox.active_model_version()?,
            stream: self.stream,
            oldest,
            newest,
            cohort: self.link.config.model.cohort.clone(),
            clock,
        })
    }

    /// Said at a connection that has news, and again when the clock has become another matter.
    fn say_online(&mut self, status: AgentStatus) -> Result<(), SessionError> {
        self.link.said = Some(lasting(&status));
        // At QoS 1, so that a broker whose access list is against us says so.
        self.say(&LinkState::Online(status), QoS::AtLeastOnce).map(drop)
    }

    /// The retained acknowledgement comes with each connection. The model comes only if the broker did not know us,
    /// or we have none: it is larger than all frames of a day together.
    fn subscriptions(&self, has_model: bool) -> [SubscribeFilter; 2] {
        // An acknowledgement that gets lost is made good by the next, so it needs none of its own.
        let ack = SubscribeFilter::new(Topic::Ack(&self.link.tail).to_string(), QoS::AtMostOnce);
        let model = Topic::Model(&self.link.config.model.cohort).to_string();
        let mut model = SubscribeFilter::new(model, QoS::AtLeastOnce);
        if has_model {
            model.retain_forward_rule = RetainForwardRule::OnNewSubscribe;
        }
        [ack, model]
    }

    fn say(&self, state: &LinkState, qos: QoS) -> Result<PublishNotice, SessionError> {
        let mut payload = Vec::new();
        state.write(&mut payload)?;
        let options = PublishOptions::new(qos).retained();
        Ok(self.client.try_publish_tracked(Topic::Status(&self.link.tail).to_string(), payload, options)?)
    }

    /// Acknowledges a model once the engine has decided on it. Until then a broker that keeps our session keeps the model.
    fn settle_model(&mut self) -> Result<(), SessionError> {
        if let Some(model) = self.model.take_if(|model| model.is_decided.load(Ordering::Acquire)) {
            self.client.try_ack(&model.publish)?;
        }
        Ok(())
    }

    /// A broker sends the next only when this one is acknowledged; from one that does not keep to that, the one before
    /// comes again with the next connection.
    fn hold_model(&mut self, publish: &Publish) {
        let (is_decided, wake) = (Arc::new(AtomicBool::new(false)), Arc::clone(&self.link.wake));
        let decided = Arc::clone(&is_decided);
        let on_decided = Box::new(move || {
            decided.store(true, Ordering::Release);
            wake.notify_one();
        });
        self.link.intake.model(OfferedModel { bundle: publish.payload.to_vec(), on_decided });
        self.model = Some(HeldModel { publish: publish.clone(), since: Instant::now(), is_decided });
    }

    fn received(&mut self, publish: &Publish) -> Result<(), SessionError> {
        let model_topic = Topic::Model(&self.link.config.model.cohort).to_string();
        if publish.payload.is_empty() {
            // A retained word that was taken back.
            self.client.try_ack(publish)?;
        } else if publish.topic == model_topic.as_bytes() {
            self.hold_model(publish);
        } else if publish.topic == Topic::Ack(&self.link.tail).to_string().as_bytes() {
            match Committed::parse(&publish.payload) {
                Ok(committed) => self.acknowledged(committed),
                Err(error) => tracing::warn!("an acknowledgement is not understood: {error}"),
            }
        } else {
            // The broker remembers a cohort that we belonged to before.
            let topic = String::from_utf8_lossy(&publish.topic);
            tracing::info!(%topic, "no longer of interest");
            self.client.try_unsubscribe(topic)?;
            self.client.try_ack(publish)?;
        }
        self.link.intake.hand_over();
        Ok(())
    }

    fn acknowledged(&mut self, committed: Committed) {
        let Some(sender) = &mut self.sender else { return };
        if committed.stream == self.stream {
            sender.committed(committed.seq, Instant::now());
            self.news_at = Instant::now();
            self.link.intake.committed(committed);
        } else {
            // The ground knows an earlier database of this aircraft, so it has nothing of this one.
            sender.committed(FrameSeq(0), Instant::now());
        }
    }

    /// Says that we go, and goes.
    async fn farewell(&mut self, state: &LinkState, patience: Duration) {
        if self.sender.is_none() {
            return;
        }
        let Ok(said) = self.say(state, QoS::AtMostOnce) else { return };
        let stop = Arc::clone(&self.link.stop);
        // The goodbye makes the last will void, so it must not overtake the word. Once that is written, the broker has it
        // before the goodbye, or has neither: then the line has broken, and the last will says so.
        let leave = async {
            if said.wait_completion_async().await.is_ok() {
                let _ = self.client.disconnect_with_timeout(patience).await;
            }
        };
        // A model that comes now is not acknowledged, and comes again.
        let listen = async { while let Some(Ok(_)) = self.poller.events.recv().await {} };
        tokio::select! {
            ((), ()) = async { tokio::join!(leave, listen) } => {}
            () = out_of_patience(patience, &stop) => tracing::info!("the broker did not take leave in time"),
        }
    }
}

/// Waits for so long, and hastily once the agent stops.
async fn out_of_patience(patience: Duration, stop: &AtomicBool) {
    let began = Instant::now();
    while began.elapsed() < patience && !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(TICK.min(patience)).await;
    }
    tokio::time::sleep(HASTY_FAREWELL.min(patience.saturating_sub(began.elapsed()))).await;
}

/// What stays the same while frames come and go.
fn lasting(status: &AgentStatus) -> AgentStatus {
    AgentStatus { oldest: FrameSeq(0), newest: FrameSeq(0), ..status.clone() }
}
