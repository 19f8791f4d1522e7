//! An MQTT broker as a child process: the ground's own, or mosquitto.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
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

/// A port of 127.0.0.1 that nothing listens on at the moment.
///
/// # Panics
/// When the system has none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
    listener.local_addr().expect("a listener has an address").port()
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
                // Debian puts daemons where a user's PATH does not reach.
                let installed = Path::new("/usr/sbin/mosquitto");
                let program = if installed.exists() { installed } else { Path::new("mosquitto") };
                let mut command = Command::new(program);
                command.arg("-c").arg(self.mosquitto_file());
                command
            }
        }
    }

    fn mosquitto_file(&self) -> PathBuf {
        self.folder.join("mosquitto.conf")
    }
}
