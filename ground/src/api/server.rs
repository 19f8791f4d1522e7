//! The API's server.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::Router;
use cabinwatch_tls::TlsError;
use tokio::sync::Semaphore;

use super::audit::{AuditError, AuditLog};
use super::batch::MAX_BATCHES;
use super::gate::Gate;
use super::keys::Keys;
use super::model::Models;
use super::monitor::Monitor;
use super::router;
use super::score::Api;
use super::tls::Certificate;
use crate::config::{ApiConfig, Config};
use crate::http::{self, Limits, Listen, ListenError, Site, Stop, TlsSource};

/// Bytes of a request's head.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// How long a TLS handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long a client may leave bytes of an answer unread.
const UNREAD_LIMIT: Duration = Duration::from_secs(30);
/// How long requests in hand may take when the server is told to stop.
const GRACE: Duration = Duration::from_secs(8);
/// How often files that may be replaced are looked at.
const REFRESH_EVERY: Duration = Duration::from_secs(2);
/// Threads that answer: an event costs microseconds, and each thread costs memory.
const MAX_THREADS: usize = 4;

/// Why the API does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The pages.
    #[error("the pages cannot be shown: {0}")]
    Pages(io::Error),
}

impl ServerError {
    /// Whether the configuration is wrong.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

/// Makes the pages for people, which live at the same address. They end their long answers when the server stops.
pub type Pages = Box<dyn FnOnce(Stop) -> io::Result<Router>>;

/// What the API is made of, beside its settings.
pub struct Parts {
    /// Who may ask.
    pub keys: Arc<Keys>,
    /// The pages for people, if there are tables to show.
    pub pages: Option<Pages>,
    /// What operators are told.
    pub monitor: Monitor,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, pages, monitor: _ } = self;
        f.debug_struct("Parts").field("keys", keys).field("pages", &pages.is_some()).finish_non_exhaustive()
    }
}

/// The running API. Dropping it ends it: requests in hand are answered, then the audit log is written to its end.
#[derive(Debug)]
pub struct Server {
    http: http::Server,
    /// Dropped after the server that feeds it.
    _audit: AuditLog,
}

impl Server {
    /// Listens, and answers from now on.
    ///
    /// # Errors
    /// When the address can't be listened on, the audit log can't be written, or the certificate is none.
    pub fn start(config: &Config, parts: Parts) -> Result<Self, ServerError> {
        let Parts { keys, pages, monitor } = parts;
        let certificate = Certificate::open(&config.api)?.map(Arc::new);
        let audit = AuditLog::open(&config.api, &monitor)?;
        let api = api(config, keys, &audit, monitor);
        let limits = limits(&config.api);
        let renewed = certificate.clone();
        let site = move |stop: Stop| -> Result<Site, ServerError> {
            tokio::spawn(refresh(Arc::clone(&api), renewed));
            let tls: TlsSource = certificate.map(|certificate| -> Arc<dyn Fn() -> _ + Send + Sync> {
                Arc::new(move || certificate.current())
            });
            let pages = pages.map(|pages| pages(stop)).transpose().map_err(ServerError::Pages)?;
            Ok(Site { router: router::router(api, pages), limits, tls })
        };
        let server = http::Server::start(listen(&config.api), site)?;
        let plain = config.api.tls_certificate_file.as_os_str().is_empty();
        if plain && !server.address().ip().is_loopback() {
            tracing::warn!(
                "keys and events go over the network unencrypted: set api.tls_certificate_file and \
                 api.tls_key_file, or let only a proxy that speaks TLS reach this port"
            );
        }
        tracing::info!(address = %server.address(), tls = !plain, "the API answers");
        Ok(Self { http: server, _audit: audit })
    }

    /// Where it listens: the port the system gave, where 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.http.address()
    }
}

/// What requests are answered from.
pub(super) fn api(config: &Config, keys: Arc<Keys>, audit: &AuditLog, monitor: Monitor) -> Arc<Api> {
    Arc::new(Api {
        gate: Gate::new(keys, &config.api),
        models: Models::open(&config.model.dir, &monitor),
        audit: audit.handle(),
        monitor,
        batches: Arc::new(Semaphore::new(MAX_BATCHES)),
        config: config.api.clone(),
    })
}

fn listen(api: &ApiConfig) -> Listen {
    // The configuration has been checked.
    let address = api.address().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 8000)));
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MAX_THREADS);
    Listen { address, purpose: "the API", setting: "api.listen", threads }
}

fn limits(api: &ApiConfig) -> Limits {
    Limits {
        connections: usize::try_from(api.max_connections).unwrap_or(usize::MAX),
        head_bytes: MAX_HEAD_BYTES,
        head: Duration::from_secs(api.idle_timeout_seconds.into()),
        unread: UNREAD_LIMIT,
        handshake: HANDSHAKE_LIMIT,
        single: None,
        grace: GRACE,
    }
}

/// Takes up what is new in the files that others replace.
async fn refresh(api: Arc<Api>, certificate: Option<Arc<Certificate>>) {
    loop {
        tokio::time::sleep(REFRESH_EVERY).await;
        let (api, certificate) = (Arc::clone(&api), certificate.clone());
        // Reading a model takes a while. It can only end early by a panic, which has been printed then.
        let _ = tokio::task::spawn_blocking(move || {
            api.models.refresh(&api.monitor);
            if let Some(certificate) = certificate {
                certificate.refresh();
            }
        })
        .await;
    }
}

#[cfg(test)]
mod tests;
