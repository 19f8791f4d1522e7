//! What was promoted, when, and why against objections: a line of JSON each, in the model folder.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Numbers;
use crate::durable;

/// The file in the model folder.
pub const JOURNAL_FILE: &str = "promotions.jsonl";

/// The journal of a model folder.
#[derive(Clone, Debug)]
pub struct Journal(PathBuf);

/// One promotion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// The cohort whose model went on.
    pub from: String,
    /// Its version.
    pub from_version: u32,
    /// The cohort it went to.
    pub to: String,
    /// The version it has there.
    pub to_version: u32,
    /// How the first cohort stood by then.
    pub numbers: Numbers,
    /// What spoke against it; none if nothing did.
    pub objection: Option<String>,
    /// Why it was done all the same.
    pub reason: Option<String>,
}

/// Why the journal cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Reading or writing it.
    #[error("cannot keep the journal {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line that is none of ours.
    #[error("line {line} of the journal {} is no promotion: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        reason: serde_json::Error,
    },
}

impl Journal {
    /// That of a model folder.
    #[must_use]
    pub fn of(folder: &std::path::Path) -> Self {
        Self(folder.join(JOURNAL_FILE))
    }

    /// Adds a promotion, durably: it is done only once it is written down.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&self, promotion: &Promotion) -> Result<(), JournalError> {
        let write = || {
            let mut line = serde_json::to_vec(promotion)?;
            line.push(b'\n');
            let mut file = OpenOptions::new().create(true).read(true).append(true).open(&self.0)?;
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            file.set_len(whole_lines(&text).len() as u64)?;
            file.write_all(&line)?;
            file.sync_all()?;
            // A new file's name is part of the folder: without it the line is there, and nobody finds it.
            durable::sync_folder(durable::folder_of(&self.0))
        };
        write().map_err(|source| JournalError::File { path: self.0.clone(), source })
    }

    /// All promotions, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read, or a line of it is none of ours.
    pub fn read(&self) -> Result<Vec<Promotion>, JournalError> {
        let text = match fs::read_to_string(&self.0) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|source| JournalError::File { path: self.0.clone(), source })?,
        };
        let parse = |(line, text): (usize, &str)| {
            let path = || self.0.clone();
            serde_json::from_str(text).map_err(|reason| JournalError::Line {
                path: path(),
                line: line + 1,
                reason,
            })
        };
        whole_lines(&text).lines().enumerate().map(parse).collect()
    }
}

/// A line without an end was cut off with the power: its promotion was not done.
fn whole_lines(text: &str) -> &str {
    &text[..text.rfind('\n').map_or(0, |end| end + 1)]
}
