//! What is known of a mail in the spool.

use cabinwatch_shared::time::UnixSeconds;
use lettre::Address;
use serde::{Deserialize, Serialize};

use crate::report::message::{Envelope, Letter};
use crate::report::smtp::Verdict;

/// A mail's way so far, recipient by recipient. It lies beside the mail as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::report) struct Record {
    pub message_id: String,
    pub subject: String,
    pub created: UnixSeconds,
    #[serde(with = "address_text")]
    pub from: Address,
    pub recipients: Vec<Recipient>,
    /// Attempts that failed.
    pub failures: u32,
    /// Not to be tried again before.
    pub retry_at: UnixSeconds,
    /// Why it is still here.
    pub why: String,
}

/// One recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The address.
    #[serde(with = "address_text")]
    pub address: Address,
    /// What became of the mail for it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// What became of a mail for one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Fate {
    /// Not handed over yet.
    Waiting,
    /// Being handed over: the server may get it at any moment. Nobody at work on it means: in doubt.
    Sending,
    /// The server has it.
    Delivered,
    /// The server does not want it.
    Refused {
        /// What it said.
        words: String,
    },
    /// The server may have it or not.
    Doubtful {
        /// What happened.
        words: String,
    },
}

/// What became of a mail as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailState {
    /// At least one recipient is still to get it.
    Waiting,
    /// A process is handing it over.
    Sending,
    /// None waits, but nobody knows whether all of them have it.
    Doubtful,
    /// The server has it for at least one recipient, and does not want it for the others.
    Sent,
    /// The server wants it for none.
    Refused,
}

impl MailState {
    /// As it stands in listings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Doubtful => "doubtful",
            Self::Sent => "sent",
            Self::Refused => "refused",
        }
    }
}

impl Record {
    pub fn new(letter: &Letter, now: UnixSeconds) -> Self {
        let waiting = |address: &Address| Recipient { address: address.clone(), fate: Fate::Waiting };
        Self {
            message_id: letter.message_id.clone(),
            subject: letter.subject.clone(),
            created: now,
            from: letter.envelope.from.clone(),
            recipients: letter.envelope.to.iter().map(waiting).collect(),
            failures: 0,
            retry_at: now,
            why: "not tried yet".to_owned(),
        }
    }

    pub fn state(&self) -> MailState {
        let any = |is: fn(&Fate) -> bool| self.recipients.iter().any(|recipient| is(&recipient.fate));
        if any(|fate| *fate == Fate::Sending) {
            MailState::Sending
        } else if any(|fate| *fate == Fate::Waiting) {
            MailState::Waiting
        } else if any(|fate| matches!(fate, Fate::Doubtful { .. })) {
            MailState::Doubtful
        } else if any(|fate| *fate == Fate::Delivered) {
            MailState::Sent
        } else {
            MailState::Refused
        }
    }

    /// Whom it still has to go to.
    pub fn envelope(&self) -> Envelope {
        let waiting = self.recipients.iter().filter(|recipient| recipient.fate == Fate::Waiting);
        Envelope { from: self.from.clone(), to: waiting.map(|recipient| recipient.address.clone()).collect() }
    }

    /// Those the server does not want it for, and what it said.
    pub fn refused(&self) -> impl Iterator<Item = (&Address, &str)> {
        self.recipients.iter().filter_map(|recipient| match &recipient.fate {
            Fate::Refused { words } => Some((&recipient.address, words.as_str())),
            _ => None,
        })
    }

    /// Recipients the server has it for.
    pub fn delivered(&self) -> usize {
        self.recipients.iter().filter(|recipient| recipient.fate == Fate::Delivered).count()
    }

    /// The mail's text goes out from here on, to those the server has not turned down.
    pub fn committing(&mut self, verdicts: &[Option<Verdict>]) {
        for (fate, verdict) in self.open_fates().zip(verdicts) {
            if verdict.is_none() {
                *fate = Fate::Sending;
            }
        }
    }

    /// What became of it for each recipient of its [`Record::envelope`].
    pub fn settle(&mut self, verdicts: Vec<Verdict>) {
        let mut why = None;
        for (fate, verdict) in self.open_fates().zip(verdicts) {
            *fate = match verdict {
                Verdict::Accepted => Fate::Delivered,
                Verdict::Later(words) => {
                    why = Some(words);
                    Fate::Waiting
                }
                Verdict::Refused(words) => {
                    why = Some(words.clone());
                    Fate::Refused { words }
                }
                Verdict::Unknown(words) => {
                    why = Some(words.clone());
                    Fate::Doubtful { words }
                }
            };
        }
        self.why = why.unwrap_or_default();
    }

