//! How a database comes to be: a new file, a sound one, or a new one in place of a damaged one.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{Frame, LossFrame, LossReason, StreamId, StreamStart, WireError};
use rusqlite::Connection;

use super::change::{self, Change};
use super::checkpoint::{Checkpoint, StreamCause};
use super::counters::Counter;
use super::lock::Lock;
use super::{StoreError, log, models, outbox, schema};

/// What was found where the database should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A sound database.
    Database,
    /// None, so there is a new one now.
    Nothing,
    /// A damaged one, which lies beside the new one now.
    Damaged {
        /// Where the damaged file lies.
        aside: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// Flash may fail to be read once and not again. What can't be read after that is as good as damaged.
const UNREADABLE_WAITS: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// Keeps a second agent away for as long as it lives.
pub(super) fn lock(path: &Path) -> Result<Lock, StoreError> {
    Lock::take(beside(path, ".lock"), path)
}

/// When a new stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Founded {
    /// By the wall clock, whatever it is worth.
    pub at: UnixSeconds,
    /// Whether it is worth telling the ground. Otherwise the checkpoint notes that it is still to be told.
    pub announced: bool,
}

impl From<UnixSeconds> for Founded {
    /// An instant that can be told.
    fn from(at: UnixSeconds) -> Self {
        Self { at, announced: true }
    }
}

/// Opens a sound database, or makes one.
pub(super) fn open(path: &Path, now: Founded) -> Result<(Connection, Found), StoreError> {
    let mut waits = UNREADABLE_WAITS.iter();
    let what = loop {
        match open_sound(path, StreamCause::NoDatabase, now) {
            Err(StoreError::Corrupt(what)) => break what,
            Err(error) if error.is_unreadable() => match waits.next() {
                Some(wait) => std::thread::sleep(*wait),
                None => break error.to_string(),
            },
            other => return other,
        }
    };
    replace(path, what, now)
}

/// Sets a damaged database aside and makes a new one.
pub(super) fn replace(path: &Path, what: String, now: Founded) -> Result<(Connection, Found), StoreError> {
    let aside = set_aside(path, now.at)?;
    let cause = StreamCause::DatabaseSetAside;
    let opened = open_sound(path, cause, now).or_else(|error| {
        tracing::error!("there is no room beside the damaged database, so it goes: {error}");
        let failed = |source| StoreError::SetAside { path: path.to_owned(), source };
        remove_older_ones(path).map_err(failed)?;
        open_sound(path, cause, now)
    });
    Ok((opened?.0, Found::Damaged { aside, what }))
}

fn open_sound(path: &Path, cause: StreamCause, now: Founded) -> Result<(Connection, Found), StoreError> {
    let mut connection = schema::open_writer(path)?;
    if schema::check_version(&connection, path)? {
        schema::check_integrity(&connection)?;
        // Whole pages may still hold what no agent writes.
        outbox::bounds(&connection)?;
        log::checkpoint(&connection)?;
        models::memory(&connection)?;
        return Ok((connection, Found::Database));
    }
    let transaction = connection.transaction()?;
    schema::create(&transaction)?;
    let stream = getrandom::u64().map_err(|error| StoreError::Random(error.to_string()))?;
    outbox::found(&transaction, StreamId(stream))?;
    let first = first_change(cause, now).map_err(|_| StoreError::garbled("a stream's first frame"))?;
    change::apply(&transaction, &first, 0)?;
    transaction.commit()?;
    Ok((connection, Found::Nothing))
}

/// A stream tells first how it began.
fn first_change(cause: StreamCause, now: Founded) -> Result<Change, WireError> {
    let mut checkpoint = Checkpoint::default();
    checkpoint.counts.add(Counter::DatabasesSetAside, u64::from(cause == StreamCause::DatabaseSetAside));
    let frames = if now.announced {
        announcement(cause, now.at)?
    } else {
        checkpoint.unannounced = Some(cause);
        Vec::new()
    };
    Ok(Change { frames, checkpoint: Some(checkpoint), ..Change::at(now.at) })
}

/// The first frames of a stream: how it began, and after a damaged database also that an unknown number is lost.
pub(crate) fn announcement(cause: StreamCause, at: UnixSeconds) -> Result<Vec<Vec<u8>>, WireError> {
    let loss = LossFrame { reason: LossReason::Corrupt, count: 0, since: at, until: at };
    match cause {
        StreamCause::NoDatabase => Ok(vec![encode(&Frame::StreamStart(StreamStart::NoDatabase { at }))?]),
        StreamCause::DatabaseSetAside => Ok(vec![
            encode(&Frame::StreamStart(StreamStart::DatabaseSetAside { at }))?,
            encode(&Frame::Loss(loss))?,
        ]),
    }
}

fn encode(frame: &Frame<'_>) -> Result<Vec<u8>, WireError> {
    let mut bytes = Vec::new();
    frame.write(&mut bytes)?;
    Ok(bytes)
}

/// Moves the file and its log out of the way. Only the newest damaged file is kept: disks are small.
fn set_aside(path: &Path, now: UnixSeconds) -> Result<PathBuf, StoreError> {
    let failed = |source| StoreError::SetAside { path: path.to_owned(), source };
    remove_older_ones(path).map_err(failed)?;
    let aside = beside(path, &format!(".corrupt-{}", now.0));
    fs::rename(path, &aside).map_err(failed)?;
    let log = beside(path, "-wal");
    if log.exists() {
        fs::rename(&log, beside(&aside, "-wal")).map_err(failed)?;
    }
    match fs::remove_file(beside(path, "-shm")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(aside),
    }
}

fn remove_older_ones(path: &Path) -> std::io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut prefix = name.to_os_string();
    prefix.push(".corrupt-");
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A file beside another.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
