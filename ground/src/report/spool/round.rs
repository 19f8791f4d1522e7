//! One round through the queue: what is due is sent, oldest first, over as few lines as possible.

use std::time::SystemTime;

use cabinwatch_shared::time::UnixSeconds;
use serde::Serialize;

use super::claim::{Claim, NoClaim};
use super::pause::{after, wait};
use super::{Dropped, Fate, MailState, Record, SENT, Spool, SpoolError, WhyDropped};
use crate::report::smtp::{Server, Session};

/// Lines of one round that may break in the middle of a mail. One such mail must not keep the others from being sent;
/// a server that breaks them all must not keep the run waiting.
const MOST_BROKEN_LINES: u32 = 2;

/// Which mails a round sends, besides those that are due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Which {
    /// Those that wait for their next attempt, too: somebody asks for it now.
    pub waiting: bool,
    /// Those in doubt, too: somebody has seen that they did not arrive.
    pub doubtful: bool,
    /// Those that the server refused, too: somebody has removed the reason.
    pub refused: bool,
}

/// What a round did, and what the queue holds afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Round {
    /// Mails the server took.
    pub sent: Vec<RoundMail>,
    /// Mails that were tried, and that it did not take, or nobody knows.
    pub failed: Vec<RoundMail>,
    /// Mails that were given up.
    pub dropped: Vec<Dropped>,
    /// Mails that wait.
    pub waiting: u64,
    /// Names of the mails another process is sending.
    pub sending: Vec<String>,
    /// Mails in doubt.
    pub doubtful: u64,
    /// Mails the server refused.
    pub refused: u64,
    /// Mails whose record can't be read; the log names them.
    pub unreadable: u64,
    /// Why the server was not used, where it was needed and was not.
    pub server: Option<String>,
}

/// What a round did with one mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoundMail {
    /// Its name in the queue.
    pub name: String,
    /// Its subject.
    pub subject: String,
    /// What it is now.
    pub state: MailState,
    /// Recipients the server has it for.
    pub delivered: usize,
    /// Recipients the server does not want it for, each with what it said.
    pub refused: Vec<String>,
    /// What happened, where it was not sent.
    pub why: Option<String>,
}

impl RoundMail {
    fn new(name: String, record: &Record) -> Self {
        let state = record.state();
        Self {
            name,
            subject: record.subject.clone(),
            state,
            delivered: record.delivered(),
            refused: record.refused().map(|(address, words)| format!("{address}: {words}")).collect(),
            why: (state != MailState::Sent).then(|| record.why.clone()),
        }
    }
}

impl Spool {
    /// Sends what is due. A mail that cannot be read is left where it is, and the others are sent.
    pub(in crate::report) fn send(
        &self,
        server: &Server,
        which: Which,
        now: UnixSeconds,
    ) -> Result<Round, SpoolError> {
        self.clean(SystemTime::now())?;
        let mut sender = Sender {
            spool: self,
            server,
            which,
            now,
            line: Line::Closed,
            broken_lines: 0,
            round: Round::default(),
        };
        for name in self.names()? {
            if let Err(error) = sender.look_at(&name) {
                tracing::error!(mail = name, "{error}");
                sender.round.unreadable += 1;
            }
        }
        if let Line::Open(session) = sender.line {
            session.quit();
        }
        Ok(sender.round)
    }
}

/// The line to the server in the course of a round.
enum Line {
    Closed,
    Open(Box<Session>),
    /// Not in this round any more.
    Unusable,
}

struct Sender<'a> {
    spool: &'a Spool,
    server: &'a Server,
    which: Which,
    now: UnixSeconds,
    line: Line,
    broken_lines: u32,
    round: Round,
}

