//! One aircraft: an agent with a configuration and a database of its own.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::flight::Target;
use crate::process::Process;
use crate::program::{Ended, agent};
use crate::satellite::Satellite;
use crate::wait::eventually;

const READY_LIMIT: Duration = Duration::from_secs(60);

/// The agent of one aircraft, running or not.
#[derive(Debug)]
pub struct Aircraft {
    tail: String,
    folder: PathBuf,
    /// What its program was cross-compiled for; none for the one that was built with the tests.
    target: Option<Target>,
    /// `cabinwatch-agent run`.
    pub agent: Process,
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
        let agent = agent_process(folder, None);
        let config = format!(
            "tail = \"{tail}\"\n\
             window_seconds = 60\n\
             lateness_seconds = 30\n\
             [store]\npath = \"{0}/agent.db\"\n\
             [link]\nbroker = \"{broker}\"\nbackoff_min_millis = 50\nbackoff_max_millis = 500\n\
             drain_bytes_per_second = 10000000\nresend_seconds = 2\nstuck_seconds = 20\n{more}",
            folder.display()
        );
        fs::write(config_file(folder), config).expect("the configuration can be written");
        Self { tail: tail.to_owned(), folder: folder.to_owned(), target: None, agent }
    }

    /// The same aircraft with the program that is shipped for this target.
    #[must_use]
    pub fn with_program_for(self, target: Target) -> Self {
        let agent = agent_process(&self.folder, Some(target));
        Self { target: Some(target), agent, ..self }
    }

    /// The same aircraft behind a satellite line.
    #[must_use]
    pub fn behind(self, satellite: &Satellite) -> Self {
        let command = satellite.aboard(&self.command("run"));
        Self { agent: Process::new(command, &log_file(&self.folder)), ..self }
    }

    /// The `[sources]` section with an event socket and whatever else is wanted.
    #[must_use]
    pub fn sources(folder: &Path, more: &str) -> String {
        format!(
            "[sources]\nevent_socket = \"{0}/events.sock\"\nspool = \"{0}/spool\"\n{more}",
            folder.display()
        )
    }

    /// Its tail.
    #[must_use]
    pub fn tail(&self) -> &str {
        &self.tail
    }

    /// Where its files lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        config_file(&self.folder)
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

    /// A command of the agent on this aircraft, e.g. `status`.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        command(&self.folder, self.target, name)
    }

    /// Writes another configuration: TOML, all of it.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn configure(&self, config: &str) {
        fs::write(self.config(), config).expect("the configuration can be written");
    }

    /// Waits until a unix socket or UDP port of the agent's is there.
    ///
    /// # Panics
    /// When it does not come, or the agent ends.
    pub fn wait_for_socket(&mut self, path: &Path) {
        eventually("a socket of the agent", READY_LIMIT, || {
            self.agent.assert_runs();
            fs::metadata(path).ok().filter(|found| found.file_type().is_socket())
        });
    }

    /// Whether every frame is stored on the ground, as far as the agent knows.
    #[must_use]
    pub fn has_sent_all(&self) -> bool {
        self.status()["outbox"]["frames"] == 0
    }

    /// What the agent has counted under this name over the life of its database.
    ///
    /// # Panics
    /// When it counts nothing of that name.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        self.status()["counters"][name].as_u64().unwrap_or_else(|| panic!("no counter {name}"))
    }

    /// `status --json`.
    ///
    /// # Panics
    /// When it fails or prints anything else.
    #[must_use]
    pub fn status(&self) -> Value {
        let ended = Ended::of(self.command("status").arg("--json"));
        // 3: something needs attention, as it does when a test has just killed the agent.
        assert!(matches!(ended.code, Some(0 | 3)), "{ended:?}");
        serde_json::from_str(&ended.stdout).expect("status --json prints JSON")
    }
}

fn config_file(folder: &Path) -> PathBuf {
    folder.join("agent.toml")
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("agent.log")
}

fn agent_process(folder: &Path, target: Option<Target>) -> Process {
    Process::new(command(folder, target, "run"), &log_file(folder))
}

fn command(folder: &Path, target: Option<Target>, name: &str) -> Command {
    let mut command = target.map_or_else(|| agent([]), Target::agent);
    command.arg(name).arg("--config").arg(config_file(folder));
    command
}
