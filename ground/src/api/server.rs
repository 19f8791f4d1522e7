//! The API's server.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::Router;

use super::keys::Keys;
use super::router;
use crate::config::Config;
use crate::http::{self, Limits, Listen, ListenError, Site, Stop};

/// Bytes of a request's head.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// How long a TLS handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long a client may leave bytes of an answer unread.
const UNREAD_LIMIT: Duration = Duration::from_secs(30);
/// How long requests in hand may take when the server is told to stop.
const GRACE: Duration = Duration::from_secs(8);
/// Threads that answer: an event costs microseconds, and each thread costs memory.
const MAX_THREADS: usize = 4;

/// Why the API does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// Makes the pages for people, which live at the same address. They end their long answers when the server stops.
pub type Pages = Box<dyn FnOnce(Stop) -> Router + Send>;

/// What the API is made of, beside its settings.
pub struct Parts {
    /// Who may ask.
    pub keys: Arc<Keys>,
    /// The pages for people, if there are tables to show.
    pub pages: Option<Pages>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, pages } = self;
        f.debug_struct("Parts").field("keys", keys).field("pages", &pages.is_some()).finish()
    }
}

/// The running API. Dropping it ends it, after the requests in hand.
#[derive(Debug)]
pub struct Server(http::Server);

impl Server {
    /// Listens, and answers from now on.
    ///
    /// # Errors
    /// When the address can't be listened on.
    pub fn start(config: &Config, parts: Parts) -> Result<Self, ServerError> {
        let api = &config.api;
        // The configuration has been checked.
        let address = api.address().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 8000)));
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MAX_THREADS);
        let listen = Listen { address, purpose: "the API", setting: "api.listen", threads };
        let limits = Limits {
            connections: usize::try_from(api.max_connections).unwrap_or(usize::MAX),
            head_bytes: MAX_HEAD_BYTES,
            head: Duration::from_secs(api.idle_timeout_seconds.into()),
            unread: UNREAD_LIMIT,
            handshake: HANDSHAKE_LIMIT,
            single: None,
            grace: GRACE,
        };
        let Parts { keys: _, pages } = parts;
        let site = move |stop: Stop| {
            let pages = pages.map(|pages| pages(stop));
            Site { router: router::router(pages), limits, tls: None }
        };
        let server = http::Server::start(listen, site)?;
        if !server.address().ip().is_loopback() && api.tls_certificate_file.as_os_str().is_empty() {
            tracing::warn!(
                "keys and events go over the network unencrypted: set api.tls_certificate_file and \
                 api.tls_key_file, or let only a proxy that speaks TLS reach this port"
            );
        }
        tracing::info!(address = %server.address(), "the API answers");
        Ok(Self(server))
    }

    /// Where it listens: the port the system gave, where 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.0.address()
    }
}
