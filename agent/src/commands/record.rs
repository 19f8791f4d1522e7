//! `cabinwatch-agent record`: one event, or many, from a script or a hook.

use std::io::{self, BufRead};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::{Duration, Instant};

use cabinwatch_shared::wire::LossReason;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::service::logging::say;
use crate::sources::spool::{SpoolError, SpoolFolder, TicketNumber};
use crate::sources::{json, now};

/// How much is appended to the spool at one time.
const SPOOL_CHUNK_BYTES: usize = 64 << 10;

/// Hands an event to the daemon; while it is down, keeps the event for it.
#[derive(Clone, Debug, clap::Args)]
pub struct RecordArgs {
    /// Where in the passenger's journey, e.g. DHCP.
    #[arg(long, required_unless_present = "json", conflicts_with = "json")]
    pub point: Option<String>,
    /// What went wrong, e.g. "no address available"; needed with --state FAIL.
    #[arg(long, conflicts_with = "json")]
    pub description: Option<String>,
    /// FAIL or SUCCESS.
    #[arg(long, required_unless_present = "json", conflicts_with = "json")]
    pub state: Option<String>,
    /// When it happened, e.g. 2026-11-21T08:10:00Z; now if left out.
    #[arg(long, conflicts_with = "json")]
    pub at: Option<String>,
    /// Read many events from standard input, one JSON object a line: `--json -`.
    #[arg(long, value_name = "-", value_parser = ["-"])]
    pub json: Option<String>,
    /// How long to wait for the daemon's word, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 2000)]
    pub timeout: u64,
}

/// Where the events are now. Both are safe from a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordOutcome {
    /// The daemon has stored the event.
    Stored,
    /// So many events lie in the spool, and the daemon will take them over.
    Spooled {
        /// How many.
        events: u64,
    },
}

/// Why not all events were taken.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The event is none.
    #[error("this is no event ({}): a point, FAIL or SUCCESS, a description with FAIL, and a date such as 2026-11-21T08:10:00Z are what it takes", .0.as_str())]
    NotAnEvent(LossReason),
    /// Lines that are no events, among others that were taken.
    #[error("line {first} is no event ({}), and {} others are none; the {taken} good ones are taken", reason.as_str(), count - 1)]
    BadLines {
        /// How many.
        count: u64,
        /// The first of them, from 1.
        first: u64,
        /// What is wrong with it.
        reason: LossReason,
        /// How many good lines were taken.
        taken: u64,
    },
    /// No spool to keep the event in.
    #[error("setting `sources.spool` is empty, so nothing can be recorded safely")]
    NoSpool,
    /// The spool does not take it.
    #[error("{taken} events are taken, the rest is not: {source}")]
    Spool {
        /// How many were taken before.
        taken: u64,
        /// Why no more.
        source: SpoolError,
    },
    /// The event does not encode.
    #[error("the event does not encode: {0}")]
    Encode(serde_json::Error),
    /// Standard input breaks off.
    #[error("cannot read standard input: {0}")]
    Input(io::Error),
}

/// An event as it is sent and spooled.
#[derive(Serialize)]
struct Line<'a> {
    edr_date: String,
    edr_point: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    state: &'a str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    number: Option<Number<'a>>,
}

#[derive(Serialize)]
struct Number<'a> {
    producer: &'a str,
    seq: u64,
}

/// The daemon's word.
#[derive(Deserialize)]
struct StoredReply<'a> {
    producer: &'a str,
    first: u64,
    stored: u64,
}

/// Records what the arguments say. What was spooled is said on stderr.
///
/// # Errors
/// When something is no event, or could neither be stored nor spooled.
pub fn run(config: &Config, args: &RecordArgs) -> Result<RecordOutcome, RecordError> {
    if config.sources.spool.as_os_str().is_empty() {
        return Err(RecordError::NoSpool);
    }
    let outcome = match args.json {
        Some(_) => record_lines(config, args, io::stdin().lock())?,
        None => record_one(config, args)?,
    };
    if let RecordOutcome::Spooled { events } = outcome {
        let spool = config.sources.spool.display();
        say(format_args!("{events} event(s) kept in {spool} until the daemon takes them over"));
    }
    Ok(outcome)
}

fn patience(args: &RecordArgs) -> Duration {
    Duration::from_millis(args.timeout)
}

/// Sends one event and waits for the word that it is stored; else spools it.
///
/// An event that was sent may be stored although no word came, so it is spooled under the number it was sent with, and
/// the daemon counts it once. One that was not sent needs no number: its place in the spool is its identity.
fn record_one(config: &Config, args: &RecordArgs) -> Result<RecordOutcome, RecordError> {
    let mut line = Line {
        edr_date: args.at.clone().unwrap_or_else(|| now().to_string()),
        edr_point: args.point.as_deref().unwrap_or_default(),
        description: args.description.as_deref(),
        state: args.state.as_deref().unwrap_or_default(),
        number: None,
    };
    let unnumbered = encode(&line)?;
    json::parse(&unnumbered, now()).1.map_err(RecordError::NotAnEvent)?;
    let spool = &config.sources.spool;
    let failed = |source| RecordError::Spool { taken: 0, source };
    let number = SpoolFolder::lock(spool, patience(args)).and_then(|mut folder| folder.next_number());
    let number = number.map_err(failed)?;
    line.number = Some(Number { producer: &number.producer, seq: number.seq });
    let numbered = encode(&line)?;
    let left_over = match send(&config.sources.event_socket, &numbered, &number, patience(args)) {
        Sent::Stored => return Ok(RecordOutcome::Stored),
        Sent::Unanswered => numbered,
        Sent::No => unnumbered,
    };
    let mut folder = SpoolFolder::lock(spool, patience(args)).map_err(failed)?;
    folder.append(&left_over).map_err(failed)?;
    Ok(RecordOutcome::Spooled { events: 1 })
}

