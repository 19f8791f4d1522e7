//! The mails on their way: written to the disk before they are sent, and remembered afterwards.
//!
//! ```text
//! queue/NAME/mail.eml      a mail, never changed
//! queue/NAME/record.json   recipients and what became of it for each of them
//! sent/NAME.json           the record of a mail that is done with, without the mail
//! dropped/NAME.json        the record of a mail that was given up, and why
//! server.json              when the server may be tried again, after it could not be reached
//! ```
//!
//! NAME is the report's identity, so a report that is made twice meets itself here ([`Spool::put`]). Whoever works on
//! a mail holds a lock on it ([`claim`]); what a failure or a kill leaves is described in
//! `docs/adr/0008-mail-in-doubt.md`. [`round`] sends what is due, [`room`] keeps the spool small.

mod claim;
mod pause;
mod record;
mod room;
mod round;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cabinwatch_shared::time::UnixSeconds;
use claim::{Claim, NoClaim, read_record};
use record::Record;
pub use record::{Fate, MailState, Recipient};
pub use room::{Dropped, WhyDropped};
pub use round::{Round, RoundMail, Which};

use super::message::Letter;
use crate::config::MailConfig;
use crate::durable;

const QUEUE: &str = "queue";
const SENT: &str = "sent";
const DROPPED: &str = "dropped";
const MAIL: &str = "mail.eml";
const RECORD: &str = "record.json";

/// The spool: a folder that several processes may work on at once.
#[derive(Clone, Debug)]
pub struct Spool {
    folder: PathBuf,
    /// Most mails in the queue.
    most: usize,
    /// Longest stay in the queue.
    age: Duration,
    /// Shortest wait after a failure.
    retry: Duration,
}

/// Why the spool can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A file or folder.
    #[error(
        "mail spool: cannot use {}: {source}; check that there is space and that mail.spool may be written",
        path.display()
    )]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A record that is none.
    #[error("mail spool: {} is no record of a mail ({source}); move its folder away", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// No mail of that name.
    #[error("no mail of the name {0} waits; `report queue` lists those that do")]
    NoSuchMail(String),
    /// At work on it.
    #[error("another process is sending the mail {0} at this moment; try again")]
    BeingSent(String),
    /// No room, and nothing that could make room.
    #[error(
        "mail spool: none of the {0} mails it may hold can be given up: each is being sent at this moment, or its record cannot be read; raise mail.spool_mails"
    )]
    Full(usize),
}

impl SpoolError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// What putting a mail into the spool came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is in the queue; these had to go for it.
    Queued(Vec<Dropped>),
    /// This very report is in the queue already.
    Known,
    /// This very report was sent before.
    Sent,
}

/// Where a mail is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Queue(Record),
    Sent,
}

/// A mail of the queue, to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Its name in the queue.
    pub name: String,
    /// What became of it so far.
    pub state: MailState,
    /// Its subject.
    pub subject: String,
    /// Its Message-ID, by which it can be found in a server's log.
    pub message_id: String,
    /// When it was put there.
    pub created: UnixSeconds,
    /// When it may be tried again.
    pub retry_at: UnixSeconds,
    /// Failed attempts.
    pub failures: u32,
    /// Why it is still there.
    pub why: String,
    /// Whom it is for.
    pub recipients: Vec<Recipient>,
}

impl Spool {
    /// A spool as configured; nothing is touched yet.
    pub(super) fn new(folder: PathBuf, mail: &MailConfig) -> Self {
        Self {
            folder,
            most: mail.spool_mails as usize,
            age: Duration::from_secs(u64::from(mail.spool_days) * 86_400),
            retry: Duration::from_secs(mail.retry_seconds.into()),
        }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts a mail into the queue, where it stays until it is sent or given up. When this returns it is on the disk.
    pub(super) fn put(&self, name: &str, letter: &Letter, now: UnixSeconds) -> Result<Put, SpoolError> {
        self.prepare()?;
        if self.was_sent(name)? {
            return Ok(Put::Sent);
        }
        if self.queued(name).exists() {
            return Ok(Put::Known);
        }
        let dropped = self.make_room(now)?;
        let aside = self.folder.join(durable::unfinished_name());
        let result = build(&aside, letter, now).and_then(|()| {
            // A folder takes another one's name only where that is empty: of two processes one succeeds.
            match fs::rename(&aside, self.queued(name)) {
                Ok(()) => durable::sync_folder(&self.folder.join(QUEUE)).map(|()| Put::Queued(dropped)),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                    ) =>
                {
                    fs::remove_dir_all(&aside).map(|()| Put::Known)
                }
                Err(error) => Err(error),
            }
        });
        result.map_err(|source| {
            // The first error is the one to report.
            let _ = fs::remove_dir_all(&aside);
            SpoolError::io(&aside, source)
        })
    }

