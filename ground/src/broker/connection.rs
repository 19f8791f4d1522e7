//! One connection to a broker, from CONNECT to its end. A connection that breaks is not mended: the caller makes a
//! new one, so that nothing of a broken one (a half-sent packet, an acknowledgement out of place) lives on.

use std::time::Duration;

use rumqttc::{
    AsyncClient, ClientError, Event, EventLoop, Incoming, MqttOptions, Publish, PublishOptions, QoS,
    SubscribeFilter, SubscribeReasonCode,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::refusal;
use crate::config::BrokerConfig;

/// Requests that may wait for the network.
const REQUESTS: usize = 1024;
/// How long a graceful end may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// A message that came in. Keep it until it may be acknowledged.
pub type Delivery = Publish;

/// What happens on a connection.
#[derive(Debug)]
pub enum LinkEvent {
    /// The broker has accepted the connection.
    Connected {
        /// Whether it had kept the session.
        session_present: bool,
    },
    /// The broker has accepted a subscription.
    Subscribed,
    /// The broker has taken a subscription back: what it had sent before has come.
    Unsubscribed,
    /// A message.
    Message(Delivery),
    /// The connection is over.
    Over(Ending),
}

/// How a connection ended, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It broke, could not be made, or the broker ended it.
    Lost(String),
    /// The broker does not let us do what we are here for: only a person can change that.
    Denied(String),
}

/// A connection that is driven in the background, until it is dropped.
#[derive(Debug)]
pub struct Connection {
    client: AsyncClient,
    events: mpsc::UnboundedReceiver<LinkEvent>,
    driver: JoinSet<()>,
    /// What was published and not confirmed yet.
    unconfirmed: JoinSet<()>,
}

impl Connection {
    /// Begins to connect; what comes of it, [`Self::next`] tells.
    #[must_use]
    pub fn open(config: &BrokerConfig, options: MqttOptions) -> Self {
        let (client, event_loop) = AsyncClient::builder(options).capacity(REQUESTS).build();
        // Not bounded here, or a caller that waits for the network would make the network wait for it. What is on
        // its way is bounded by the receive maximum.
        let (sender, events) = mpsc::unbounded_channel();
        let mut driver = JoinSet::new();
        driver.spawn(drive(event_loop, sender, config.clone()));
        Self { client, events, driver, unconfirmed: JoinSet::new() }
    }

    /// The next event. Safe to drop and call again.
    pub async fn next(&mut self) -> LinkEvent {
        match self.events.recv().await {
            Some(event) => event,
            None => LinkEvent::Over(Ending::Lost("the connection is closed".to_owned())),
        }
    }

    /// Why the connection is over, after a request failed: what has been told of its end but not been listened to yet,
    /// else what the request's error says.
    pub fn ending(&mut self, failed: &ClientError) -> Ending {
        while let Ok(event) = self.events.try_recv() {
            if let LinkEvent::Over(ending) = event {
                return ending;
            }
        }
        Ending::Lost(failed.to_string())
    }

    /// Subscribes at QoS 1.
    ///
    /// # Errors
    /// When the connection is over.
    pub async fn subscribe(&self, filters: impl IntoIterator<Item = String>) -> Result<(), ClientError> {
        let filters = filters.into_iter().map(|filter| SubscribeFilter::new(filter, QoS::AtLeastOnce));
        self.client.subscribe_many(filters).await
    }

    /// Takes a subscription back; what is on its way still comes.
    ///
    /// # Errors
    /// When the connection is over.
    pub async fn unsubscribe(&self, filter: String) -> Result<(), ClientError> {
        self.client.unsubscribe(filter).await
    }

    /// Tells the broker that a message is taken care of.
    ///
    /// # Errors
    /// When the connection is over.
    pub async fn acknowledge(&self, delivery: &Delivery) -> Result<(), ClientError> {
        self.client.ack(delivery).await
    }

    /// Publishes a retained message at QoS 1, and does not wait for it to arrive.
    ///
    /// # Errors
    /// When the connection is over.
    pub async fn publish_retained(&mut self, topic: String, payload: Vec<u8>) -> Result<(), ClientError> {
        let options = PublishOptions::at_least_once().retained();
        let notice = self.client.publish_tracked(topic, payload, options).await?;
        while self.unconfirmed.try_join_next().is_some() {}
        // What the broker has against it, the driver tells.
        self.unconfirmed.spawn(async move { drop(notice.wait_completion_async().await) });
        Ok(())
    }

