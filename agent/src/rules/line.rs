//! The header of a log line: when, which program, and where its message begins.

use cabinwatch_shared::time::UnixMillis;
use jiff::tz::Offset;

use super::file::Daemon;
use super::stamp;

/// Lines longer than this are malformed; no daemon of a gateway writes such.
pub const MAX_LINE_BYTES: usize = 8192;

/// What is known about a source's lines beyond the lines themselves.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// The daemon of lines that have no header, where their form does not tell it.
    pub daemon: Option<Daemon>,
    /// How far ahead of UTC the times are that name no offset, in seconds.
    pub utc_offset_seconds: i32,
}

impl Hints {
    fn offset(&self) -> Offset {
        Offset::from_seconds(self.utc_offset_seconds).unwrap_or(Offset::UTC)
    }
}

/// One line, split. Everything borrows from the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// When the line says it was written.
    pub at: Option<UnixMillis>,
    /// The program's name as written, without its process id; `None` where the line has no header.
    pub program: Option<&'a str>,
    /// The process id, where the header holds one.
    pub pid: Option<u32>,
    /// What the program wrote, without blanks at either end.
    pub message: &'a str,
}

impl<'a> LogLine<'a> {
    /// Splits a line. `now` places times without a year; a line of no known form has no header and is all message.
    #[must_use]
    pub fn parse(line: &'a str, now: UnixMillis, hints: &Hints) -> Self {
        let line = line.trim_matches(['\n', '\r', ' ', '\t', '\u{feff}']);
        Self::with_header(line, now, hints.offset()).unwrap_or(Self {
            at: None,
            program: None,
            pid: None,
            message: line,
        })
    }

    fn with_header(line: &'a str, now: UnixMillis, offset: Offset) -> Option<Self> {
        let body = priority(line);
        match body.bytes().next()? {
            b'0'..=b'9' => rfc5424(body).or_else(|| rfc3339(body)).or_else(|| epoch(body)),
            b'A'..=b'Z' => radiusd_file(body, offset).or_else(|| {
                let (at, rest) = stamp::rfc3164(body, now, offset)?;
                host_and_tag(at, rest.strip_prefix(' ')?)
            }),
            // A datagram that a program sent with a priority and a tag, but no time.
            _ if body.len() < line.len() => {
                let (tag, message) = body.split_once(' ')?;
                tagged(None, tag, message)
            }
            _ => None,
        }
    }
}

/// What follows `<PRI>`, or the whole line where there is none.
fn priority(line: &str) -> &str {
    let Some((digits, rest)) = line.strip_prefix('<').and_then(|rest| rest.split_once('>')) else {
        return line;
    };
    let is_priority = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_priority { rest } else { line }
}

/// `1 TIME HOST APP PROCID MSGID SD MSG`.
fn rfc5424(body: &str) -> Option<LogLine<'_>> {
    let mut fields = body.strip_prefix("1 ")?.splitn(6, ' ');
    let time = fields.next()?;
    let at = if time == "-" { None } else { Some(UnixMillis::parse(time).ok()?) };
    let _host = fields.next()?;
    let program = fields.next()?;
    let pid = fields.next()?.parse().ok();
    let _message_id = fields.next()?;
    let message = after_structured_data(fields.next()?)?;
    let message = message.trim_start().trim_start_matches('\u{feff}').trim();
    Some(LogLine { at, program: Some(program).filter(|name| *name != "-"), pid, message })
}

/// What follows `-` or `[id name="value" ...]...`; in a value, `\` takes the meaning off `"` and `]`.
fn after_structured_data(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('-') {
        return (rest.is_empty() || rest.starts_with(' ')).then_some(rest);
    }
    let (mut quoted, mut escaped, mut inside) = (false, false, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if inside => quoted = !quoted,
            b'[' if !quoted => inside = true,
            b']' if !quoted => inside = false,
            _ if inside => {}
            b' ' => return text.get(index..),
            _ => return None,
        }
    }
    (!inside).then_some("")
}

/// `TIME HOST APP[PID]: MSG`.
fn rfc3339(body: &str) -> Option<LogLine<'_>> {
    let (time, rest) = body.split_once(' ')?;
    host_and_tag(UnixMillis::parse(time).ok()?, rest)
}

/// `SECONDS.MICROS: MSG`, hostapd's standard output with `-t`.
fn epoch(body: &str) -> Option<LogLine<'_>> {
    let (time, message) = body.split_once(": ")?;
    let (seconds, micros) = time.split_once('.')?;
    if micros.len() != 6 || !micros.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis = seconds.parse::<i64>().ok()?.checked_mul(1000)? + micros.get(..3)?.parse::<i64>().ok()?;
    Some(LogLine { at: Some(UnixMillis(millis)), program: None, pid: None, message: message.trim() })
}

/// `Sat Nov 21 08:08:50 2026 : Auth: MSG`, the file that FreeRADIUS writes itself.
fn radiusd_file(body: &str, offset: Offset) -> Option<LogLine<'_>> {
    let (at, rest) = stamp::ctime(body, offset)?;
    let (_level, message) = rest.strip_prefix(" : ")?.split_once(": ")?;
    Some(LogLine { at: Some(at), program: Some("radiusd"), pid: None, message: message.trim() })
}

/// `HOST TAG MSG`, or `TAG MSG` as a program sends it to the local socket. A tag ends in a colon, a host does not.
fn host_and_tag(at: UnixMillis, text: &str) -> Option<LogLine<'_>> {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    if first.ends_with(':') {
        return tagged(Some(at), first, rest);
    }
    let (tag, message) = rest.split_once(' ').unwrap_or((rest, ""));
    tagged(Some(at), tag, message)
}

fn tagged<'a>(at: Option<UnixMillis>, tag: &'a str, message: &'a str) -> Option<LogLine<'a>> {
    let (program, pid) = program_and_pid(tag.strip_suffix(':').unwrap_or(tag));
    (!program.is_empty()).then_some(LogLine { at, program: Some(program), pid, message: message.trim() })
}

/// `APP[PID]` or `APP`.
pub(super) fn program_and_pid(tag: &str) -> (&str, Option<u32>) {
    match tag.strip_suffix(']').and_then(|tag| tag.split_once('[')) {
        Some((program, pid)) => (program, pid.parse().ok()),
        None => (tag, None),
    }
}

#[cfg(test)]
mod tests;
