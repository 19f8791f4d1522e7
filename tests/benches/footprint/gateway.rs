//! The agent on a gateway: with a model, and a mosquitto that asks for TLS and certificates.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cabinwatch_tests::flight::Target;
use cabinwatch_tests::mosquitto::{FleetBroker, Identity};
use cabinwatch_tests::process::Process;
use cabinwatch_tests::producer::{Event, Producer};
use cabinwatch_tests::program::{Ended, ground};
use cabinwatch_tests::wait::eventually;
use serde_json::Value;
use tempfile::TempDir;

use super::Result;
use super::process::Usage;

const LIMIT: Duration = Duration::from_secs(120);
/// More than there are runs.
const AIRCRAFT: usize = 30;
const WINDOW_SECONDS: i64 = 300;
/// A day of flights, and what may fail on it.
const DAYS_WINDOWS: i64 = 176;
const DAYS_KEYS: usize = 40;

/// How an agent is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How long a commit waits for more events.
    pub group_millis: u32,
    /// The database it finds, if any.
    pub database: Option<PathBuf>,
    /// Whether it is told of the broker.
    pub link: bool,
}

impl Default for Setup {
    /// As it is delivered.
    fn default() -> Self {
        Self { group_millis: 250, database: None, link: true }
    }
}

/// A broker with a model for aircraft.
pub struct Fleet {
    tails: Vec<String>,
    broker: FleetBroker,
    signer: String,
    next: AtomicUsize,
    /// Sockets and files; their names must be short.
    scratch: TempDir,
    /// Databases: the folder of temporary files may be in memory.
    disk: TempDir,
}

impl Fleet {
    /// Starts the broker, trains a model and publishes it.
    ///
    /// # Errors
    /// When a step fails.
    pub fn start() -> Result<Self> {
        let scratch = tempfile::tempdir()?;
        let path = scratch.path();
        let tails: Vec<String> = (0..AIRCRAFT).map(|number| format!("TC-F{number:02}")).collect();
        let names: Vec<&str> = tails.iter().map(String::as_str).collect();
        let broker = FleetBroker::start(path, Identity::Certificates, &names);
        let desk = path.join("desk.toml");
        let config = format!(
            "[history]\nurl = \"file://{0}/edr\"\n[model]\ndir = \"{0}/model\"\n\
             [tables]\nurl = \"sqlite://{0}/tables.db\"\n[broker]\nurl = \"{1}\"\n{2}",
            path.display(),
            broker.ground_url(),
            broker.access("publish"),
        );
        fs::write(&desk, config)?;
        let edr = path.join("edr").display().to_string();
        Ended::well(&mut ground(["simulate", "--out", &edr, "--days", "2", "--files-per-day", "24"]));
        Ended::well(ground(["retrain", "--days", "30", "--config"]).arg(&desk));
        Ended::well(ground(["publish", "--config"]).arg(&desk));
        let signer = fs::read_to_string(path.join("model/signing.pub"))?.trim().to_owned();
        let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        Ok(Self { tails, broker, signer, next: AtomicUsize::new(0), scratch, disk })
    }

    /// A folder on a disk.
    pub fn disk(&self) -> &Path {
        self.disk.path()
    }

    /// The folders of one more aircraft, for sockets and for the database: all settings are at their defaults but for
    /// those an engineer has to give.
    fn configure(&self, setup: &Setup) -> Result<(PathBuf, PathBuf)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let tail = self.tails.get(number).ok_or("more runs than aircraft")?;
        let (folder, disk) = (self.scratch.path().join(tail), self.disk().join(tail));
        fs::create_dir(&folder)?;
        fs::create_dir(&disk)?;
        if let Some(database) = &setup.database {
            fs::copy(database, disk.join("agent.db"))?;
        }
        let link = format!("[link]\nbroker = \"{}\"\n{}", self.broker.url(), self.broker.access(tail));
        let config = format!(
            "tail = \"{tail}\"\n[store]\npath = \"{0}/agent.db\"\ngroup_millis = {1}\n\
             [sources]\nevent_socket = \"{2}/events.sock\"\nspool = \"{0}/spool\"\n\
             [model]\ntrusted_keys = [\"{3}\"]\n{4}",
            disk.display(),
            setup.group_millis,
            folder.display(),
            self.signer,
            if setup.link { link.as_str() } else { "" },
        );
        fs::write(folder.join("agent.toml"), config)?;
        Ok((folder, disk))
    }
}

