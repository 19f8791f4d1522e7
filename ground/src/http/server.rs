//! A server: a listener and its connections, on threads of their own.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};

use super::connection::{self, Limits};
use super::stop::Stop;

/// Before the next attempt, when the system gives no connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Gives each new connection the certificate of the day; none where connections are plain.
pub(crate) type TlsSource = Option<Arc<dyn Fn() -> Arc<rustls::ServerConfig> + Send + Sync>>;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {purpose} ({setting}): {source}")]
pub struct ListenError {
    /// Where.
    pub address: SocketAddr,
    /// What for.
    pub purpose: &'static str,
    /// The setting that says where.
    pub setting: &'static str,
    /// What the system said.
    pub source: io::Error,
}

/// Where to listen, and how that is spoken of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listen {
    pub(crate) address: SocketAddr,
    /// What for; also the name of the thread.
    pub(crate) purpose: &'static str,
    /// The setting that says where.
    pub(crate) setting: &'static str,
    /// Threads that answer.
    pub(crate) threads: usize,
}

/// What is served.
pub(crate) struct Site {
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) tls: TlsSource,
}

/// A running server. Dropping it ends it: no connection is accepted any more, requests in hand are finished within
/// the grace that its limits give, and the rest is cut off.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens, and answers from now on. `site` is made within the server's runtime: it may start tasks there.
    pub(crate) fn start<E: From<ListenError>>(
        listen: Listen,
        site: impl FnOnce(Stop) -> Result<Site, E>,
    ) -> Result<Self, E> {
        let Listen { address, purpose, setting, threads } = listen;
        let failed = |source| ListenError { address, purpose, setting, source };
        let listener = StdListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let runtime = runtime(purpose, threads).map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let stopped = Stop::new(stopped);
        let site = {
            let _within = runtime.enter();
            site(stopped.clone())?
        };
        let serve = move || {
            runtime.block_on(accept(listener, site, purpose, stopped));
            // A handler that blocks a thread must not keep the process.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name(purpose.to_owned()).spawn(serve).map_err(failed)?;
        Ok(Self { address: bound, stop, thread: Some(thread) })
    }

    /// Where it listens: the port the system gave, where 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // It can only have ended by a panic, which has been printed then.
            let _ = thread.join();
        }
    }
}

fn runtime(name: &str, threads: usize) -> io::Result<Runtime> {
    if threads <= 1 {
        return Builder::new_current_thread().enable_all().build();
    }
    Builder::new_multi_thread().worker_threads(threads).thread_name(name).enable_all().build()
}

async fn accept(listener: StdListener, site: Site, purpose: &'static str, mut stop: Stop) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot answer for {purpose}");
            return;
        }
    };
    let Site { router, limits, tls } = site;
    let connections = Arc::new(Semaphore::new(limits.connections));
    loop {
        let next = async {
            // The semaphore is never closed.
            let permit = Arc::clone(&connections).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = stop.told() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (router, stop) = (router.clone(), stop.clone());
                let tls = tls.as_ref().map(|current| current());
                tokio::spawn(async move {
                    connection::serve(stream, peer, router, &limits, tls, stop).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection for {purpose}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    // Whether they end in time or are cut off: this server is over.
    let _ = tokio::time::timeout(limits.grace, connections.acquire_many(all)).await;
}
