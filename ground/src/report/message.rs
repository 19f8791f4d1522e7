//! The mail itself: headers, and parts within parts.

use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment as Part, Body, Mailbox, MultiPart, MultiPartBuilder, SinglePart};
use lettre::{Address, Message, message::MessageBuilder};

use super::attachment::{self, Attachment};
use super::identity::Identity;
use super::page::{FaultView, Page};
use super::{ReportError, Run};
use crate::config::MailConfig;

/// A mail that is ready to go, and whom its envelope names.
pub(super) struct Letter {
    pub message_id: String,
    pub subject: String,
    pub bytes: Vec<u8>,
    pub envelope: Envelope,
}

/// Whom a mail is from, and whom it goes to: nobody twice, blind copies included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub from: Address,
    pub to: Vec<Address>,
}

/// The configured addresses, each with its display name.
struct Mailboxes {
    from: Mailbox,
    to: Vec<Mailbox>,
    cc: Vec<Mailbox>,
    bcc: Vec<Mailbox>,
}

impl Mailboxes {
    fn of(mail: &MailConfig) -> Result<Self, ReportError> {
        let all = |setting, addresses: &[String]| -> Result<Vec<Mailbox>, ReportError> {
            addresses.iter().map(|address| mailbox(setting, address)).collect()
        };
        let boxes = Self {
            from: mailbox("from", &mail.from)?,
            to: all("to", &mail.to)?,
            cc: all("cc", &mail.cc)?,
            bcc: all("bcc", &mail.bcc)?,
        };
        if boxes.to.is_empty() && boxes.cc.is_empty() && boxes.bcc.is_empty() {
            return Err(ReportError::NoRecipient);
        }
        Ok(boxes)
    }

    fn envelope(&self) -> Envelope {
        let mut to: Vec<Address> = Vec::new();
        for recipient in self.to.iter().chain(&self.cc).chain(&self.bcc) {
            if !to.contains(&recipient.email) {
                to.push(recipient.email.clone());
            }
        }
        Envelope { from: self.from.email.clone(), to }
    }
}

/// Checks the configured addresses; the same ones fail here that would fail in [`build`].
pub(super) fn check_addresses(mail: &MailConfig) -> Result<(), ReportError> {
    Mailboxes::of(mail).map(drop)
}

/// Puts the mail together: `mixed(alternative(text, related(html, pictures)), attachment)`.
///
/// Boundaries and Message-ID follow from the identity, so the same report at the same time gives the same bytes.
pub(super) fn build(
    mail: &MailConfig,
    run: &Run,
    identity: &Identity,
    page: &Page,
    attachment: Attachment,
) -> Result<Letter, ReportError> {
    let id = identity.id();
    let boundary =
        |builder: MultiPartBuilder, part: &str| builder.boundary(format!("cabinwatch-{part}-{id}"));
    let mut related =
        boundary(MultiPart::related(), "related").singlepart(text_part(ContentType::TEXT_HTML, page.html()?));
    for picture in page.faults.iter().filter_map(|fault: &FaultView| fault.picture.as_ref()) {
        let name = format!("{}.png", picture.content_id.split('@').next().unwrap_or("rate"));
        let part = Part::new_inline_with_name(picture.content_id.clone(), name);
        related = related.singlepart(part.body(picture.png.clone(), content_type("image/png")));
    }
    let alternative = boundary(MultiPart::alternative(), "alternative")
        .singlepart(text_part(ContentType::TEXT_PLAIN, page.text()?))
        .multipart(related);
    // Base64 keeps every byte; a text encoding would change the line ends.
    let csv =
        Body::new_with_encoding(attachment.csv, ContentTransferEncoding::Base64).unwrap_or_else(Body::new);
    let csv = Part::new(attachment::FILE_NAME.to_owned()).body(csv, content_type("text/csv; charset=utf-8"));
    let body = boundary(MultiPart::mixed(), "mixed").multipart(alternative).singlepart(csv);
    let boxes = Mailboxes::of(mail)?;
    let envelope = boxes.envelope();
    let message_id = format!("<{id}@{}>", envelope.from.domain());
    let message = headers(boxes, run, &message_id, page).multipart(body)?;
    Ok(Letter { message_id, subject: page.subject.clone(), bytes: message.formatted(), envelope })
}

fn headers(boxes: Mailboxes, run: &Run, message_id: &str, page: &Page) -> MessageBuilder {
    let seconds = u64::try_from(run.generated_at.0).unwrap_or(0);
    let raw = |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
    let mut builder = Message::builder()
        .from(boxes.from)
        .subject(&page.subject)
        .date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .message_id(Some(message_id.to_owned()))
        .raw_header(raw("Content-Language", page.language()))
        // No out-of-office notes back to us, please (RFC 3834).
        .raw_header(raw("Auto-Submitted", "auto-generated"));
    for address in boxes.to {
        builder = builder.to(address);
    }
    for address in boxes.cc {
        builder = builder.cc(address);
    }
    // lettre wants a recipient for its envelope, which is not used here, and leaves this header out of the mail.
    for address in boxes.bcc {
        builder = builder.bcc(address);
    }
    builder
}

fn mailbox(setting: &'static str, address: &str) -> Result<Mailbox, ReportError> {
    let bad = |message: String| ReportError::Address { setting, address: address.to_owned(), message };
    if address.chars().any(char::is_control) {
        return Err(bad("it holds a line break or another control character".to_owned()));
    }
    address.parse().map_err(|error: lettre::address::AddressError| bad(error.to_string()))
}

/// Quoted-printable: readable in the file, and fit for any mail server.
fn text_part(content_type: ContentType, text: String) -> SinglePart {
    SinglePart::builder().header(content_type).header(ContentTransferEncoding::QuotedPrintable).body(text)
}

fn content_type(text: &str) -> ContentType {
    // Only literals come here, and a test reads them; plain text is the fallback every reader shows.
    ContentType::parse(text).unwrap_or(ContentType::TEXT_PLAIN)
}