    /// Sends what waits, says goodbye, and waits a moment for that to be done.
    pub async fn close(self) {
        let Self { client, events, mut driver, mut unconfirmed } = self;
        drop(events);
        let leave = async {
            // The client's goodbye overtakes what it was given to publish before.
            while unconfirmed.join_next().await.is_some() {}
            if client.disconnect_with_timeout(FAREWELL).await.is_ok() {
                driver.join_next().await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, leave).await;
    }
}

async fn drive(mut event_loop: EventLoop, events: mpsc::UnboundedSender<LinkEvent>, config: BrokerConfig) {
    loop {
        let event = match event_loop.poll().await {
            Ok(Event::Incoming(incoming)) => interpret(incoming),
            Ok(_) => None,
            Err(error) => Some(LinkEvent::Over(Ending::Lost(refusal::explain(&error, &config)))),
        };
        let Some(event) = event else { continue };
        let over = matches!(event, LinkEvent::Over(_));
        // On the way out nobody listens any more, but what waits is still to be sent.
        let _ = events.send(event);
        if over {
            break;
        }
    }
}

fn interpret(incoming: Incoming) -> Option<LinkEvent> {
    match incoming {
        Incoming::ConnAck(connack) => Some(LinkEvent::Connected { session_present: connack.session_present }),
        Incoming::Publish(publish) => Some(LinkEvent::Message(publish)),
        Incoming::SubAck(suback) => {
            let refused =
                suback.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
            Some(match refused {
                None => LinkEvent::Subscribed,
                Some(code) => LinkEvent::Over(Ending::Denied(refusal::unsubscribed(*code))),
            })
        }
        Incoming::UnsubAck(_) => Some(LinkEvent::Unsubscribed),
        Incoming::PubAck(puback) => {
            refusal::unpublished(puback.reason).map(|reason| LinkEvent::Over(Ending::Denied(reason)))
        }
        Incoming::Disconnect(disconnect) => {
            let reason = format!("the broker ends the connection: {:?}", disconnect.reason_code);
            Some(LinkEvent::Over(Ending::Lost(reason)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Embedded;

    #[tokio::test]
    async fn a_request_that_fails_tells_how_the_connection_ended() {
        let options = MqttOptions::new("test", ("127.0.0.1", 1));
        let (client, event_loop) = AsyncClient::builder(options).capacity(1).build();
        drop(event_loop);
        let (sender, events) = mpsc::unbounded_channel();
        let denied = Ending::Denied("the access list is against it".to_owned());
        for event in [LinkEvent::Subscribed, LinkEvent::Over(denied.clone())] {
            sender.send(event).expect("it listens");
        }
        let mut connection =
            Connection { client, events, driver: JoinSet::new(), unconfirmed: JoinSet::new() };
        let failed = connection.unsubscribe("x".to_owned()).await.expect_err("nobody drives it");
        assert_eq!(connection.ending(&failed), denied);
        assert_eq!(connection.ending(&failed), Ending::Lost(failed.to_string()), "where nothing was told");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_goodbye_comes_after_what_was_published() {
        const TOPICS: usize = 64;
        let broker = Embedded::start(([127, 0, 0, 1], 0).into()).expect("a broker");
        let config = BrokerConfig { url: broker.url(), ..BrokerConfig::default() };
        let port = broker.url().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let open = |id| Connection::open(&config, MqttOptions::new(id, ("127.0.0.1", port)));
        let mut leaves = open("leaves");
        assert!(matches!(leaves.next().await, LinkEvent::Connected { .. }));
        for topic in 0..TOPICS {
            leaves.publish_retained(format!("t/{topic}"), vec![1]).await.expect("taken");
        }
        leaves.close().await;
        let mut looks = open("looks");
        assert!(matches!(looks.next().await, LinkEvent::Connected { .. }));
        looks.subscribe(["t/+".to_owned()]).await.expect("taken");
        let mut seen = 0;
        while seen < TOPICS {
            match looks.next().await {
                LinkEvent::Message(_) => seen += 1,
                LinkEvent::Over(ending) => panic!("{ending:?} after {seen}"),
                _ => {}
            }
        }
    }
}