/// A line with its end.
fn encode(line: &Line<'_>) -> Result<Vec<u8>, RecordError> {
    let mut bytes = serde_json::to_vec(line).map_err(RecordError::Encode)?;
    bytes.push(b'\n');
    Ok(bytes)
}

enum Sent {
    Stored,
    /// It is with the daemon, or was lost with it.
    Unanswered,
    No,
}

fn send(socket: &Path, line: &[u8], number: &TicketNumber, patience: Duration) -> Sent {
    let until = Instant::now() + patience;
    let Some(connection) = connect(socket, number, patience) else { return Sent::No };
    if connection.send(line).is_err() {
        return Sent::No;
    }
    let mut reply = [0; 256];
    loop {
        let rest = until.saturating_duration_since(Instant::now());
        if rest.is_zero() || connection.set_read_timeout(Some(rest)).is_err() {
            return Sent::Unanswered;
        }
        let Ok(length) = connection.recv(&mut reply) else { return Sent::Unanswered };
        let reply = serde_json::from_slice::<StoredReply<'_>>(reply.get(..length).unwrap_or_default());
        let ours = |reply: StoredReply<'_>| {
            reply.producer == number.producer && (reply.first..=reply.stored).contains(&number.seq)
        };
        if reply.is_ok_and(ours) {
            return Sent::Stored;
        }
    }
}

/// A socket with an address of its own, so that the daemon can answer. The address is abstract: it leaves no file.
fn connect(socket: &Path, number: &TicketNumber, patience: Duration) -> Option<UnixDatagram> {
    let name = format!("cabinwatch-{}-{}", number.producer, number.seq);
    let own = SocketAddr::from_abstract_name(name).ok()?;
    let connection = UnixDatagram::bind_addr(&own).ok()?;
    connection.connect(socket).ok()?;
    connection.set_write_timeout(Some(patience.max(Duration::from_millis(1)))).ok()?;
    Some(connection)
}

/// Many events go straight to the spool: one sync for many, and no reply to wait for.
fn record_lines(
    config: &Config,
    args: &RecordArgs,
    input: impl BufRead,
) -> Result<RecordOutcome, RecordError> {
    let mut spooler = Spooler { config, patience: patience(args), chunk: Vec::new(), waiting: 0, taken: 0 };
    let mut bad: Option<(u64, u64, LossReason)> = None;
    for (index, line) in input.split(b'\n').enumerate() {
        let line = line.map_err(RecordError::Input)?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match dated(&line, config.sources.max_line_bytes) {
            Ok(line) => spooler.add(&line)?,
            Err(reason) => {
                let (count, first, reason) = bad.unwrap_or((0, index as u64 + 1, reason));
                bad = Some((count + 1, first, reason));
            }
        }
    }
    spooler.flush()?;
    match bad {
        Some((count, first, reason)) => {
            Err(RecordError::BadLines { count, first, reason, taken: spooler.taken })
        }
        None => Ok(RecordOutcome::Spooled { events: spooler.taken }),
    }
}

/// The event, with a date if it had none: it may lie in the spool for long.
fn dated(line: &[u8], max_bytes: u32) -> Result<Vec<u8>, LossReason> {
    if line.len() > max_bytes as usize {
        return Err(LossReason::TooLong);
    }
    json::parse(line, now()).1?;
    let mut fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(line).map_err(|_| LossReason::Malformed)?;
    if fields.get("edr_date").is_none_or(serde_json::Value::is_null) {
        fields.insert("edr_date".to_owned(), now().to_string().into());
    }
    serde_json::to_vec(&fields).map_err(|_| LossReason::Malformed)
}

struct Spooler<'a> {
    config: &'a Config,
    patience: Duration,
    chunk: Vec<u8>,
    waiting: u64,
    taken: u64,
}

impl Spooler<'_> {
    fn add(&mut self, line: &[u8]) -> Result<(), RecordError> {
        self.chunk.extend_from_slice(line);
        self.chunk.push(b'\n');
        self.waiting += 1;
        if self.chunk.len() >= SPOOL_CHUNK_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), RecordError> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let folder = SpoolFolder::lock(&self.config.sources.spool, self.patience);
        let appended = folder.and_then(|mut folder| folder.append(&self.chunk));
        appended.map_err(|source| RecordError::Spool { taken: self.taken, source })?;
        self.chunk.clear();
        self.taken += std::mem::take(&mut self.waiting);
        Ok(())
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
