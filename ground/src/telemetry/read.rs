//! Reads an event, or says everything that is wrong with it.

use std::borrow::Cow;

use super::echo::{Echo, echo, echo_literal, echo_text};
use super::encoding::decode;
use super::event::{Event, Field};
use super::integer;
use super::json::{Invalid, Scanner, Value};
use super::problem::{Kind, Location, Problem};

/// Longest text of a field, in characters: as long as the longest path on Linux.
pub const MAX_TEXT: usize = 4096;
/// How deep arrays and objects may nest, in fields that nobody reads.
pub const MAX_NESTING: usize = 200;

/// Reads the body of an event: what FastAPI with a pydantic model takes is taken, what it refuses is refused, with the
/// same problems in the same order. `docs/telemetry.md` lists the few differences.
///
/// # Errors
/// Everything that is wrong; at least one problem.
pub fn read_event(body: &[u8]) -> Result<Event<'_>, Vec<Problem>> {
    if body.is_empty() {
        return Err(vec![Problem::new(Kind::Missing, Location::Body, echo_literal("null"))]);
    }
    match decode(body) {
        Some(Cow::Borrowed(text)) => read_text(text),
        Some(Cow::Owned(text)) => read_text(&text).map(Event::into_owned),
        None => Err(vec![not_json("Not a Unicode text", 0)]),
    }
}

/// What FastAPI says of a body that is not declared as JSON: it is a text, whatever stands in it.
#[must_use]
pub fn undeclared_body(body: &[u8]) -> Problem {
    if body.is_empty() {
        return Problem::new(Kind::Missing, Location::Body, echo_literal("null"));
    }
    Problem::new(Kind::NotAnObject, Location::Body, echo_text(&String::from_utf8_lossy(body)))
}

fn not_json(error: &'static str, position: usize) -> Problem {
    Problem::new(Kind::NotJson(error), Location::Position(position), echo_literal("{}"))
}

fn read_text(text: &str) -> Result<Event<'_>, Vec<Problem>> {
    let mut values = [None; Field::ALL.len()];
    let document = Scanner::new(text, MAX_NESTING).document(&mut |name, value| {
        // Of a name that comes twice the last value counts; names that nobody knows are ignored.
        if let Some(field) = Field::named(&name.decode()) {
            values[field as usize] = Some(value);
        }
    });
    match document {
        Ok(Value::Object(body)) => Check::new(body, values).event(),
        Ok(value) => Err(vec![Problem::new(Kind::NotAnObject, Location::Body, echo(&value))]),
        Err(invalid) => Err(vec![not_json(invalid.reason.words(), Invalid::position(invalid, text))]),
    }
}

/// Checks one field after the other and collects what is wrong.
struct Check<'a> {
    body: &'a str,
    values: [Option<Value<'a>>; Field::ALL.len()],
    problems: Vec<Problem>,
    /// The whole body, once a field is missing.
    whole: Option<Echo>,
}

impl<'a> Check<'a> {
    const fn new(body: &'a str, values: [Option<Value<'a>>; Field::ALL.len()]) -> Self {
        Self { body, values, problems: Vec::new(), whole: None }
    }

    /// The order of the fields is that of the problems.
    fn event(mut self) -> Result<Event<'a>, Vec<Problem>> {
        let event = Event {
            timestamp: self.text(Field::Timestamp),
            process_path: self.text(Field::ProcessPath),
            process_hash: self.text(Field::ProcessHash),
            source_ip: self.text(Field::SourceIp),
            dest_ip: self.text(Field::DestIp),
            dest_domain: self.optional_text(Field::DestDomain),
            dest_port: self.integer(Field::DestPort),
            bytes_sent: self.integer(Field::BytesSent),
            bytes_recv: self.integer(Field::BytesRecv),
            protocol: self.text(Field::Protocol),
            dns_query: self.optional_text(Field::DnsQuery),
            parent_process: self.optional_text(Field::ParentProcess),
            user_context: self.optional_text(Field::UserContext),
        };
        if self.problems.is_empty() { Ok(event) } else { Err(self.problems) }
    }

    fn text(&mut self, field: Field) -> Cow<'a, str> {
        let Some(value) = self.value(field) else {
            self.missing(field);
            return Cow::default();
        };
        self.text_of(field, value)
    }

    fn optional_text(&mut self, field: Field) -> Option<Cow<'a, str>> {
        let value = self.value(field).filter(|value| *value != Value::Null)?;
        Some(self.text_of(field, value))
    }

    fn integer(&mut self, field: Field) -> i64 {
        let Some(value) = self.value(field) else {
            self.missing(field);
            return 0;
        };
        integer::read(&value).unwrap_or_else(|wrong| {
            self.problem(field, Kind::NotInteger(wrong), &value);
            0
        })
    }

    fn value(&self, field: Field) -> Option<Value<'a>> {
        self.values[field as usize]
    }

    fn text_of(&mut self, field: Field, value: Value<'a>) -> Cow<'a, str> {
        let Value::Text(text) = value else {
            self.problem(field, Kind::NotText, &value);
            return Cow::default();
        };
        let text = text.decode();
        if text.len() > MAX_TEXT && text.chars().count() > MAX_TEXT {
            self.problem(field, Kind::TextTooLong, &value);
        }
        text
    }

    fn missing(&mut self, field: Field) {
        let body = Value::Object(self.body);
        let whole = self.whole.get_or_insert_with(|| echo(&body)).clone();
        self.problems.push(Problem::new(Kind::Missing, Location::Field(field), whole));
    }

    fn problem(&mut self, field: Field, kind: Kind, value: &Value<'_>) {
        self.problems.push(Problem::new(kind, Location::Field(field), echo(value)));
    }
}
