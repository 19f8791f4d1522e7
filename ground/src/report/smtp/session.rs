//! One mail after the other over one line.

use std::cell::Cell;
use std::fmt::Display;
use std::iter;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::SmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::{Response, Severity};

use super::login::Login;
use super::server::Server;
use super::words;
use crate::report::message::Envelope;

/// How much of a mail is written at once; each piece has the whole time limit.
const PIECE_BYTES: usize = 64 * 1024;
/// A server that does not say goodbye is left without.
const GOODBYE: Duration = Duration::from_secs(2);
/// The answer to DATA that asks for the mail.
const START_MAIL: u16 = 354;

/// What became of a mail for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) enum Verdict {
    /// The server has it.
    Accepted,
    /// The server does not have it and may take it another time.
    Later(String),
    /// The server does not want it, now or ever.
    Refused(String),
    /// The server may have it or not: the line was cut between the mail's end and the answer.
    Unknown(String),
}

/// A line to the server on which mails can be handed over.
pub(in crate::report) struct Session {
    connection: SmtpConnection,
    login: Option<Login>,
    timeout: Duration,
    accept_timeout: Duration,
    broken: bool,
}

impl Session {
    pub(super) fn new(connection: SmtpConnection, server: &Server, login: Option<Login>) -> Self {
        let (timeout, accept_timeout) = (server.timeout, server.accept_timeout);
        Self { connection, login, timeout, accept_timeout, broken: false }
    }

    /// Whether nothing more can be sent on this line.
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Hands over one mail. `committing` is called when the server is ready for the mail's text, with what became of
    /// each recipient so far (none: the server would take it); where it fails, nothing is sent.
    pub fn send<E: Display>(
        &mut self,
        envelope: &Envelope,
        mail: &[u8],
        committing: impl FnOnce(&[Option<Verdict>]) -> Result<(), E>,
    ) -> Vec<Verdict> {
        let mut verdicts = vec![None; envelope.to.len()];
        let of_the_rest = self.transact(envelope, mail, &mut verdicts, committing);
        let of_the_rest = of_the_rest.unwrap_or_else(|verdict| verdict);
        if of_the_rest != Verdict::Accepted && !self.broken {
            // The server forgets what it was told of this mail; the next one begins anew.
            self.broken = self.connection.command(Rset).is_err();
        }
        verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(|| of_the_rest.clone())).collect()
    }

    /// Says goodbye.
    pub fn quit(mut self) {
        if !self.broken && self.connection.set_timeout(Some(GOODBYE)).is_ok() {
            // What was handed over stays so, whatever the server says to this.
            let _ = self.connection.command(Quit);
        }
    }

    /// The verdict on those recipients of whom `verdicts` says nothing; as an error where a step was not reached.
    fn transact<E: Display>(
        &mut self,
        envelope: &Envelope,
        mail: &[u8],
        verdicts: &mut [Option<Verdict>],
        committing: impl FnOnce(&[Option<Verdict>]) -> Result<(), E>,
    ) -> Result<Verdict, Verdict> {
        let parameters = self.parameters(envelope, mail)?;
        self.command(Mail::new(Some(envelope.from.clone()), parameters))?;
        for (recipient, verdict) in envelope.to.iter().zip(verdicts.iter_mut()) {
            let answer = self.command(Rcpt::new(recipient.clone(), Vec::new()));
            if self.broken {
                return answer.map(|_| Verdict::Later(String::new()));
            }
            *verdict = answer.err();
        }
        if verdicts.iter().all(Option::is_some) {
            return Ok(Verdict::Later("no recipient was accepted".to_owned()));
        }
        let answer = self.command(Data)?;
        if u16::from(answer.code()) != START_MAIL {
            self.broken = true;
            return Err(Verdict::Later(format!("the server answered DATA with {}", answer.code())));
        }
        committing(verdicts).map_err(|error| {
            // The server waits for a mail now: only closing the line tells it that none will come.
            self.broken = true;
            Verdict::Later(format!("not sent: {error}"))
        })?;
        Ok(self.content(mail))
    }

    fn content(&mut self, mail: &[u8]) -> Verdict {
        let is_out = Cell::new(false);
        let mut pieces = mail.chunks(PIECE_BYTES);
        // lettre asks for one piece after the other, each when the one before has been written, and writes the line
        // that ends the mail when there are no more: from then on the server may have it.
        let pieces = iter::from_fn(|| {
            let piece = pieces.next();
            is_out.set(piece.is_none());
            piece
        });
        let answer = self
            .connection
            .set_timeout(Some(self.accept_timeout))
            .map_err(|error| error.to_string())
            .map(|()| self.connection.message_iter(pieces));
        let verdict = match answer {
            Err(error) => self.broken_with(Verdict::Later(error)),
            Ok(Ok(answer)) if answer.code().severity == Severity::PositiveCompletion => Verdict::Accepted,
            Ok(Ok(answer)) => {
                self.broken_with(Verdict::Unknown(format!("the server answered with {}", answer.code())))
            }
            Ok(Err(error)) if error.status().is_some() => self.verdict(&error),
            Ok(Err(error)) if is_out.get() => {
                let words = words(&error, self.login.as_ref());
                self.broken_with(Verdict::Unknown(words))
            }
            Ok(Err(error)) => self.verdict(&error),
        };
        self.broken |= self.connection.set_timeout(Some(self.timeout)).is_err();
        verdict
    }

    /// What the server has to be told of before a mail with such addresses or bytes.
    fn parameters(&self, envelope: &Envelope, mail: &[u8]) -> Result<Vec<MailParameter>, Verdict> {
        let is_ascii = |address: &Address| address.user().is_ascii() && address.domain().is_ascii();
        let offers = |extension| self.connection.server_info().supports_feature(extension);
        let mut parameters = Vec::new();
        if !iter::once(&envelope.from).chain(&envelope.to).all(is_ascii) {
            if !offers(Extension::SmtpUtfEight) {
                let message = "the server takes no addresses beyond ASCII (it offers no SMTPUTF8)";
                return Err(Verdict::Refused(message.to_owned()));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !mail.is_ascii() {
            if !offers(Extension::EightBitMime) {
                let message = "the server takes no mail beyond ASCII (it offers no 8BITMIME)";
                return Err(Verdict::Refused(message.to_owned()));
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(parameters)
    }

    fn command(&mut self, command: impl Display) -> Result<Response, Verdict> {
        self.connection.command(command).map_err(|error| self.verdict(&error))
    }

    /// What a failure before the mail's end, or an answer to it, means.
    fn verdict(&mut self, error: &Error) -> Verdict {
        let words = words(error, self.login.as_ref());
        if error.is_permanent() {
            return Verdict::Refused(words);
        }
        // Without a code the conversation is out of step, or over.
        self.broken |= error.status().is_none();
        Verdict::Later(words)
    }

    const fn broken_with(&mut self, verdict: Verdict) -> Verdict {
        self.broken = true;
        verdict
    }
}