    /// Where a mail is; none where it is unknown.
    pub(super) fn find(&self, name: &str) -> Result<Option<Place>, SpoolError> {
        // The queue first: a mail leaves it only after it is remembered as sent.
        match read_record(&self.queued(name)) {
            Ok(record) => Ok(Some(Place::Queue(record))),
            Err(SpoolError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(self.was_sent(name)?.then_some(Place::Sent))
            }
            Err(error) => Err(error),
        }
    }

    /// All mails of the queue, by name. Those that cannot be read are left out and logged.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn list(&self) -> Result<Vec<Queued>, SpoolError> {
        let listed = |name: String| match read_record(&self.queued(&name)) {
            Ok(record) => Some(Queued {
                state: record.state(),
                subject: record.subject,
                message_id: record.message_id,
                created: record.created,
                retry_at: record.retry_at,
                failures: record.failures,
                why: record.why,
                recipients: record.recipients,
                name,
            }),
            Err(error) => {
                // One that was sent this moment is no reason to worry anybody.
                if self.queued(&name).exists() {
                    tracing::error!(mail = name, "{error}");
                }
                None
            }
        };
        Ok(self.names()?.into_iter().filter_map(listed).collect())
    }

    /// Takes a mail out of the queue by a person's word, e.g. one in doubt of whom is known by now that it arrived. It
    /// counts as sent from then on.
    ///
    /// # Errors
    /// When there is no such mail, another process is sending it, or the spool can't be used.
    pub fn discard(&self, name: &str, now: UnixSeconds) -> Result<(), SpoolError> {
        let known = self.names()?.iter().any(|queued| queued == name);
        let claim = if known { Claim::of(&self.queued(name))? } else { Err(NoClaim::Gone) };
        let claim = claim.map_err(|none| match none {
            NoClaim::Gone => SpoolError::NoSuchMail(name.to_owned()),
            NoClaim::Taken => SpoolError::BeingSent(name.to_owned()),
        })?;
        let note = serde_json::json!({ "discarded": now.to_string(), "record": claim.record });
        self.remember(SENT, name, note.to_string().as_bytes())?;
        claim.remove(&self.folder)?;
        tracing::info!(mail = name, "mail discarded");
        Ok(())
    }

    /// Names in the queue, sorted: the report with the oldest period first.
    fn names(&self) -> Result<Vec<String>, SpoolError> {
        let queue = self.folder.join(QUEUE);
        let entries = durable::entries(&queue).map_err(|source| SpoolError::io(&queue, source))?;
        let mut names: Vec<String> = entries.iter().map(|path| name_of(path)).collect();
        names.sort();
        Ok(names)
    }

    fn was_sent(&self, name: &str) -> Result<bool, SpoolError> {
        let path = self.done(SENT, name);
        path.try_exists().map_err(|source| SpoolError::io(&path, source))
    }

    fn queued(&self, name: &str) -> PathBuf {
        self.folder.join(QUEUE).join(name)
    }

    /// Where the record of a mail lies that is `sent` or `dropped`.
    fn done(&self, kind: &str, name: &str) -> PathBuf {
        self.folder.join(kind).join(format!("{name}.json"))
    }

    /// Makes the folders. Nobody else may read them: they hold reports, and who gets blind copies.
    fn prepare(&self) -> Result<(), SpoolError> {
        let is_new = !self.folder.join(DROPPED).exists();
        for kind in [QUEUE, SENT, DROPPED] {
            let folder = self.folder.join(kind);
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.map_err(|source| SpoolError::io(&folder, source))?;
        }
        if is_new {
            // A mail is on the disk once the names of the folders above it are, too.
            for folder in [&*self.folder, durable::folder_of(&self.folder)] {
                durable::sync_folder(folder).map_err(|source| SpoolError::io(folder, source))?;
            }
        }
        Ok(())
    }
}

fn build(folder: &Path, letter: &Letter, now: UnixSeconds) -> io::Result<()> {
    // It lies in the spool's own folder at first, which whoever runs this may have made for all to read.
    DirBuilder::new().mode(0o700).create(folder)?;
    durable::create(&folder.join(MAIL), &letter.bytes)?;
    durable::create(&folder.join(RECORD), &serde_json::to_vec_pretty(&Record::new(letter, now))?)?;
    durable::sync_folder(folder)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
