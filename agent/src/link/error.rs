//! What ends a connection.

use std::time::Duration;

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::wire::WireError;
use rumqttc::{ClientError, ConnectionError};

use super::{LinkError, broker};
use crate::config::LinkConfig;
use crate::store::StoreError;

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