/// One agent that runs.
pub struct Gateway {
    agent: Process,
    config: PathBuf,
    socket: PathBuf,
    /// Events that were counted before.
    counted: u64,
}

impl Gateway {
    /// Starts an agent, and waits until it has taken the model.
    ///
    /// # Errors
    /// When it can't be started.
    ///
    /// # Panics
    /// When the model does not arrive.
    pub fn start(fleet: &Fleet, setup: &Setup) -> Result<Self> {
        let (folder, _) = fleet.configure(setup)?;
        let mut gateway = Self::run(&folder);
        eventually("the agent to take the model", LIMIT, || {
            (gateway.status()["model"]["version"] == 1).then_some(())
        });
        gateway.counted = gateway.events();
        Ok(gateway)
    }

    fn run(folder: &Path) -> Self {
        let (config, socket) = (folder.join("agent.toml"), folder.join("events.sock"));
        let mut command = Target::X86_64.agent();
        command.arg("run").arg("--config").arg(&config);
        let mut agent = Process::new(command, &folder.join("agent.log"));
        agent.start();
        eventually("the agent's socket", LIMIT, || socket.exists().then_some(()));
        Self { agent, config, socket, counted: 0 }
    }

    /// Where events go in.
    pub fn event_socket(&self) -> &Path {
        &self.socket
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// When it has ended.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.agent.id())
    }

    /// How many events it has counted since it was started.
    pub fn events(&self) -> u64 {
        self.status()["counters"]["events"].as_u64().unwrap_or(0).saturating_sub(self.counted)
    }

    fn status(&self) -> Value {
        let mut command = Target::X86_64.agent();
        let ended = Ended::of(command.args(["status", "--json", "--config"]).arg(&self.config));
        serde_json::from_str(&ended.stdout).unwrap_or_default()
    }
}

/// The database of an agent that had no link for a day.
///
/// # Errors
/// When the agent can't be started, or keeps less than a day.
///
/// # Panics
/// When the agent takes no events.
pub fn a_days_backlog(fleet: &Fleet) -> Result<PathBuf> {
    let (folder, disk) = fleet.configure(&Setup { link: false, ..Setup::default() })?;
    let mut gateway = Gateway::run(&folder);
    let mut producer = Producer::new("backlog", &folder, gateway.event_socket());
    let now = jiff::Timestamp::now().as_second();
    let first = (now - 86_400).div_euclid(WINDOW_SECONDS) * WINDOW_SECONDS;
    for window in 0..=DAYS_WINDOWS {
        let at = jiff::Timestamp::from_second(first + window * WINDOW_SECONDS)?.to_string();
        for key in 0..DAYS_KEYS {
            let (point, description) = (format!("POINT-{}", key % 8), format!("fault number {key}"));
            for state in ["FAIL", "SUCCESS"] {
                let (at, point, description) = (at.clone(), point.clone(), description.clone());
                producer.send(&Event { at, point, description, state });
            }
        }
    }
    producer.finish();
    let frames = eventually("the windows to close", LIMIT, || {
        gateway.status()["outbox"]["frames"].as_i64().filter(|frames| *frames >= DAYS_WINDOWS)
    });
    eprintln!("the backlog: {frames} frames");
    // An orderly end leaves all in the one file.
    gateway.agent.stop();
    Ok(disk.join("agent.db"))
}
