use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::{get, post};

use super::*;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Those of time are reached by nobody who asks and reads, on the busiest machine.
const LIMITS: Limits = Limits {
    connections: 2,
    head_bytes: 8 << 10,
    head: PATIENCE,
    unread: PATIENCE,
    handshake: PATIENCE,
    single: None,
    grace: PATIENCE,
};

fn serve(limits: Limits, router: Router) -> Server {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listen = Listen { address, purpose: "the test", setting: "test.listen", threads: 2 };
    Server::start(listen, move |_| Ok::<_, ListenError>(Site { router, limits, tls: None }))
        .expect("a free port")
}

fn here() -> Router {
    Router::new().route("/", get(async || "here"))
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream
}

fn send(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).expect("sent");
}

/// Everything up to the connection's end, which must come.
fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    if let Err(error) = stream.read_to_end(&mut text) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// One answer to a request that keeps its connection.
fn answer(stream: &mut TcpStream, length: usize) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        text.extend(byte);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    text.extend(body);
    String::from_utf8(text).expect("text")
}

#[test]
fn a_connection_takes_one_request_after_the_other() {
    let server = serve(LIMITS, here());
    let mut stream = connect(&server);
    for _ in 0..3 {
        send(&mut stream, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer(&mut stream, 4).ends_with("here"));
    }
    send(&mut stream, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(rest(&mut stream).ends_with("here"));
}

#[test]
fn a_connection_that_asks_nothing_or_too_slowly_is_closed() {
    let server = serve(Limits { head: Duration::from_millis(300), ..LIMITS }, here());
    let mut silent = connect(&server);
    assert_eq!(rest(&mut silent), "");
    let mut slow = connect(&server);
    send(&mut slow, b"GET / HTTP/1.1\r\nHost: x\r\n");
    assert!(!rest(&mut slow).contains("200"));
    // This one must not be taken for silent before it has asked.
    let server = serve(Limits { head: Duration::from_secs(3), ..LIMITS }, here());
    let mut idle = connect(&server);
    send(&mut idle, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(rest(&mut idle).ends_with("here"), "answered, then closed for lying idle");
}

#[test]
fn a_head_without_end_is_refused() {
    let server = serve(LIMITS, here());
    let mut stream = connect(&server);
    send(&mut stream, b"GET / HTTP/1.1\r\nX: ");
    // It may be cut off while it still sends.
    let _ = stream.write_all(&[b'y'; 100_000]);
    assert!(rest(&mut stream).starts_with("HTTP/1.1 431 "));
    let mut stream = connect(&server);
    send(&mut stream, b"no http at all\r\n\r\n");
    assert!(rest(&mut stream).starts_with("HTTP/1.1 400 "));
}

#[test]
fn a_client_that_has_closed_its_side_still_gets_its_answer() {
    let server = serve(LIMITS, here());
    let mut stream = connect(&server);
    send(&mut stream, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    assert!(rest(&mut stream).ends_with("here"));
}

#[test]
fn more_connections_than_allowed_wait_for_their_turn() {
    let server = serve(Limits { head: Duration::from_secs(1), ..LIMITS }, here());
    let silent: Vec<_> = (0..6).map(|_| connect(&server)).collect();
    let mut stream = connect(&server);
    send(&mut stream, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(rest(&mut stream).ends_with("here"), "the silent ones were closed one after the other");
    drop(silent);
}

/// The system would reset the connection, and the client, still sending, would never see the answer.
#[test]
fn a_body_that_is_refused_unread_does_not_cost_the_client_its_answer() {
    let server =
        serve(LIMITS, Router::new().route("/", post(async || (StatusCode::PAYLOAD_TOO_LARGE, "too large"))));
    let mut stream = connect(&server);
    send(&mut stream, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n");
    send(&mut stream, &vec![b'x'; 20_000_000]);
    assert!(rest(&mut stream).ends_with("too large"));
}

/// A client that is not told sends its next request into a connection that ends.
#[test]
fn a_client_whose_body_was_not_taken_is_told_that_the_connection_ends() {
    let refuses = Router::new().route("/", post(async || (StatusCode::FORBIDDEN, "no")));
    let server = serve(LIMITS, refuses);
    let mut stream = connect(&server);
    send(&mut stream, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n");
    let answer = rest(&mut stream);
    assert!(answer.contains("\r\nconnection: close\r\n") && answer.ends_with("no"), "{answer}");
}

#[test]
fn a_connection_goes_on_after_a_body_that_was_taken() {
    let takes = Router::new().route("/", post(async |body: String| body));
    let server = serve(LIMITS, takes);
    let mut stream = connect(&server);
    for framed in [
        &b"Content-Length: 4\r\n\r\ntake"[..],
        b"Transfer-Encoding: chunked\r\n\r\n4\r\ntake\r\n0\r\n\r\n",
        b"Content-Length: 4\r\n\r\ntake",
    ] {
        send(&mut stream, b"POST / HTTP/1.1\r\nHost: x\r\n");
        send(&mut stream, framed);
        let answer = answer(&mut stream, 4);
        assert!(answer.ends_with("take") && !answer.contains("connection: close"), "{answer}");
    }
}

/// Says when it is dropped.
struct Held(mpsc::Sender<()>);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[test]
fn a_client_that_reads_nothing_is_cut_off() {
    let (sender, dropped) = mpsc::channel();
    let endless = async move || {
        let held = Held(sender);
        let parts = futures::stream::repeat_with(move || {
            let Held(_) = &held;
            Ok::<_, std::convert::Infallible>(vec![0_u8; 64 << 10])
        });
        Body::from_stream(parts)
    };
    let limits = Limits { unread: Duration::from_millis(500), ..LIMITS };
    let server = serve(limits, Router::new().route("/", get(endless)));
    let mut stream = connect(&server);
    send(&mut stream, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.read_exact(&mut [0]).expect("it answers");
    // The router's own copy is dropped with the server, which still lives.
    dropped.recv_timeout(PATIENCE).expect("the answer was given up");
    drop(server);
}

#[test]
fn a_server_that_stops_answers_what_it_has_begun_and_takes_no_more() {
    let (begun, has_begun) = mpsc::channel();
    let slow = async move || {
        begun.send(()).expect("the test waits");
        tokio::time::sleep(Duration::from_millis(300)).await;
        "done"
    };
    let server = serve(LIMITS, Router::new().route("/slow", get(slow)));
    let address = server.address();
    let mut stream = connect(&server);
    send(&mut stream, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    has_begun.recv_timeout(PATIENCE).expect("it has begun");
    drop(server);
    assert!(rest(&mut stream).ends_with("done"));
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
}

#[test]
fn what_takes_longer_than_the_grace_is_cut_off() {
    let (begun, has_begun) = mpsc::channel();
    let endless = async move || {
        begun.send(()).expect("the test waits");
        std::future::pending::<()>().await;
    };
    let limits = Limits { grace: Duration::from_millis(100), ..LIMITS };
    let server = serve(limits, Router::new().route("/", get(endless)));
    let mut stream = connect(&server);
    send(&mut stream, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    has_begun.recv_timeout(PATIENCE).expect("it has begun");
    let before = Instant::now();
    drop(server);
    assert!(before.elapsed() < PATIENCE);
    assert_eq!(rest(&mut stream), "");
}

#[test]
fn an_answer_that_goes_on_is_told_when_the_server_stops() {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listen = Listen { address, purpose: "the test", setting: "test.listen", threads: 2 };
    let (begun, has_begun) = mpsc::channel();
    let site = move |stop: Stop| {
        let wait = async move || {
            begun.send(()).expect("the test waits");
            stop.clone().told().await;
            "stopped"
        };
        let site = Site { router: Router::new().route("/", get(wait)), limits: LIMITS, tls: None };
        Ok::<_, ListenError>(site)
    };
    let server = Server::start(listen, site).expect("a free port");
    let mut stream = connect(&server);
    send(&mut stream, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    has_begun.recv_timeout(PATIENCE).expect("it has begun");
    drop(server);
    assert!(rest(&mut stream).ends_with("stopped"));
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_the_setting() {
    let server = serve(LIMITS, here());
    let listen =
        Listen { address: server.address(), purpose: "the test", setting: "test.listen", threads: 1 };
    let site = |_| Ok::<_, ListenError>(Site { router: here(), limits: LIMITS, tls: None });
    let error = Server::start(listen, site).expect_err("taken").to_string();
    assert!(error.contains("test.listen") && error.contains(&server.address().to_string()), "{error}");
}
