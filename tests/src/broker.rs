//! An MQTT broker as a child process: the ground's own, or mosquitto.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::program::{Running, ground};
use crate::wait::eventually;

const READY_LIMIT: Duration = Duration::from_secs(60);

/// Which broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `cabinwatch-ground broker`: keeps everything in memory, so a kill loses what it held.
    Embedded,
    /// mosquitto with persistence, as in a real deployment.
    Mosquitto,
}

/// A broker that can be killed and comes back on the same port.
#[derive(Debug)]
pub struct Broker {
    kind: Kind,
    port: u16,
    folder: PathBuf,
    running: Option<Running>,
}

/// Ports below those that the system gives to outgoing connections: while a broker is down, a client that tries to
/// reach it again and again could otherwise be given its very port.
const PORTS: Range<u16> = 15_000..32_000;
static PORTS_GIVEN: AtomicU32 = AtomicU32::new(0);

/// A port of 127.0.0.1 that nothing listens on, and that no other test of this process gets.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    let count = u32::from(PORTS.end - PORTS.start);
    // Test processes that run side by side begin far apart.
    let first = process::id().wrapping_mul(7919);
    (0..count)
        .map(|_| first.wrapping_add(PORTS_GIVEN.fetch_add(1, Ordering::Relaxed)) % count)
        .filter_map(|offset| Some(PORTS.start + u16::try_from(offset).ok()?))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("there is a free port")
}

/// mosquitto's program.
#[must_use]
pub fn mosquitto_program() -> &'static Path {
    // Debian puts daemons where a user's PATH does not reach.
    let installed = Path::new("/usr/sbin/mosquitto");
    if installed.exists() { installed } else { Path::new("mosquitto") }
}

impl Broker {
    /// Starts a broker and waits until it accepts connections.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn start(kind: Kind, folder: &Path) -> Self {
        let mut broker = Self { kind, port: free_port(), folder: folder.to_owned(), running: None };
        if kind == Kind::Mosquitto {
            let settings = format!(
                "listener {} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {}/\n",
                broker.port,
                folder.display()
            );
            fs::write(broker.mosquitto_file(), settings).expect("the configuration can be written");
        }
        broker.restart();
        broker
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its address, as the configurations want it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Starts it again after [`Broker::kill`].
    ///
    /// # Panics
    /// When it does not accept connections.
    pub fn restart(&mut self) {
        let log = self.folder.join("broker.log");
        let mut running = Running::start(&mut self.command(), &log);
        eventually("the broker to accept connections", READY_LIMIT, || {
            running.assert_alive();
            TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
        self.running = Some(running);
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }

    fn command(&self) -> Command {
        match self.kind {
            Kind::Embedded => ground(["broker", "--listen", &format!("127.0.0.1:{}", self.port)]),
            Kind::Mosquitto => {
                let mut command = Command::new(mosquitto_program());
                command.arg("-c").arg(self.mosquitto_file());
                command
            }
        }
    }

    fn mosquitto_file(&self) -> PathBuf {
        self.folder.join("mosquitto.conf")
    }
}
