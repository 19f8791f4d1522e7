//! The spool's limits: how many mails, how old, and how much is remembered of those that are done with.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use cabinwatch_shared::time::UnixSeconds;
use serde::Serialize;

use super::claim::Claim;
use super::pause::after;
use super::{DROPPED, MailState, SENT, Spool, SpoolError};
use crate::durable;

/// Records of mails that are done with: a month of one mail every five minutes.
const MOST_REMEMBERED: usize = 10_000;

/// A mail that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Its name; `dropped/NAME.json` in the spool tells the rest.
    pub name: String,
    /// Its subject.
    pub subject: String,
    /// What it was then.
    pub state: MailState,
    /// Why it was given up.
    pub reason: WhyDropped,
}

/// Why a mail was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WhyDropped {
    /// It was older than `mail.spool_days`.
    Age,
    /// There were more than `mail.spool_mails`.
    Room,
}

impl WhyDropped {
    /// As a clause.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Age => "it waited for longer than mail.spool_days",
            Self::Room => "there was room for mail.spool_mails only",
        }
    }
}

impl Spool {
    /// Makes room for one more mail: those that the server refused go first, then the oldest.
    pub(super) fn make_room(&self, now: UnixSeconds) -> Result<Vec<Dropped>, SpoolError> {
        let mut too_many = (self.names()?.len() + 1).saturating_sub(self.most);
        let mut dropped = Vec::new();
        if too_many == 0 {
            return Ok(dropped);
        }
        let mut mails = self.list()?;
        mails.sort_by_key(|mail| (mail.state != MailState::Refused, mail.created));
        for mail in mails {
            if too_many == 0 {
                break;
            }
            if let Ok(claim) = Claim::of(&self.queued(&mail.name))? {
                dropped.push(self.drop_mail(claim, WhyDropped::Room, now)?);
                too_many -= 1;
            }
        }
        if too_many > 0 { Err(SpoolError::Full(self.most)) } else { Ok(dropped) }
    }

    /// Whether a mail has been in the queue for too long.
    pub(super) fn is_too_old(&self, created: UnixSeconds, now: UnixSeconds) -> bool {
        after(created, self.age) <= now
    }

    /// Gives a mail up: its record stays for a while, the mail is deleted.
    pub(super) fn drop_mail(
        &self,
        claim: Claim,
        reason: WhyDropped,
        now: UnixSeconds,
    ) -> Result<Dropped, SpoolError> {
        let (name, record) = (claim.name(), &claim.record);
        let dropped =
            Dropped { name: name.clone(), subject: record.subject.clone(), state: record.state(), reason };
        let note = serde_json::json!({ "dropped": now.to_string(), "reason": reason, "record": record });
        self.remember(DROPPED, &name, note.to_string().as_bytes())?;
        claim.remove(&self.folder)?;
        tracing::error!(mail = name, subject = dropped.subject, "mail given up: {}", reason.as_str());
        Ok(dropped)
    }

    /// Writes the record of a mail that is done with.
    pub(super) fn remember(&self, kind: &str, name: &str, json: &[u8]) -> Result<(), SpoolError> {
        let path = self.done(kind, name);
        durable::replace(&path, json).map_err(|source| SpoolError::io(&path, source))
    }

    /// Forgets the oldest records, and deletes what processes left behind that died.
    pub(super) fn clean(&self, now: SystemTime) -> Result<(), SpoolError> {
        for kind in [SENT, DROPPED] {
            let mut records = self.with_age(kind, now)?;
            records.sort_by_key(|(age, _)| *age);
            for (_, path) in records.iter().skip(MOST_REMEMBERED) {
                durable::delete(path).map_err(|source| SpoolError::io(path, source))?;
            }
        }
        for folder in ["", SENT, DROPPED].map(|kind| self.folder.join(kind)) {
            durable::sweep(&folder, durable::LEFT_OVER, now)
                .map_err(|source| SpoolError::io(&folder, source))?;
        }
        Ok(())
    }

    /// What lies in a folder of the spool's, and how long ago it was last written.
    fn with_age(&self, kind: &str, now: SystemTime) -> Result<Vec<(Duration, PathBuf)>, SpoolError> {
        let folder = self.folder.join(kind);
        let entries = durable::entries(&folder).map_err(|source| SpoolError::io(&folder, source))?;
        // What another process has deleted meanwhile has no age.
        let age = |path: &PathBuf| now.duration_since(fs::metadata(path).ok()?.modified().ok()?).ok();
        Ok(entries.into_iter().filter_map(|path| Some((age(&path)?, path))).collect())
    }
}
