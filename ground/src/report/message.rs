//! The mail itself: headers, and parts within parts.

use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment as Part, Body, Mailbox, MultiPart, MultiPartBuilder, SinglePart};
use lettre::{Message, message::MessageBuilder};

use super::attachment::{self, Attachment};
use super::page::{FaultView, Page};
use super::{ReportError, Run};
use crate::config::MailConfig;

/// A mail that is ready to go, and how many people its envelope names.
pub(super) struct Mail {
    pub bytes: Vec<u8>,
    pub recipients: usize,
}

/// Puts the mail together: `mixed(alternative(text, related(html, pictures)), attachment)`.
///
/// Boundaries and identity follow from the run, so the same run gives the same bytes.
pub(super) fn build(
    mail: &MailConfig,
    run: &Run,
    run_id: &str,
    page: &Page,
    attachment: Attachment,
) -> Result<Mail, ReportError> {
    let boundary =
        |builder: MultiPartBuilder, part: &str| builder.boundary(format!("cabinwatch-{part}-{run_id}"));
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
    let message = headers(mail, run, run_id, page)?.multipart(body)?;
    Ok(Mail { recipients: message.envelope().to().len(), bytes: message.formatted() })
}

fn headers(mail: &MailConfig, run: &Run, run_id: &str, page: &Page) -> Result<MessageBuilder, ReportError> {
    if mail.to.is_empty() && mail.cc.is_empty() && mail.bcc.is_empty() {
        return Err(ReportError::NoRecipient);
    }
    let seconds = u64::try_from(run.generated_at.0).unwrap_or(0);
    let raw = |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
    let mut builder = Message::builder()
        .from(mailbox("from", &mail.from)?)
        .subject(&page.subject)
        .date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .message_id(Some(format!("<{run_id}@cabinwatch>")))
        .raw_header(raw("Content-Language", page.language()))
        // No out-of-office notes back to us, please (RFC 3834).
        .raw_header(raw("Auto-Submitted", "auto-generated"));
    for address in &mail.to {
        builder = builder.to(mailbox("to", address)?);
    }
    for address in &mail.cc {
        builder = builder.cc(mailbox("cc", address)?);
    }
    // The envelope takes these; lettre then leaves the header out of the mail.
    for address in &mail.bcc {
        builder = builder.bcc(mailbox("bcc", address)?);
    }
    Ok(builder)
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
