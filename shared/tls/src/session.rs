//! What an MQTT client remembers of the session before: nothing, and that is enough.

use std::pin::Pin;

use rumqttc::{PersistedAckMode, PersistedSession, SessionStore, SessionStoreError, SessionStoreKey};

/// Says that the connection or process before left a session with nothing under way.
///
/// Without a store the client refuses a session that the broker kept, or (with the policy that allows it) takes
/// part in it without the right to publish at QoS 1 or to subscribe. An empty session is the truth that matters on both
/// sides: what came in and was not acknowledged comes again from the broker, and what was going out is made anew from
/// the aircraft's outbox, or the ground's tables.
#[derive(Debug)]
pub struct ForgetfulStore(PersistedSession);

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

impl ForgetfulStore {
    /// The client refuses a session unless these are its own settings: the broker keeps it for so many seconds, and so
    /// many messages may be in flight. Messages that come in are acknowledged by hand.
    #[must_use]
    pub fn new(client_id: &str, session_seconds: u32, in_flight: Option<u16>) -> Self {
        Self(PersistedSession {
            format_version: 1,
            client_id: client_id.to_owned(),
            clean_start: false,
            session_expiry_interval: Some(session_seconds),
            outgoing_inflight_upper_limit: in_flight,
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        })
    }
}

impl SessionStore for ForgetfulStore {
    fn load<'a>(&'a self, _: &'a SessionStoreKey) -> Answer<'a, Option<PersistedSession>> {
        Box::pin(async { Ok(Some(self.0.clone())) })
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}
