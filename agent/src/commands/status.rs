//! `status`: how the agent is doing, from its database, from what the running agent says, and from the kernel.

mod daemon;
mod disk;
mod health;

use std::collections::BTreeMap;
use std::io::{self, Write};

use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::ClockTrust;
use serde::Serialize;

pub use self::daemon::Daemon;
pub use self::disk::Disk;
pub use self::health::{Finding, Health};
use super::model::TrialView;
use super::{CommandError, Snapshot};
use crate::config::Config;
use crate::model::TrialRules;
use crate::pipeline::Settings;
use crate::pipeline::state::State;
use crate::store::{ClockRecord, Counter, Slot, StoreError};

/// How the agent is doing. Instants are RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The aircraft.
    pub tail: String,
    /// The database.
    pub database: Database,
    /// The stream's name, 16 hexadecimal digits.
    pub stream: String,
    /// Frames on their way to the ground.
    pub outbox: Outbox,
    /// The model in use.
    pub model: Option<ModelInUse>,
    /// What is known of the time of day.
    pub clock: Clock,
    /// How far event time has come in what is stored.
    pub watermark: Option<String>,
    /// When events were last stored.
    pub last_stored: Option<String>,
    /// The windows that are open, oldest first.
    pub open_windows: Vec<OpenWindow>,
    /// All counters over the life of the database, also those at 0.
    pub counters: BTreeMap<&'static str, u64>,
    /// Losses that no frame has told the ground yet.
    pub untold_losses: Vec<UntoldLoss>,
    /// Whether the agent runs, and what it says of its threads and the link.
    pub daemon: Daemon,
    /// The room the database has; none where the kernel does not tell.
    pub disk: Option<Disk>,
    /// In one word.
    pub health: Health,
    /// What is wrong, and what is worth knowing.
    pub findings: Vec<Finding>,
}

/// A loss that the ground does not know of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UntoldLoss {
    /// Why.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
    /// The first.
    pub since: String,
    /// The last.
    pub until: String,
}

/// The database file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Database {
    /// Where it lies.
    pub path: String,
    /// Its bytes, without its write-ahead log.
    pub bytes: u64,
}

/// Frames on their way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outbox {
    /// How many wait.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The oldest frame still there, or the next to come.
    pub oldest: u64,
    /// The newest frame written; 0 for none.
    pub newest: u64,
    /// Up to where the ground has stored them.
    pub committed: u64,
    /// How long the oldest has waited.
    pub oldest_age_seconds: Option<u64>,
    /// When the newest that waits was written.
    pub newest_written: Option<String>,
}

/// The model in use.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelInUse {
    /// Its version.
    pub version: u32,
    /// Since when it is in use.
    pub activated: String,
    /// How far its trial has come; none once it has passed.
    pub trial: Option<TrialView>,
}

/// What is known of the time of day, as the agent last wrote it down.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Clock {
    /// `trusted`, `provisional` or `doubtful`.
    pub trust: &'static str,
    /// Since when.
    pub since: Option<String>,
    /// The newest time that the agent has known.
    pub newest: Option<String>,
    /// The last step of the wall clock while the agent ran.
    pub last_step: Option<ClockStep>,
    /// Events that wait for a time of day.
    pub waiting_events: u64,
}

/// A step of the wall clock.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClockStep {
    /// When, by the agent's time.
    pub at: String,
    /// How far; forward is positive.
    pub by_seconds: f64,
}

impl Status {
    /// Says what the facts mean.
    pub(super) fn judge(&mut self, config: &Config) {
        self.findings = health::findings(self, config);
        self.health = health::sum_up(&self.findings);
    }
}

/// One open window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenWindow {
    /// First second.
    pub start: String,
    /// Its length.
    pub seconds: u32,
    /// Events counted so far.
    pub events: u64,
    /// Keys they are of.
    pub keys: usize,
}

/// Gathers the status.
///
/// # Errors
/// When the database can't be read.
pub fn gather(config: &Config, settings: &Settings) -> Result<Status, CommandError> {
    let snapshot = Snapshot::take(config, settings)?;
    of(config, &snapshot).map_err(|source| CommandError::store(&config.store.path, source))
}

