//! The mail report: what was confirmed in a period, for the people who answer for it.
//!
//! The tables tell ([`digest`]), a language puts it into words ([`wording`], [`figures`]), pictures show each fault's
//! recent rates ([`picture`]), templates make HTML and plain text of it ([`page`]), and [`message`] packs it with the
//! CSV ([`attachment`]) into one mail for the [`target`]. A report is sent also when there is nothing to report: a
//! mail that does not come would mean that something is broken. `docs/report.md` describes it for those who get it.

mod attachment;
mod digest;
mod error;
mod figures;
mod message;
mod page;
mod picture;
mod run;
mod target;
#[cfg(test)]
mod tests;
mod wording;

use std::path::PathBuf;

pub use error::ReportError;
pub use run::Run;
pub use target::{MailTarget, MailTargetError};

use crate::config::MailConfig;
use crate::tables::Tables;

/// A report that was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The mail's file.
    pub path: PathBuf,
    /// Its subject.
    pub subject: String,
    /// Confirmed anomalies in it.
    pub confirmed: u64,
    /// Distinct addresses it is meant for, blind copies included.
    pub recipients: usize,
}

/// Makes the run's report and delivers it to `mail.url`.
///
/// The same run gets the same file name, so reporting it twice leaves one mail.
///
/// # Errors
/// When an address or the destination is wrong, the tables can't be read, or the mail can't be written.
pub fn send(mail: &MailConfig, run: &Run, tables: &dyn Tables) -> Result<Sent, ReportError> {
    let target: MailTarget = mail.url.parse()?;
    let digest = digest::Digest::read(run, tables)?;
    let attachment = attachment::write(&digest)?;
    let page = page::Page::new(wording::wording(mail.language), run, &digest, &attachment)?;
    let built = message::build(mail, run, &run.id(mail.language), &page, attachment)?;
    let path = target.deliver(&run.file_name(mail.language), &built.bytes)?;
    tracing::info!(mail = %path.display(), confirmed = digest.alarms.confirmed, "report written");
    Ok(Sent { path, subject: page.subject, confirmed: digest.alarms.confirmed, recipients: built.recipients })
}
