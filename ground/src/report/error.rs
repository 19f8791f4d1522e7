//! What can go wrong with a report.

use std::path::PathBuf;

use super::smtp::LoginSettingsError;
use super::spool::SpoolError;
use super::target::MailTargetError;
use crate::tables::TablesError;

/// Why a report could not be made or delivered.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The mail's destination.
    #[error(transparent)]
    Target(#[from] MailTargetError),
    /// The login at the mail server.
    #[error(transparent)]
    Login(#[from] LoginSettingsError),
    /// No folder for the mails that wait.
    #[error(
        "mails that cannot be sent at once need a folder: set mail.spool (without it, one beside the SQLite tables or in model.dir is taken)"
    )]
    NoSpool,
    /// Asked for the mails that wait where none can.
    #[error("mail.url names a folder, where every mail is written at once; only mails for a server wait")]
    NothingWaits,
    /// A configured address that is none.
    #[error(
        "mail.{setting} = \"{address}\" is no mail address ({message}); write name@host or Name <name@host>"
    )]
    Address {
        /// The setting.
        setting: &'static str,
        /// What it holds.
        address: String,
        /// What is wrong with it.
        message: String,
    },
    /// Nobody to write to.
    #[error("mail.to, mail.cc and mail.bcc are all empty; name at least one recipient")]
    NoRecipient,
    /// A period that ends before it begins.
    #[error("the period ends ({until}) before it begins ({from}); swap --since and --until")]
    Period {
        /// Its first second, RFC 3339.
        from: String,
        /// The second after its last, RFC 3339.
        until: String,
    },
    /// The tables.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// The report's text.
    #[error("cannot write the report's text: {0}")]
    Template(#[from] askama::Error),
    /// A picture.
    #[error("cannot draw the rates of {fault_key}: {message}")]
    Picture {
        /// Of what.
        fault_key: String,
        /// What went wrong.
        message: String,
    },
    /// The attachment.
    #[error("cannot write the attached CSV: {0}")]
    Attachment(#[from] csv::Error),
    /// The mail as a whole.
    #[error("cannot put the mail together: {0}")]
    Message(#[from] lettre::error::Error),
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Dropped by another process as soon as it was there.
    #[error("the mail {name} was given up at once; raise mail.spool_mails")]
    GivenUp {
        /// Its name.
        name: String,
    },
    /// The folder mail goes to.
    #[error("cannot write the mail to {}: {source}; check that the folder is there and may be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl ReportError {
    /// Whether it is a setting or a flag that is wrong, not the data.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Target(_)
                | Self::Login(_)
                | Self::NoSpool
                | Self::NothingWaits
                | Self::Address { .. }
                | Self::Spool(SpoolError::NoSuchMail(_))
                | Self::NoRecipient
                | Self::Period { .. }
        )
    }
}
