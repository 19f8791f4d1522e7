//! The conversation with a mail server (RFC 5321): [`Server`] connects, encrypts and logs in, [`Session`] hands over
//! mails and says of each recipient what became of it, and [`Login`] keeps the password to itself.
//!
//! lettre speaks the protocol; the steps are taken one by one here, because what a failure means depends on the step.
//! Until the mail's last line is out nobody has the mail, so it can be sent again. When the line is cut behind it,
//! nobody can know.

mod login;
mod server;
mod session;

use std::error::Error as _;
use std::io::ErrorKind;

use lettre::transport::smtp::Error;
pub(super) use server::Server;
pub use server::{ConnectError, LoginSettingsError};
pub(super) use session::{Session, Verdict};

/// Longest text of the server's that is kept.
const MAX_WORDS_CHARS: usize = 300;

/// What went wrong in the server's own words, or in ours where it said none. Its text is put on one line, cut to a
/// bearable length, and cleared of the password, which a careless server may repeat.
fn words(error: &Error, login: Option<&login::Login>) -> String {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    let words = match (error.status(), io_kind(error)) {
        (Some(code), _) => format!("{code} {cause}"),
        // Linux calls it `WouldBlock` when the time limit of a socket is over.
        (None, Some(ErrorKind::WouldBlock | ErrorKind::TimedOut)) => "no answer in time".to_owned(),
        (None, Some(ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)) => {
            "the line was closed".to_owned()
        }
        (None, None) if error.is_response() && cause == "incomplete response" => {
            "the line was closed".to_owned()
        }
        (None, None) if error.is_response() => format!("no SMTP answer ({cause})"),
        (None, _) => cause,
    };
    let words = login.map_or_else(|| words.clone(), |login| login.redact(&words));
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_WORDS_CHARS).collect()
}

/// The system's error at the bottom of it, if there is one.
fn io_kind(error: &Error) -> Option<ErrorKind> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<std::io::Error>() {
            return Some(error.kind());
        }
        source = cause.source();
    }
    None
}