/// The status as a snapshot has it.
pub(crate) fn of(config: &Config, snapshot: &Snapshot) -> Result<Status, StoreError> {
    let mut status = read(config, snapshot)?;
    status.judge(config);
    Ok(status)
}

fn read(config: &Config, Snapshot { reader, state, now }: &Snapshot) -> Result<Status, StoreError> {
    let (bounds, backlog) = (reader.bounds()?, reader.backlog()?);
    let (model, memory) = (reader.model(Slot::Active)?, reader.model_memory()?);
    let age = |written: i64| u64::try_from(now.seconds().0.saturating_sub(written)).unwrap_or(0);
    let open_windows = state.windows.iter().map(|(start, window)| OpenWindow {
        start: start.to_string(),
        seconds: window.seconds(),
        events: window.tallies().map(|(_, tally)| tally.fail + tally.success).sum(),
        keys: window.tallies().count(),
    });
    let untold_losses = state.unreported.iter().map(|(reason, span)| UntoldLoss {
        reason: reason.as_str(),
        count: span.count,
        since: span.since.to_string(),
        until: span.until.to_string(),
    });
    Ok(Status {
        tail: config.tail.clone(),
        database: Database { path: config.store.path.display().to_string(), bytes: reader.file_bytes()? },
        stream: bounds.stream.to_string(),
        outbox: Outbox {
            frames: backlog.frames,
            bytes: backlog.bytes,
            oldest: bounds.oldest.0,
            newest: bounds.newest.0,
            committed: backlog.committed.0,
            oldest_age_seconds: backlog.oldest_written.map(|written| age(written.0)),
            newest_written: backlog.newest_written.map(|written| written.to_string()),
        },
        model: model.map(|model| ModelInUse {
            version: model.version.0,
            activated: model.activated.to_string(),
            trial: TrialView::of(&memory, &TrialRules::from_config(&config.model)),
        }),
        clock: clock(state, bounds.clock),
        watermark: state.stored_watermark().map(|at| at.to_string()),
        last_stored: reader.last_stored()?.map(|at| at.to_string()),
        open_windows: open_windows.collect(),
        counters: Counter::all().map(|counter| (counter.as_str(), state.counts.get(counter))).collect(),
        untold_losses: untold_losses.collect(),
        daemon: Daemon::of(config),
        disk: Disk::of(config),
        health: Health::Well,
        findings: Vec::new(),
    })
}

fn clock(state: &State, trust: ClockTrust) -> Clock {
    let ClockRecord { newest, since, last_step, .. } = state.clock;
    Clock {
        trust: trust.as_str(),
        since: since.map(|at| at.to_string()),
        newest: newest.map(|at| at.seconds().to_string()),
        last_step: last_step
            .map(|step| ClockStep { at: step.at.to_string(), by_seconds: step.by_millis as f64 / 1000.0 }),
        waiting_events: state.provisional.map_or(0, |held| held.events),
    }
}

/// Prints the status.
///
/// # Errors
/// When the output can't be written.
pub fn print(status: &Status, json: bool, out: &mut impl Write) -> Result<(), CommandError> {
    if json {
        serde_json::to_writer_pretty(&mut *out, status)?;
        writeln!(out)?;
        return Ok(());
    }
    Ok(print_text(status, out)?)
}

fn print_clock(clock: &Clock, out: &mut impl Write) -> io::Result<()> {
    write!(out, "clock         {}", clock.trust)?;
    if let Some(since) = &clock.since {
        write!(out, " since {since}")?;
    }
    if let Some(ClockStep { at, by_seconds }) = &clock.last_step {
        write!(out, "; set by {by_seconds:+.1} s at {at}")?;
    }
    match clock.waiting_events {
        0 => writeln!(out),
        events => writeln!(out, "; {events} events wait for the time of day"),
    }
}

