//! Just enough MQTT 5 to put one message on a broker, by hand: it shares no code with the programs under test, so
//! that it can also send what they never would.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH_QOS_1: u8 = 0x32;
const RETAIN: u8 = 0x01;
const PUBACK: u8 = 0x40;
const CLEAN_START: u8 = 0x02;
const HAS_USER: u8 = 0x80;
const HAS_PASSWORD: u8 = 0x40;
const LIMIT: Duration = Duration::from_secs(30);

/// The reason code with which a broker refuses what its access list does not grant.
pub const NOT_AUTHORIZED: u8 = 0x87;

/// How to get in.
#[derive(Clone, Debug)]
pub struct Access {
    /// The port, on 127.0.0.1.
    pub port: u16,
    /// The name of the session.
    pub client_id: String,
    /// User and password, if any.
    pub login: Option<(String, String)>,
    /// TLS, if any.
    pub tls: Option<Tls>,
}

/// The files of a TLS client.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The authority to trust.
    pub ca: PathBuf,
    /// Our own certificate and its key, if any.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Access {
    /// To a broker that lets everybody in.
    #[must_use]
    pub fn open(port: u16) -> Self {
        Self { port, client_id: "cabinwatch-test".to_owned(), login: None, tls: None }
    }
}

/// Publishes one message at QoS 1 and waits until the broker has it.
///
/// # Panics
/// When the broker does not take it.
pub fn publish(port: u16, topic: &str, payload: &[u8], retain: bool) {
    let reason = Client::connect(&Access::open(port)).publish(topic, payload, retain);
    assert!(reason < 0x80, "the broker refused the message: {reason:#x}");
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// A connection that the broker has accepted.
pub struct Client(Box<dyn Stream>);

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// When the broker does not let us in.
    #[must_use]
    pub fn connect(access: &Access) -> Self {
        let stream = TcpStream::connect(("localhost", access.port)).expect("the broker accepts connections");
        stream.set_read_timeout(Some(LIMIT)).expect("a timeout can be set");
        stream.set_write_timeout(Some(LIMIT)).expect("a timeout can be set");
        let mut client = match &access.tls {
            None => Self(Box::new(stream)),
            Some(tls) => Self(Box::new(StreamOwned::new(tls.client(), stream))),
        };
        let mut flags = CLEAN_START;
        let mut login = Vec::new();
        if let Some((user, password)) = &access.login {
            flags |= HAS_USER | HAS_PASSWORD;
            login.extend(text(user));
            login.extend(text(password));
        }
        let mut connect = text("MQTT");
        connect.extend([5, flags, 0, 60, 0]);
        connect.extend(text(&access.client_id));
        connect.extend(login);
        client.send(CONNECT, &connect);
        let acknowledged = client.receive(CONNACK);
        assert_eq!(acknowledged.get(1), Some(&0), "the broker refused the connection");
        client
    }

    /// Publishes one message at QoS 1; the broker's reason code, which is 0x80 or more where it refuses.
    ///
    /// # Panics
    /// When the connection breaks.
    pub fn publish(&mut self, topic: &str, payload: &[u8], retain: bool) -> u8 {
        let mut message = text(topic);
        message.extend([0, 1, 0]);
        message.extend(payload);
        self.send(PUBLISH_QOS_1 | if retain { RETAIN } else { 0 }, &message);
        self.receive(PUBACK).get(2).copied().unwrap_or(0)
    }

    fn send(&mut self, kind: u8, body: &[u8]) {
        let mut packet = vec![kind];
        let mut length = body.len();
        loop {
            let low = u8::try_from(length % 128).expect("below 128");
            length /= 128;
            packet.push(if length > 0 { low | 0x80 } else { low });
            if length == 0 {
                break;
            }
        }
        packet.extend(body);
        self.0.write_all(&packet).and_then(|()| self.0.flush()).expect("the broker reads");
    }

    fn receive(&mut self, kind: u8) -> Vec<u8> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).expect("the broker answers");
        assert_eq!(head[0] & 0xf0, kind, "an unexpected packet");
        assert!(head[1] < 128, "an unexpectedly long packet");
        let mut body = vec![0; usize::from(head[1])];
        self.0.read_exact(&mut body).expect("the broker sends whole packets");
        body
    }
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    length.to_be_bytes().into_iter().chain(text.bytes()).collect()
}

impl Tls {
    fn client(&self) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.ca).expect("an authority")).expect("a certificate");
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_file(certificate).expect("a certificate")];
                let key = PrivateKeyDer::from_pem_file(key).expect("a key");
                builder.with_client_auth_cert(chain, key).expect("a pair")
            }
        };
        let host = ServerName::try_from("localhost").expect("a name");
        ClientConnection::new(Arc::new(config), host).expect("a client")
    }
}