    /// What is being sent although nobody is at work on it, is in doubt. Says whether there was any.
    pub fn abandoned(&mut self) -> bool {
        const WORDS: &str = "the program was ended while it handed the mail over";
        let mut found = false;
        for recipient in &mut self.recipients {
            if recipient.fate == Fate::Sending {
                recipient.fate = Fate::Doubtful { words: WORDS.to_owned() };
                found = true;
            }
        }
        if found {
            WORDS.clone_into(&mut self.why);
        }
        found
    }

    /// Has it sent again to those whose fate is of this kind.
    pub fn again(&mut self, is: impl Fn(&Fate) -> bool) {
        for recipient in &mut self.recipients {
            if is(&recipient.fate) {
                recipient.fate = Fate::Waiting;
            }
        }
    }

    /// Those of the envelope the mail is being handed over to, in its order.
    fn open_fates(&mut self) -> impl Iterator<Item = &mut Fate> {
        let fates = self.recipients.iter_mut().map(|recipient| &mut recipient.fate);
        fates.filter(|fate| matches!(fate, Fate::Waiting | Fate::Sending))
    }
}

/// Addresses as text.
mod address_text {
    use lettre::Address;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(address)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(recipients: usize) -> Record {
        let to = (0..recipients).map(|number| format!("r{number}@example.com").parse().expect("an address"));
        let envelope = Envelope { from: "us@example.com".parse().expect("an address"), to: to.collect() };
        let letter = Letter {
            message_id: "<1@example.com>".to_owned(),
            subject: "s".to_owned(),
            bytes: Vec::new(),
            envelope,
        };
        Record::new(&letter, UnixSeconds(0))
    }

    fn words(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn each_recipient_has_its_own_fate() {
        let mut record = record(4);
        let refused = Verdict::Refused(words("550 no such user"));
        let verdicts = [None, Some(refused.clone()), Some(Verdict::Later(words("451 later"))), None];
        record.committing(&verdicts);
        assert_eq!(record.state(), MailState::Sending);
        record.settle(vec![
            Verdict::Accepted,
            refused,
            Verdict::Later(words("451 later")),
            Verdict::Accepted,
        ]);
        assert_eq!((record.state(), record.delivered()), (MailState::Waiting, 2));
        assert_eq!(record.envelope().to, ["r2@example.com".parse().expect("an address")]);
        record.settle(vec![Verdict::Accepted]);
        assert_eq!((record.state(), record.delivered()), (MailState::Sent, 3));
        let refused: Vec<_> = record.refused().map(|(address, said)| (address.to_string(), said)).collect();
        assert_eq!(refused, [("r1@example.com".to_owned(), "550 no such user")]);
    }

    #[test]
    fn what_nobody_is_at_work_on_any_more_is_in_doubt_until_it_is_sent_again() {
        let mut record = record(2);
        record.committing(&[None, Some(Verdict::Later(words("451 later")))]);
        assert!(record.abandoned());
        assert!(!record.abandoned());
        assert_eq!(record.state(), MailState::Waiting, "the other one still waits");
        record.settle(vec![Verdict::Accepted]);
        assert_eq!(record.state(), MailState::Doubtful);
        record.again(|fate| matches!(fate, Fate::Doubtful { .. }));
        assert_eq!(record.envelope().to, ["r0@example.com".parse().expect("an address")]);
    }

    #[test]
    fn a_mail_that_nobody_gets_is_refused() {
        let mut record = record(2);
        record.settle(vec![Verdict::Refused(words("550 a")), Verdict::Refused(words("550 b"))]);
        assert_eq!((record.state(), record.why.as_str()), (MailState::Refused, "550 b"));
    }

    #[test]
    fn a_record_reads_back_as_written() {
        let mut record = record(3);
        record.settle(vec![
            Verdict::Accepted,
            Verdict::Refused(words("550 \"no\"")),
            Verdict::Unknown(words("the line was closed")),
        ]);
        let text = serde_json::to_string(&record).expect("JSON");
        assert!(text.contains(r#"{"address":"r0@example.com","state":"delivered"}"#), "{text}");
        assert_eq!(serde_json::from_str::<Record>(&text).expect("a record"), record);
    }
}
