//! The value that a problem is about, as JSON that every client can read: `NaN`, infinities and halves of surrogate pairs
//! are none, though Python reads them. (Today's scorer answers 500 to those, because it cannot write what it has read.)

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::json::{Scanner, Value};
use super::read::MAX_NESTING;

/// A value as JSON. Problems that are about the same value share it.
pub(super) type Echo = Arc<RawValue>;

/// Writes a value that was read before.
pub(super) fn echo(value: &Value<'_>) -> Echo {
    let mut out = String::new();
    write(value, &mut out);
    of_json(out)
}

/// A text as JSON.
pub(super) fn echo_text(text: &str) -> Echo {
    let mut out = String::new();
    write_text(text, &mut out);
    of_json(out)
}

/// `null` or `{}`.
pub(super) fn echo_literal(json: &'static str) -> Echo {
    of_json(json.to_owned())
}

fn of_json(json: String) -> Echo {
    RawValue::from_string(json).map_or_else(|_| RawValue::NULL.to_owned().into(), Arc::from)
}

fn write(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Integer(digits) => out.push_str(digits),
        Value::Float(digits) => match digits.parse::<f64>() {
            // With a fraction or an exponent, so that it stays a float.
            Ok(number) if number.is_finite() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "{number:?}");
            }
            _ => out.push_str("null"),
        },
        Value::Text(text) => write_text(&text.decode(), out),
        Value::Array(raw) => write_array(raw, out),
        Value::Object(raw) => write_object(raw, out),
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

fn write_array(raw: &str, out: &mut String) {
    out.push('[');
    let mut first = true;
    let item = &mut |value: Value<'_>| {
        separate(&mut first, out);
        write(&value, out);
    };
    // It was read once already, so there is no error to hear of.
    let _ = Scanner::new(raw, MAX_NESTING).array(item);
    out.push(']');
}

/// A name that comes twice has its first place and its last value, as in Python.
fn write_object(raw: &str, out: &mut String) {
    let mut entries: Vec<(Cow<'_, str>, Value<'_>)> = Vec::new();
    let mut places: HashMap<Cow<'_, str>, usize> = HashMap::new();
    let _ = Scanner::new(raw, MAX_NESTING).document(&mut |name, value| {
        let name = name.decode();
        match places.entry(name.clone()) {
            Entry::Occupied(place) => {
                if let Some(entry) = entries.get_mut(*place.get()) {
                    entry.1 = value;
                }
            }
            Entry::Vacant(place) => {
                place.insert(entries.len());
                entries.push((name, value));
            }
        }
    });
    out.push('{');
    let mut first = true;
    for (name, value) in &entries {
        separate(&mut first, out);
        write_text(name, out);
        out.push(':');
        write(value, out);
    }
    out.push('}');
}

fn separate(first: &mut bool, out: &mut String) {
    if !std::mem::replace(first, false) {
        out.push(',');
    }
}
