//! One agent: its folder, its process, and what it says of itself.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use cabinwatch_shared::wire::LossReason;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::DemoError;

/// Longest path a unix socket can have.
const MAX_SOCKET_PATH: usize = 107;
/// How long an agent may take to listen, and to stop.
const PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(50);

/// By which way the agent gets its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// JSON events.
    Events,
    /// Syslog messages of the gateway's daemons.
    Syslog,
}

/// What an agent's configuration says that is not a default.
#[derive(Serialize)]
struct AgentConfig<'a> {
    tail: &'a str,
    store: StoreConfig,
    sources: SourcesConfig,
    link: LinkConfig<'a>,
    model: ModelConfig<'a>,
}

#[derive(Serialize)]
struct StoreConfig {
    path: PathBuf,
}

#[derive(Serialize)]
struct SourcesConfig {
    event_socket: PathBuf,
    syslog_sockets: Vec<PathBuf>,
    spool: PathBuf,
}

#[derive(Serialize)]
struct LinkConfig<'a> {
    broker: &'a str,
}

#[derive(Serialize)]
struct ModelConfig<'a> {
    trusted_keys: [&'a str; 1],
}

/// The part of `cabinwatch-agent status --json` that the demo needs.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Status {
    outbox: OutboxStatus,
    open_windows: Vec<OpenWindow>,
    counters: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct OutboxStatus {
    frames: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct OpenWindow {
    start: String,
}

impl Status {
    /// Events it has stored.
    pub fn events(&self) -> u64 {
        self.counters.get("events").copied().unwrap_or(0)
    }

    /// Frames the ground has not acknowledged.
    pub const fn outbox_frames(&self) -> u64 {
        self.outbox.frames
    }

    /// What it says it lost.
    pub fn lost(&self) -> u64 {
        LossReason::ALL.iter().filter_map(|reason| self.counters.get(reason.as_str())).sum()
    }

    /// Whether a window that starts before the instant is still open.
    pub fn has_open_window_before(&self, instant: &str) -> bool {
        // RFC 3339 in UTC sorts as text.
        self.open_windows.iter().any(|window| window.start.as_str() < instant)
    }
}

/// A running agent. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct Agent {
    tail: String,
    program: PathBuf,
    config: PathBuf,
    log: PathBuf,
    /// Where its events go.
    pub socket: PathBuf,
    child: Child,
}

impl Agent {
    /// Writes the agent's configuration into its folder and starts it.
    pub fn start(
        program: &Path,
        folder: &Path,
        tail: &str,
        input: Input,
        broker: &str,
        trusted_key: &str,
    ) -> Result<Self, DemoError> {
        fs::create_dir_all(folder).map_err(DemoError::file(folder))?;
        let (events, syslog) = (folder.join("events.sock"), folder.join("syslog.sock"));
        let config = folder.join("agent.toml");
        let settings = AgentConfig {
            tail,
            store: StoreConfig { path: folder.join("agent.db") },
            sources: SourcesConfig {
                event_socket: if input == Input::Events { events.clone() } else { PathBuf::new() },
                syslog_sockets: if input == Input::Syslog { vec![syslog.clone()] } else { Vec::new() },
                spool: folder.join("spool"),
            },
            link: LinkConfig { broker },
            model: ModelConfig { trusted_keys: [trusted_key] },
        };
        let text = toml::to_string(&settings).map_err(|error| DemoError::Encode {
            what: "an agent's configuration",
            message: error.to_string(),
        })?;
        fs::write(&config, text).map_err(DemoError::file(&config))?;
        let socket = if input == Input::Events { events } else { syslog };
        if socket.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(DemoError::LongPath(socket));
        }
        let log = folder.join("agent.log");
        let log_file = File::create(&log).map_err(DemoError::file(&log))?;
        let child = Command::new(program)
            .arg("run")
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log_file)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| DemoError::NoAgent { path: program.to_owned(), source })?;
        Ok(Self { tail: tail.to_owned(), program: program.to_owned(), config, log, socket, child })
    }

    /// Waits until the agent takes events.
    pub async fn ready(&mut self) -> Result<(), DemoError> {
        let started = Instant::now();
        let listens = |socket: &Path| {
            std::os::unix::net::UnixDatagram::unbound().and_then(|probe| probe.connect(socket)).is_ok()
        };
        while !listens(&self.socket) {
            self.check_alive()?;
            if started.elapsed() > PATIENCE {
                return Err(self.failed("does not listen"));
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// An agent that has ended by itself is an error.
    pub fn check_alive(&mut self) -> Result<(), DemoError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.failed(&format!("ended too early ({status})"))),
            Err(error) => Err(self.failed(&format!("can't be watched ({error})"))),
        }
    }

    /// Asks the agent's database how it is doing, with the program an engineer would use.
    pub async fn status(&self) -> Result<Status, DemoError> {
        let output = Command::new(&self.program)
            .args(["status", "--json", "--config"])
            .arg(&self.config)
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|source| DemoError::NoAgent { path: self.program.clone(), source })?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            return Err(self.failed(&format!("has no status: {}", message.trim())));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| self.failed(&format!("has a status that can't be read: {error}")))
    }

    /// Stops it as systemd would.
    pub async fn stop(mut self) -> Result<(), DemoError> {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid {
            // A process that is gone already is what the wait below finds out.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(self.failed(&format!("did not stop well ({status})"))),
            Ok(Err(error)) => Err(self.failed(&format!("can't be waited for ({error})"))),
            Err(_) => Err(self.failed("does not stop")),
        }
    }

    /// An error about this agent.
    pub fn failed(&self, what: &str) -> DemoError {
        DemoError::Agent { tail: self.tail.clone(), what: what.to_owned(), log: self.log.clone() }
    }

    /// The aircraft.
    pub fn tail(&self) -> &str {
        &self.tail
    }
}
