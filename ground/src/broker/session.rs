//! What the client remembers of a session from the process before: nothing, and that is enough.

use std::pin::Pin;

use rumqttc::{PersistedAckMode, PersistedSession, SessionStore, SessionStoreError, SessionStoreKey};

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

/// Says that the process before left a session with nothing under way.
///
/// Without a store the client refuses a session that the broker kept, or (with the policy that allows it) takes
/// part in it without the right to publish at QoS 1 or to subscribe. An empty session is the truth that matters
/// here: what came in and was not acknowledged comes again from the broker, and the acknowledgements that were
/// going out are made anew from the tables.
#[derive(Debug)]
pub(super) struct ForgetfulStore(PersistedSession);

impl ForgetfulStore {
    pub fn new(client_id: &str, session_seconds: u32) -> Self {
        Self(PersistedSession {
            format_version: 1,
            client_id: client_id.to_owned(),
            clean_start: false,
            session_expiry_interval: Some(session_seconds),
            outgoing_inflight_upper_limit: None,
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
