//! `/healthz`, `/readyz` and `/metrics` of a running ingest, over HTTP.
//!
//! The server has a thread of its own, so that it answers also while ingest's loop does not. Everything a client can
//! make it hold is bounded: connections, headers, time. It reads no bodies.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

use super::exposition;
use crate::ingest::Monitor;

/// Connections at a time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 16;
/// Bytes of a request's head.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// How long a request's head may take to arrive.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// How long a connection may last: one request, one answer.
const CONNECTION_LIMIT: Duration = Duration::from_secs(15);
/// Before the next attempt, when the system gives no connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// The text format's name; `/metrics` is OpenMetrics, which Prometheus has read since 2.5.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for metrics (metrics.listen): {source}")]
pub struct ServerError {
    /// Where.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens, and answers from now on.
    ///
    /// # Errors
    /// When the address can't be listened on.
    pub fn start(address: SocketAddr, monitor: Monitor) -> Result<Self, ServerError> {
        let failed = |source| ServerError { address, source };
        let listener = StdListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, monitor) => {}
                    // Its sender is gone: the server was dropped.
                    _ = stopped => {}
                }
            });
        };
        let thread = thread::Builder::new().name("operations".to_owned()).spawn(serve).map_err(failed)?;
        tracing::info!(address = %bound, "answering /healthz, /readyz and /metrics");
        Ok(Self { address: bound, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens: the port the system gave, where 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It can only have ended by a panic, which has been printed then.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: StdListener, monitor: Monitor) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot answer for metrics");
            return;
        }
    };
    let router = router(monitor);
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // The semaphore is never closed.
    while let Ok(permit) = Arc::clone(&connections).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    answer(stream, router).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection for metrics");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(MAX_HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // What goes wrong here is the client's affair.
    let _ = tokio::time::timeout(CONNECTION_LIMIT, connection).await;
}

fn router(monitor: Monitor) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .route("/metrics", get(metrics))
        .with_state(monitor)
}

async fn health(State(monitor): State<Monitor>) -> Response {
    match monitor.snapshot().hangs(Instant::now()) {
        None => json(StatusCode::OK, &json!({ "alive": true })),
        Some(reason) => {
            json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "alive": false, "reasons": [reason] }))
        }
    }
}

async fn readiness(State(monitor): State<Monitor>) -> Response {
    let reasons = monitor.snapshot().not_ready(Instant::now());
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &json!({ "ready": reasons.is_empty(), "reasons": reasons }))
}

async fn metrics(State(monitor): State<Monitor>) -> Response {
    match exposition::ingest(&monitor) {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot write the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{value}\n")).into_response()
}
