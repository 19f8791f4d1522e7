//! One connection: its requests one after the other, within limits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tower::Service;

use super::Stop;
use super::linger::Lingering;
use super::taken::Taken;

/// What clients can make a server hold. What a request's body may be is for its handler to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Connections at a time; more wait to be accepted.
    pub(crate) connections: usize,
    /// Bytes of a request's head.
    pub(crate) head_bytes: usize,
    /// How long the next request's head may take to be there, from the connection's start or the last answer.
    pub(crate) head: Duration,
    /// How long a client may leave bytes of an answer unread.
    pub(crate) unread: Duration,
    /// How long a TLS handshake may take.
    pub(crate) handshake: Duration,
    /// Where a connection is for one request: how long it may last.
    pub(crate) single: Option<Duration>,
    /// How long requests in hand may still take when the server stops.
    pub(crate) grace: Duration,
}

pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: &Limits,
    tls: Option<Arc<rustls::ServerConfig>>,
    stop: Stop,
) {
    // A small answer is not held back for more to come; and a client that reads nothing is cut off by the system.
    // Where the system does not know one of them, the connection works all the same.
    let _ = stream.set_nodelay(true);
    let unread = u32::try_from(limits.unread.as_millis()).unwrap_or(u32::MAX);
    let _ = setsockopt(&stream, sockopt::TcpUserTimeout, &unread);
    let stream = Lingering::new(stream);
    let Some(tls) = tls else {
        return requests(stream, peer, router, limits, stop).await;
    };
    let handshake = tokio::time::timeout(limits.handshake, TlsAcceptor::from(tls).accept(stream));
    // What goes wrong here is the client's affair.
    if let Ok(Ok(stream)) = handshake.await {
        requests(stream, peer, router, limits, stop).await;
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    router: Router,
    limits: &Limits,
    mut stop: Stop,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (mut request, rest) = Taken::watch(request);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router.clone().call(request);
        async move { answer.await.map(|response| rest.told_in(response)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes)
        // A client may end its side once it has asked.
        .half_close(true)
        .keep_alive(limits.single.is_none())
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let lifetime = async {
        match limits.single {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        // What goes wrong here is the client's affair.
        _ = connection.as_mut() => return,
        () = lifetime => return,
        () = stop.told() => connection.as_mut().graceful_shutdown(),
    }
    // Cut off by the server's end, if it takes too long.
    let _ = connection.await;
}
