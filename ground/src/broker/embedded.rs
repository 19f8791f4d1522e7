//! A broker inside this process, for development, tests and the demo. It keeps everything in memory and knows no
//! access list, so it listens on loopback unless told otherwise, and real deployments run another.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};

/// Largest message: one of ours, with its topic, or a model bundle.
const MAX_PAYLOAD_BYTES: usize = 8 << 20;
/// What may be on its way to one client unacknowledged.
const MAX_IN_FLIGHT: usize = 500;
/// Messages a topic keeps for clients that are away: 16 segments of 4 MiB, then the oldest go. The agents' outboxes
/// hold what falls out.
const SEGMENT_BYTES: usize = 4 << 20;
const SEGMENTS: usize = 16;
/// How long the broker may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The address is not free.
    #[error("the embedded broker cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// It ended, or never listened.
    #[error("the embedded broker on {0} did not start")]
    Start(SocketAddr),
}

/// A running broker. It has no end but that of the process.
#[derive(Debug)]
pub struct Embedded {
    address: SocketAddr,
}

impl Embedded {
    /// Starts a broker and waits until it listens. Port 0 picks a free one.
    ///
    /// # Errors
    /// When the address is not free, or the broker does not start.
    pub fn start(listen: SocketAddr) -> Result<Self, EmbeddedError> {
        let address = free_address(listen)?;
        let mut broker = Broker::new(config(address));
        let server = thread::Builder::new()
            .name("embedded-broker".to_owned())
            .spawn(move || {
                if let Err(error) = broker.start() {
                    tracing::error!(%error, "the embedded broker failed");
                }
            })
            .map_err(|source| EmbeddedError::Listen { address, source })?;
        let started = Instant::now();
        while TcpStream::connect_timeout(&address, PATIENCE).is_err() {
            if server.is_finished() || started.elapsed() > PATIENCE {
                return Err(EmbeddedError::Start(address));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { address })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL under which clients on this machine reach it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }
}

/// The broker takes no socket, only an address: so the port is picked, and given free for it, here.
fn free_address(listen: SocketAddr) -> Result<SocketAddr, EmbeddedError> {
    let failed = |source| EmbeddedError::Listen { address: listen, source };
    TcpListener::bind(listen).and_then(|listener| listener.local_addr()).map_err(failed)
}

fn config(listen: SocketAddr) -> Config {
    let connections = ConnectionSettings {
        connection_timeout_ms: 60_000,
        max_payload_size: MAX_PAYLOAD_BYTES,
        max_inflight_count: MAX_IN_FLIGHT,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server = ServerSettings {
        name: "mqtt".to_owned(),
        listen,
        tls: None,
        next_connection_delay_ms: 1,
        connections,
    };
    Config {
        router: RouterConfig {
            max_connections: 1000,
            max_outgoing_packet_count: 200,
            max_segment_size: SEGMENT_BYTES,
            max_segment_count: SEGMENTS,
            ..RouterConfig::default()
        },
        v5: Some(HashMap::from([("mqtt".to_owned(), server)])),
        ..Config::default()
    }
}
