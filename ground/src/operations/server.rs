//! `/healthz`, `/readyz` and `/metrics` of a process that runs until it is told to stop, over HTTP.
//!
//! The server has a thread of its own, so that it answers also while the process' work does not go on. It reads no
//! bodies.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use crate::http::{self, Limits, Listen, ListenError, Site, json};

const LIMITS: Limits = Limits {
    connections: 16,
    head_bytes: 16 << 10,
    head: Duration::from_secs(5),
    unread: Duration::from_secs(5),
    handshake: Duration::from_secs(5),
    single: Some(Duration::from_secs(15)),
    grace: Duration::ZERO,
};
/// The text format's name; `/metrics` is OpenMetrics, which Prometheus has read since 2.5.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What operators can ask of a running process.
pub trait Operated: Clone + Send + Sync + 'static {
    /// Why it does not go on, and should be started anew; `None` while it does.
    fn hangs(&self) -> Option<String>;

    /// Why it can't do its work at the moment; empty while it can.
    fn not_ready(&self) -> Vec<String>;

    /// All metrics, in the OpenMetrics text format.
    ///
    /// # Errors
    /// By a mistake in the program only.
    fn metrics(&self) -> Result<String, fmt::Error>;
}

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Server(http::Server);

impl Server {
    /// Listens, and answers from now on.
    ///
    /// # Errors
    /// When the address can't be listened on.
    pub fn start(address: SocketAddr, operated: impl Operated) -> Result<Self, ListenError> {
        let listen = Listen { address, purpose: "metrics", setting: "metrics.listen", threads: 1 };
        let site = |_| Ok::<_, ListenError>(Site { router: router(operated), limits: LIMITS, tls: None });
        let server = http::Server::start(listen, site)?;
        tracing::info!(address = %server.address(), "answering /healthz, /readyz and /metrics");
        Ok(Self(server))
    }

    /// Where it listens: the port the system gave, where 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.0.address()
    }
}

fn router<O: Operated>(operated: O) -> Router {
    Router::new()
        .route("/healthz", get(health::<O>))
        .route("/readyz", get(readiness::<O>))
        .route("/metrics", get(metrics::<O>))
        .with_state(operated)
}

async fn health<O: Operated>(State(operated): State<O>) -> Response {
    match operated.hangs() {
        None => json(StatusCode::OK, &json!({ "alive": true })),
        Some(reason) => {
            json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "alive": false, "reasons": [reason] }))
        }
    }
}

async fn readiness<O: Operated>(State(operated): State<O>) -> Response {
    let reasons = operated.not_ready();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &json!({ "ready": reasons.is_empty(), "reasons": reasons }))
}

async fn metrics<O: Operated>(State(operated): State<O>) -> Response {
    match operated.metrics() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot write the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