impl Sender<'_> {
    fn look_at(&mut self, name: &str) -> Result<(), SpoolError> {
        let mut claim = match Claim::of(&self.spool.queued(name))? {
            Ok(claim) => claim,
            Err(NoClaim::Taken) => {
                self.round.sending.push(name.to_owned());
                return Ok(());
            }
            Err(NoClaim::Gone) => return Ok(()),
        };
        if self.spool.was_sent(name)? {
            return claim.remove(&self.spool.folder);
        }
        if claim.record.abandoned() {
            tracing::warn!(mail = name, "the program was ended while it sent this mail: it is in doubt");
            claim.save()?;
        }
        if claim.record.state() == MailState::Sent {
            return self.finish(claim);
        }
        if self.spool.is_too_old(claim.record.created, self.now) {
            let dropped = self.spool.drop_mail(claim, WhyDropped::Age, self.now)?;
            self.round.dropped.push(dropped);
            return Ok(());
        }
        if self.is_due(&claim.record) && self.open_line() {
            return self.attempt(claim);
        }
        self.count(claim.record.state());
        Ok(())
    }

    fn is_due(&self, record: &Record) -> bool {
        match record.state() {
            MailState::Waiting => self.which.waiting || record.retry_at <= self.now,
            MailState::Doubtful => self.which.doubtful,
            MailState::Refused => self.which.refused,
            MailState::Sending | MailState::Sent => false,
        }
    }

    fn attempt(&mut self, mut claim: Claim) -> Result<(), SpoolError> {
        let Line::Open(session) = &mut self.line else { return Ok(()) };
        let Which { doubtful, refused, .. } = self.which;
        claim.record.again(|fate| match fate {
            Fate::Doubtful { .. } => doubtful,
            Fate::Refused { .. } => refused,
            Fate::Waiting | Fate::Sending | Fate::Delivered => false,
        });
        let mail = claim.mail()?;
        let envelope = claim.record.envelope();
        let verdicts = session.send(&envelope, &mail, |verdicts| {
            claim.record.committing(verdicts);
            claim.save()
        });
        claim.record.settle(verdicts);
        if claim.record.state() == MailState::Sent {
            return self.finish(claim);
        }
        claim.record.failures = claim.record.failures.saturating_add(1);
        claim.record.retry_at = after(self.now, wait(self.spool.retry, claim.record.failures));
        claim.save()?;
        let mail = RoundMail::new(claim.name(), &claim.record);
        tracing::warn!(
            mail = mail.name,
            state = mail.state.as_str(),
            refused = mail.refused.len(),
            "mail not sent: {}",
            claim.record.why
        );
        self.count(mail.state);
        self.round.failed.push(mail);
        Ok(())
    }

    /// The server has it: that is remembered first, and only then does the mail leave the queue.
    fn finish(&mut self, claim: Claim) -> Result<(), SpoolError> {
        let mail = RoundMail::new(claim.name(), &claim.record);
        let note = serde_json::json!({ "sent": self.now.to_string(), "record": claim.record });
        self.spool.remember(SENT, &mail.name, note.to_string().as_bytes())?;
        claim.remove(&self.spool.folder)?;
        tracing::info!(mail = mail.name, recipients = mail.delivered, "mail sent");
        for refused in &mail.refused {
            tracing::warn!(mail = mail.name, "recipient refused: {refused}");
        }
        self.round.sent.push(mail);
        Ok(())
    }

    /// Sees to it that there is a line to the server, where there can be one.
    fn open_line(&mut self) -> bool {
        match &self.line {
            Line::Open(session) if session.is_broken() => self.broken_lines += 1,
            Line::Open(_) => return true,
            Line::Unusable => return false,
            Line::Closed => {}
        }
        self.line = match self.connect() {
            Ok(session) => Line::Open(Box::new(session)),
            Err(why) => {
                tracing::warn!("no mail is sent for now: {why}");
                self.round.server = Some(why);
                Line::Unusable
            }
        };
        matches!(self.line, Line::Open(_))
    }

    fn connect(&self) -> Result<Session, String> {
        if self.broken_lines >= MOST_BROKEN_LINES {
            return Err(format!(
                "the mail server {} broke off {MOST_BROKEN_LINES} times",
                self.server.name()
            ));
        }
        let name = self.server.name();
        let pause = self.spool.pause(&name).filter(|pause| pause.retry_at > self.now);
        if let Some(pause) = pause.filter(|_| self.which == Which::default()) {
            return Err(format!(
                "the next attempt is due at {}; the last one: {}",
                pause.retry_at, pause.why
            ));
        }
        let noted = |result: Result<(), SpoolError>| {
            // Without the note the next attempt comes too early, which does no harm.
            result.unwrap_or_else(|error| tracing::warn!("{error}"));
        };
        match self.server.connect() {
            Ok(session) => {
                noted(self.spool.end_pause());
                Ok(session)
            }
            Err(error) => {
                noted(self.spool.begin_pause(&name, &error.to_string(), self.now));
                Err(error.to_string())
            }
        }
    }

    const fn count(&mut self, state: MailState) {
        match state {
            MailState::Waiting => self.round.waiting += 1,
            MailState::Doubtful => self.round.doubtful += 1,
            MailState::Refused => self.round.refused += 1,
            // This process has the claim, so nobody sends it; and what is sent leaves the queue.
            MailState::Sending | MailState::Sent => {}
        }
    }
}
