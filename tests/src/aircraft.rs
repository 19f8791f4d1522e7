//! One aircraft: an agent with a configuration and a database of its own.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::program::{Ended, Running, agent};
use crate::satellite::Satellite;
use crate::wait::eventually;

const READY_LIMIT: Duration = Duration::from_secs(60);

/// The agent of one aircraft, running or not.
#[derive(Debug)]
pub struct Aircraft {
    folder: PathBuf,
    running: Option<Running>,
}

impl Aircraft {
    /// Writes the configuration of an aircraft into a folder of its own; nothing runs yet. `more` is TOML that
    /// follows: first further keys of `[link]`, then further sections.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[must_use]
    pub fn new(folder: &Path, tail: &str, broker: &str, more: &str) -> Self {
        fs::create_dir_all(folder).expect("the folder can be made");
        let aircraft = Self { folder: folder.to_owned(), running: None };
        let config = format!(
            "tail = \"{tail}\"\n\
             window_seconds = 60\n\
             lateness_seconds = 30\n\
             [store]\npath = \"{0}/agent.db\"\n\
             [link]\nbroker = \"{broker}\"\nbackoff_min_millis = 50\nbackoff_max_millis = 500\n\
             drain_bytes_per_second = 10000000\nresend_seconds = 2\nstuck_seconds = 20\n{more}",
            folder.display()
        );
        fs::write(aircraft.config(), config).expect("the configuration can be written");
        aircraft
    }

    /// The `[sources]` section with an event socket and whatever else is wanted.
    #[must_use]
    pub fn sources(folder: &Path, more: &str) -> String {
        format!(
            "[sources]\nevent_socket = \"{0}/events.sock\"\nspool = \"{0}/spool\"\n{more}",
            folder.display()
        )
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.join("agent.toml")
    }

    /// The unix socket that takes JSON events.
    #[must_use]
    pub fn event_socket(&self) -> PathBuf {
        self.folder.join("events.sock")
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.folder.join("agent.db")
    }

    /// Everything the agent has said in all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("agent.log")).unwrap_or_default()
    }

    /// A command of the agent on this aircraft, e.g. `status`.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        let mut command = agent([name, "--config"]);
        command.arg(self.config());
        command
    }

    /// Starts the agent; returns at once.
    pub fn start(&mut self) {
        self.running = Some(Running::start(&mut self.command("run"), &self.folder.join("agent.log")));
    }

    /// Starts the agent behind a satellite line; returns at once.
    pub fn start_behind(&mut self, satellite: &Satellite) {
        let mut command = satellite.aboard(&self.command("run"));
        self.running = Some(Running::start(&mut command, &self.folder.join("agent.log")));
    }

    /// Writes another configuration: TOML, all of it.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn configure(&self, config: &str) {
        fs::write(self.config(), config).expect("the configuration can be written");
    }

    /// The most memory the agent has ever had resident, in KiB; 0 while it does not run.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        self.running.as_ref().map_or(0, Running::peak_memory)
    }

    /// Waits until a unix socket or UDP port of the agent's is there.
    ///
    /// # Panics
    /// When it does not come, or the agent ends.
    pub fn wait_for_socket(&mut self, path: &Path) {
        let Some(running) = self.running.as_mut() else { panic!("the agent was not started") };
        eventually("a socket of the agent", READY_LIMIT, || {
            running.assert_alive();
            fs::metadata(path).ok().filter(|found| found.file_type().is_socket())
        });
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }

    /// SIGTERM, and waits for an orderly end.
    ///
    /// # Panics
    /// When the agent does not end, or ends with an error.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            let status = running.stop();
            assert!(status.success(), "the agent ended with {status}:\n{}", self.log());
        }
    }

    /// Whether every frame is stored on the ground, as far as the agent knows.
    #[must_use]
    pub fn has_sent_all(&self) -> bool {
        self.status()["outbox"]["frames"] == 0
    }

    /// `status --json`.
    ///
    /// # Panics
    /// When it fails or prints anything else.
    #[must_use]
    pub fn status(&self) -> Value {
        let printed = Ended::well(self.command("status").arg("--json"));
        serde_json::from_str(&printed).expect("status --json prints JSON")
    }
}
