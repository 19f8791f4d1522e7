//! The mail report: what was confirmed in a period, for the people who answer for it.
//!
//! The tables tell ([`digest`]), a language puts it into words ([`wording`], [`crate::readable`]), pictures show each fault's
//! recent rates ([`picture`]), templates make HTML and plain text of it ([`page`]), and [`message`] packs it with the
//! CSV ([`attachment`]) into one mail. The [`Mailer`] writes it into a folder, or puts it into the [`spool`], from where
//! it goes to the server ([`smtp`]); its [`identity`] sees to it that it is sent once. A report is sent also when there
//! is nothing to report: a mail that does not come would mean that something is broken. `docs/report.md` describes it
//! for those who get it.

mod attachment;
mod digest;
mod error;
mod identity;
mod links;
mod mailer;
mod message;
mod page;
mod picture;
mod run;
mod smtp;
mod spool;
mod target;
#[cfg(test)]
mod tests;
mod wording;

pub use error::ReportError;
pub use mailer::{Delivery, Mailer, Reported};
pub use run::{Run, Stretch};
pub use smtp::{ConnectError, LoginSettingsError};
pub use spool::{
    Dropped, Fate, MailState, Queued, Recipient, Round, RoundMail, Spool, SpoolError, Which, WhyDropped,
};
pub use target::{MailServer, MailTarget, MailTargetError};
