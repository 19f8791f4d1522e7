//! The conversation with a mail server (RFC 5321): [`Server`] connects, encrypts and logs in, [`Session`] hands over
//! mails and says of each recipient what became of it, and [`Login`] keeps the password to itself.
//!
//! lettre speaks the protocol; the steps are taken one by one here, because what a failure means depends on the step.
//! Until the mail's last line is out nobody has the mail, so it can be sent again. When the line is cut behind it,
//! nobody can know.

mod login;
mod server;
mod session;

pub(super) use server::Server;
pub use server::{ConnectError, LoginSettingsError};
pub(super) use session::{Session, Verdict};

/// Longest text of the server's that is kept.
const MAX_WORDS_CHARS: usize = 300;

/// What went wrong in the server's own words, or in ours where it said none. Its text is put on one line, cut to a
/// bearable length, and cleared of the password, which a careless server may repeat.
fn words(error: &lettre::transport::smtp::Error, login: Option<&login::Login>) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let words = match error.status() {
        Some(code) => format!("{code} {cause}"),
        None if is_silence(error) => "no answer in time".to_owned(),
        None if error.is_response() && cause == "incomplete response" => "the line was closed".to_owned(),
        None if error.is_response() => format!("no SMTP answer ({cause})"),
        None => cause,
    };
    let words = login.map_or(words.clone(), |login| login.redact(&words));
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_WORDS_CHARS).collect()
}

/// Whether the wait ended without an answer; Linux calls that `WouldBlock` on a socket with a time limit.
fn is_silence(error: &lettre::transport::smtp::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<std::io::Error>() {
            return matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
        }
        source = cause.source();
    }
    false
}
