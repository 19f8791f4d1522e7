//! An MQTT broker as a child process: the ground's own, or mosquitto.

use std::fs;
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::process::Process;
use crate::program::ground;

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
    port: u16,
    /// The broker itself.
    pub process: Process,
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

/// mosquitto with this configuration.
#[must_use]
pub fn mosquitto(settings: &Path) -> Command {
    // Debian puts daemons where a user's PATH does not reach.
    let installed = Path::new("/usr/sbin/mosquitto");
    let mut command = Command::new(if installed.exists() { installed } else { Path::new("mosquitto") });
    command.arg("-c").arg(settings);
    command
}

impl Broker {
    /// Starts a broker and waits until it accepts connections.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn start(kind: Kind, folder: &Path) -> Self {
        let port = free_port();
        let command = match kind {
            Kind::Embedded => ground(["broker", "--listen", &format!("127.0.0.1:{port}")]),
            Kind::Mosquitto => mosquitto(&write_settings(folder, port)),
        };
        let process = Process::new(command, &folder.join("broker.log")).ready_when_it_listens(port);
        let mut broker = Self { port, process };
        broker.process.start();
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
}

/// A broker that lets everybody in, and keeps what it must remember in this folder.
fn write_settings(folder: &Path, port: u16) -> PathBuf {
    let settings = format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {}/\n{}",
        folder.display(),
        mosquitto_user()
    );
    let file = folder.join("mosquitto.conf");
    fs::write(&file, settings).expect("the configuration can be written");
    file
}

/// A setting for mosquitto. Root's would otherwise become a user of its own, who may neither read a test's folder nor
/// save anything in it.
pub(crate) fn mosquitto_user() -> &'static str {
    if nix::unistd::geteuid().is_root() { "user root\n" } else { "" }
}