fn print_text(status: &Status, out: &mut impl Write) -> io::Result<()> {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    print_findings(status, out)?;
    writeln!(out, "aircraft      {}", status.tail)?;
    print_daemon(&status.daemon, out)?;
    writeln!(out, "database      {} ({} bytes)", status.database.path, status.database.bytes)?;
    writeln!(out, "stream        {}", status.stream)?;
    let outbox = &status.outbox;
    write!(out, "outbox        {} frames, {} bytes", outbox.frames, outbox.bytes)?;
    match outbox.oldest_age_seconds {
        Some(age) => writeln!(out, "; the oldest has waited {age} s")?,
        None => writeln!(out)?,
    }
    writeln!(out, "sent          {} of {} frames are stored on the ground", outbox.committed, outbox.newest)?;
    match &status.model {
        Some(model) => {
            let trial = model.trial.map_or_else(String::new, |trial| {
                format!(", on trial: window {} of {}", trial.windows, trial.of_windows)
            });
            writeln!(out, "model         {} since {}{trial}", model.version, model.activated)?;
        }
        None => writeln!(out, "model         none: windows are counted, not scored")?,
    }
    print_clock(&status.clock, out)?;
    writeln!(out, "event time    {}", or_none(&status.watermark))?;
    writeln!(out, "last stored   {}", or_none(&status.last_stored))?;
    for window in &status.open_windows {
        let OpenWindow { start, seconds, events, keys } = window;
        writeln!(out, "open window   {start}, {seconds} s: {events} events of {keys} keys")?;
    }
    if let Some(disk) = &status.disk {
        print_disk(disk, out)?;
    }
    for UntoldLoss { reason, count, since, until } in &status.untold_losses {
        writeln!(out, "lost          {reason} {count} from {since} to {until}; the ground is not told yet")?;
    }
    for (name, count) in status.counters.iter().filter(|(_, count)| **count > 0) {
        writeln!(out, "counted       {name} {count}")?;
    }
    Ok(())
}

/// What is wrong comes first, what is worth knowing after it.
fn print_findings(status: &Status, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "health        {}", status.health.headline())?;
    for Finding { health, text } in &status.findings {
        let mark = if *health == Health::Well { '-' } else { '!' };
        writeln!(out, "            {mark} {text}")?;
    }
    Ok(())
}

fn print_daemon(daemon: &Daemon, out: &mut impl Write) -> io::Result<()> {
    let (pid, live) = match daemon {
        Daemon::Unknown => return writeln!(out, "agent         not known"),
        Daemon::Down => return writeln!(out, "agent         does not run"),
        Daemon::Runs { pid, live } => (pid, live),
    };
    let Some(live) = live else { return writeln!(out, "agent         runs as process {pid}") };
    writeln!(
        out,
        "agent         {} runs as process {pid} for {} s, and said so {} s ago",
        live.version,
        live.up_seconds(),
        live.age_seconds()
    )?;
    let or_never = |at: Option<i64>| at.map_or_else(|| "never".to_owned(), |at| UnixSeconds(at).to_string());
    let link = &live.link;
    let state = match (link.connected, link.next_contact) {
        (true, _) => "connected".to_owned(),
        (false, Some(next)) => format!("not connected as planned; next contact {}", UnixSeconds(next)),
        (false, None) => "not connected".to_owned(),
    };
    write!(out, "link          {state}; last let in {}", or_never(link.last_connected))?;
    write!(out, ", last heard {}", or_never(link.last_heard))?;
    match &link.trouble {
        Some(trouble) => writeln!(out, "; next attempt {}", UnixSeconds(trouble.next_attempt)),
        None => writeln!(out, "; {} messages, {} bytes since the start", link.messages, link.bytes),
    }
}

fn print_disk(disk: &Disk, out: &mut impl Write) -> io::Result<()> {
    write!(out, "disk          {} bytes free", disk.free_bytes)?;
    if let Some(inodes) = disk.free_inodes {
        write!(out, ", {inodes} inodes")?;
    }
    let read_only = if disk.read_only { "; read-only" } else { "" };
    let (bytes, most) = (disk.database_bytes, disk.most_database_bytes);
    writeln!(out, "; the database's files have {bytes} bytes, at most {most}{read_only}")
}
