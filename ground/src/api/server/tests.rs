//! The API as it runs: its port, its certificate, what stalls.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

use cabinwatch_tests::authority::Authority;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

use super::super::fixture::{KEY, keys, normal, odd, put_model};
use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

/// A running server, and what it writes.
fn start(dir: &Path, change: impl FnOnce(&mut Config)) -> Server {
    let mut config = Config::default();
    config.model.dir = dir.to_owned();
    config.api.listen = "0".to_owned();
    config.api.audit_file = dir.join("audit.ndjson");
    change(&mut config);
    Server::start(&config, Parts { keys: keys(), pages: None, monitor: Monitor::default() })
        .expect("it starts")
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream
}

fn request(body: &str) -> String {
    format!(
        "POST /event HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn rest(mut stream: impl Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer, and its end");
    text
}

#[test]
fn a_server_answers_on_its_port_and_takes_up_a_model_by_itself() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = start(dir.path(), |_| ());
    let ask = || {
        let mut stream = connect(&server);
        stream.write_all(request(&odd().to_string()).as_bytes()).expect("sent");
        rest(stream)
    };
    assert!(ask().starts_with("HTTP/1.1 503 "));
    put_model(dir.path());
    let began = Instant::now();
    while !ask().starts_with("HTTP/1.1 200 ") {
        assert!(began.elapsed() < PATIENCE, "the model is not noticed");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(server);
    let log = std::fs::read_to_string(dir.path().join("audit.ndjson")).expect("a log");
    assert_eq!(log.lines().count(), 1, "what was answered is logged when the server has ended: {log}");
}

#[test]
fn a_body_that_stalls_costs_its_connection_only() {
    let dir = tempfile::tempdir().expect("a folder");
    put_model(dir.path());
    let server = start(dir.path(), |config| config.api.body_timeout_seconds = 1);
    let mut stalled = connect(&server);
    let request = request(&normal().to_string());
    stalled.write_all(&request.as_bytes()[..request.len() - 5]).expect("sent");
    let mut quick = connect(&server);
    quick.write_all(request.as_bytes()).expect("sent");
    assert!(rest(quick).starts_with("HTTP/1.1 200 "));
    assert!(rest(stalled).starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_huge_body_is_refused_before_it_is_sent() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = start(dir.path(), |_| ());
    let mut stream = connect(&server);
    let head = format!(
        "POST /event HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nExpect: 100-continue\r\nContent-Length: 1000000000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("sent");
    assert!(rest(stream).starts_with("HTTP/1.1 413 "), "and no 100 before");
}

/// One request by TLS from a client that trusts only this authority; nothing where the two don't agree.
fn ask_by_tls(server: &Server, authority: &Authority) -> Option<String> {
    let mut roots = rustls::RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(authority.certificate().as_bytes()).expect("PEM");
    roots.add(certificate).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut stream = rustls::StreamOwned::new(client, connect(server));
    stream.write_all(request(&normal().to_string()).as_bytes()).ok()?;
    Some(rest(stream))
}

#[test]
fn tls_keeps_plain_clients_out_and_takes_up_a_renewed_certificate() {
    let dir = tempfile::tempdir().expect("a folder");
    put_model(dir.path());
    let file = |name: &str| dir.path().join(name);
    let put = |authority: &Authority| {
        let identity = authority.issue("ground");
        std::fs::write(file("server.key"), &identity.key).expect("written");
        std::fs::write(file("server.pem"), &identity.certificate).expect("written");
    };
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    put(&first);
    let server = start(dir.path(), |config| {
        config.api.tls_certificate_file = file("server.pem");
        config.api.tls_key_file = file("server.key");
    });
    assert!(ask_by_tls(&server, &first).is_some_and(|answer| answer.starts_with("HTTP/1.1 200 ")));
    let mut plain = connect(&server);
    plain.write_all(request("{}").as_bytes()).expect("sent");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "an alert at most");
    put(&second);
    let began = Instant::now();
    while ask_by_tls(&server, &second).is_none() {
        assert!(began.elapsed() < PATIENCE, "the new certificate is not noticed");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_certificate_without_its_key_is_no_start() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut config = Config::default();
    config.api.listen = "0".to_owned();
    config.api.tls_certificate_file = dir.path().join("server.pem");
    let parts = Parts { keys: keys(), pages: None, monitor: Monitor::default() };
    let error = Server::start(&config, parts).expect_err("half a pair");
    assert!(error.is_usage() && error.to_string().contains("api.tls_key_file"), "{error}");
}
