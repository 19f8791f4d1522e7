//! What is wrong with a body, in the words of FastAPI and pydantic: clients show them and match on them.

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::echo::Echo;
use super::event::Field;
use super::integer::NotInteger;
use super::read::MAX_TEXT;

/// Where a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// The whole body: `["body"]`.
    Body,
    /// A field: `["body", "dest_port"]`.
    Field(Field),
    /// So many characters into the body: `["body", 17]`.
    Position(usize),
}

/// One entry of the `detail` of a 422 answer. It serialises as `{"type", "loc", "msg", "input"}`, and `ctx` where
/// pydantic gives one.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: Kind,
    location: Location,
    input: Echo,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Missing,
    NotAnObject,
    NotJson(&'static str),
    NotText,
    TextTooLong,
    NotInteger(NotInteger),
}

/// What `ctx` holds.
enum Context {
    None,
    Error(&'static str),
    MaxLength(usize),
    AtMost(i64),
    AtLeast(i64),
}

impl Problem {
    pub(super) const fn new(kind: Kind, location: Location, input: Echo) -> Self {
        Self { kind, location, input }
    }

    /// pydantic's name for it, e.g. `missing`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Missing => "missing",
            Kind::NotAnObject => "model_attributes_type",
            Kind::NotJson(_) => "json_invalid",
            Kind::NotText => "string_type",
            Kind::TextTooLong => "string_too_long",
            Kind::NotInteger(NotInteger::Type) => "int_type",
            Kind::NotInteger(NotInteger::Parsing) => "int_parsing",
            Kind::NotInteger(NotInteger::NotUnicode) => "string_unicode",
            Kind::NotInteger(NotInteger::Fraction) => "int_from_float",
            Kind::NotInteger(NotInteger::NotFinite) => "finite_number",
            Kind::NotInteger(NotInteger::FloatSize) => "int_parsing_size",
            Kind::NotInteger(NotInteger::TooLarge) => "less_than_equal",
            Kind::NotInteger(NotInteger::TooSmall) => "greater_than_equal",
        }
    }

    /// pydantic's sentence for it.
    #[must_use]
    pub fn message(&self) -> String {
        let fixed = match self.kind {
            Kind::Missing => "Field required",
            Kind::NotAnObject => "Input should be a valid dictionary or object to extract fields from",
            Kind::NotJson(_) => "JSON decode error",
            Kind::NotText => "Input should be a valid string",
            Kind::TextTooLong => return format!("String should have at most {MAX_TEXT} characters"),
            Kind::NotInteger(NotInteger::Type) => "Input should be a valid integer",
            Kind::NotInteger(NotInteger::Parsing) => {
                "Input should be a valid integer, unable to parse string as an integer"
            }
            Kind::NotInteger(NotInteger::NotUnicode) => {
                "Input should be a valid string, unable to parse raw data as a unicode string"
            }
            Kind::NotInteger(NotInteger::Fraction) => {
                "Input should be a valid integer, got a number with a fractional part"
            }
            Kind::NotInteger(NotInteger::NotFinite) => "Input should be a finite number",
            Kind::NotInteger(NotInteger::FloatSize) => {
                "Unable to parse input string as an integer, exceeded maximum size"
            }
            Kind::NotInteger(NotInteger::TooLarge) => {
                return format!("Input should be less than or equal to {}", i64::MAX);
            }
            Kind::NotInteger(NotInteger::TooSmall) => {
                return format!("Input should be greater than or equal to {}", i64::MIN);
            }
        };
        fixed.to_owned()
    }

    /// Where it is.
    #[must_use]
    pub const fn location(&self) -> Location {
        self.location
    }

    const fn context(&self) -> Context {
        match self.kind {
            Kind::NotJson(error) => Context::Error(error),
            Kind::TextTooLong => Context::MaxLength(MAX_TEXT),
            Kind::NotInteger(NotInteger::TooLarge) => Context::AtMost(i64::MAX),
            Kind::NotInteger(NotInteger::TooSmall) => Context::AtLeast(i64::MIN),
            _ => Context::None,
        }
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", self.kind())?;
        map.serialize_entry("loc", &self.location)?;
        map.serialize_entry("msg", &self.message())?;
        map.serialize_entry("input", self.input.as_ref())?;
        if !matches!(self.context(), Context::None) {
            map.serialize_entry("ctx", &self.context())?;
        }
        map.end()
    }
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Body => ["body"].serialize(serializer),
            Self::Field(field) => ["body", field.name()].serialize(serializer),
            Self::Position(position) => ("body", position).serialize(serializer),
        }
    }
}

impl Serialize for Context {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::None => {}
            Self::Error(error) => map.serialize_entry("error", error)?,
            Self::MaxLength(length) => map.serialize_entry("max_length", length)?,
            Self::AtMost(bound) => map.serialize_entry("le", bound)?,
            Self::AtLeast(bound) => map.serialize_entry("ge", bound)?,
        }
        map.end()
    }
}
