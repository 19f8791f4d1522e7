//! JSON as Python's `json.loads` reads it, because that is what today's clients have been read by: `NaN` and `Infinity`
//! are numbers, half a surrogate pair is a character, whole numbers may be huge, and an error has Python's words and
//! counts its place in characters.
//!
//! Nothing is copied or built: values are the places where they stand in the text.

use std::borrow::Cow;

/// Most digits of a whole number, Python's own limit.
const MAX_DIGITS: usize = 4300;

/// A value, as it stands in the text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    /// Digits, perhaps with a minus.
    Integer(&'a str),
    /// With a fraction or an exponent, or `NaN`, `Infinity`, `-Infinity`.
    Float(&'a str),
    Text(Text<'a>),
    /// A whole array, from bracket to bracket.
    Array(&'a str),
    /// A whole object, from brace to brace.
    Object(&'a str),
}

/// What stands between two quotation marks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

/// Why a text is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Value,
    PropertyName,
    Colon,
    Comma,
    Unterminated,
    ControlCharacter,
    Escape,
    UnicodeEscape,
    ExtraData,
    /// A whole number that Python does not convert; it answers with an error of its own.
    Digits,
    /// Ours: Python answers with an error of its own, at a depth that varies.
    Nesting,
}

impl Reason {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Value => "Expecting value",
            Self::PropertyName => "Expecting property name enclosed in double quotes",
            Self::Colon => "Expecting ':' delimiter",
            Self::Comma => "Expecting ',' delimiter",
            Self::Unterminated => "Unterminated string starting at",
            Self::ControlCharacter => "Invalid control character at",
            Self::Escape => "Invalid \\escape",
            Self::UnicodeEscape => "Invalid \\uXXXX escape",
            Self::ExtraData => "Extra data",
            Self::Digits => "Exceeds the limit (4300 digits) for integers",
            Self::Nesting => "Nested too deeply",
        }
    }
}

/// Where a text stops being JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid {
    /// In bytes.
    at: usize,
    pub(super) reason: Reason,
}

impl Invalid {
    /// The place in characters, as Python counts.
    pub(super) fn position(self, text: &str) -> usize {
        text.get(..self.at).unwrap_or(text).chars().count()
    }
}

/// Reads one value after the other.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// How deep arrays and objects may still nest.
    depth: usize,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a str, depth: usize) -> Self {
        Self { text, at: 0, depth }
    }

    /// A value and nothing behind it; the entries of an object are shown to `entry` on the way.
    pub(super) fn document(
        &mut self,
        entry: &mut impl FnMut(Text<'a>, Value<'a>),
    ) -> Result<Value<'a>, Invalid> {
        self.skip_space();
        let value = match self.peek() {
            Some(b'{') => self.object(entry)?,
            _ => self.value()?,
        };
        self.skip_space();
        if self.at == self.text.len() { Ok(value) } else { Err(self.invalid(Reason::ExtraData)) }
    }

    /// The items of an array, one after the other.
    pub(super) fn array(&mut self, item: &mut impl FnMut(Value<'a>)) -> Result<Value<'a>, Invalid> {
        let start = self.open()?;
        self.skip_space();
        if self.peek() != Some(b']') {
            loop {
                item(self.value()?);
                if self.ends(b']')? {
                    break;
                }
            }
        }
        Ok(Value::Array(self.close(start)))
    }

    fn object(&mut self, entry: &mut impl FnMut(Text<'a>, Value<'a>)) -> Result<Value<'a>, Invalid> {
        let start = self.open()?;
        self.skip_space();
        if self.peek() != Some(b'}') {
            loop {
                if self.peek() != Some(b'"') {
                    return Err(self.invalid(Reason::PropertyName));
                }
                let name = self.string()?;
                self.skip_space();
                if self.peek() != Some(b':') {
                    return Err(self.invalid(Reason::Colon));
                }
                self.at += 1;
                self.skip_space();
                entry(name, self.value()?);
                if self.ends(b'}')? {
                    break;
                }
            }
        }
        Ok(Value::Object(self.close(start)))
    }

    fn open(&mut self) -> Result<usize, Invalid> {
        self.depth = self.depth.checked_sub(1).ok_or(self.invalid(Reason::Nesting))?;
        self.at += 1;
        Ok(self.at - 1)
    }

    fn close(&mut self, start: usize) -> &'a str {
        self.depth += 1;
        self.at += 1;
        self.since(start)
    }

    /// Whether the bracket comes next; else there is a comma, which is passed.
    fn ends(&mut self, bracket: u8) -> Result<bool, Invalid> {
        self.skip_space();
        match self.peek() {
            Some(byte) if byte == bracket => Ok(true),
            Some(b',') => {
                self.at += 1;
                self.skip_space();
                Ok(false)
            }
            _ => Err(self.invalid(Reason::Comma)),
        }
    }

    fn value(&mut self) -> Result<Value<'a>, Invalid> {
        match self.peek() {
            Some(b'"') => self.string().map(Value::Text),
            Some(b'{') => self.object(&mut |_, _| ()),
            Some(b'[') => self.array(&mut |_| ()),
            Some(b'n') => self.word("null", Value::Null),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'N') => self.word("NaN", Value::Float("NaN")),
            Some(b'I') => self.word("Infinity", Value::Float("Infinity")),
            Some(b'-') if self.byte(self.at + 1) == Some(b'I') => {
                self.word("-Infinity", Value::Float("-Infinity"))
            }
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, Invalid> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(self.invalid(Reason::Value));
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Value<'a>, Invalid> {
        let start = self.at;
        let first = start + usize::from(self.peek() == Some(b'-'));
        // A number ends where it can: what is wrong behind it is somebody else's error.
        let mut end = match self.byte(first) {
            Some(b'0') => first + 1,
            Some(b'1'..=b'9') => self.digits(first),
            _ => return Err(self.invalid(Reason::Value)),
        };
        let mut is_float = false;
        if self.byte(end) == Some(b'.') {
            let fraction = self.digits(end + 1);
            if fraction > end + 1 {
                (end, is_float) = (fraction, true);
            }
        }
        if matches!(self.byte(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.byte(end + 1), Some(b'+' | b'-')));
            let exponent = self.digits(end + 1 + sign);
            if exponent > end + 1 + sign {
                (end, is_float) = (exponent, true);
            }
        }
        if !is_float && end - first > MAX_DIGITS {
            return Err(self.invalid(Reason::Digits));
        }
        self.at = end;
        let digits = self.since(start);
        Ok(if is_float { Value::Float(digits) } else { Value::Integer(digits) })
    }

    fn digits(&self, from: usize) -> usize {
        let rest = self.text.as_bytes().get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    fn string(&mut self) -> Result<Text<'a>, Invalid> {
        let quote = self.at;
        let mut at = quote + 1;
        let mut escaped = false;
        loop {
            let rest = self.text.as_bytes().get(at..).unwrap_or_default();
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            at += plain.unwrap_or(rest.len());
            match self.byte(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(Text { raw: self.text.get(quote + 1..at).unwrap_or_default(), escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    at = self.escape(quote, at)?;
                }
                Some(_) => return Err(Invalid { at, reason: Reason::ControlCharacter }),
                None => return Err(Invalid { at: quote, reason: Reason::Unterminated }),
            }
        }
    }

    /// Where an escape ends.
    fn escape(&self, quote: usize, backslash: usize) -> Result<usize, Invalid> {
        match self.byte(backslash + 1) {
            None => Err(Invalid { at: quote, reason: Reason::Unterminated }),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(backslash + 2),
            Some(b'u') => {
                let end = backslash + 6;
                let digits = self.text.as_bytes().get(backslash + 2..end).unwrap_or_default();
                // Python wants at least the closing quotation mark behind the digits.
                if end < self.text.len() && digits.iter().all(u8::is_ascii_hexdigit) {
                    Ok(end)
                } else {
                    Err(Invalid { at: backslash + 1, reason: Reason::UnicodeEscape })
                }
            }
            Some(_) => Err(Invalid { at: backslash, reason: Reason::Escape }),
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.byte(self.at)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    const fn invalid(&self, reason: Reason) -> Invalid {
        Invalid { at: self.at, reason }
    }
}

impl<'a> Text<'a> {
    /// The characters it stands for. Python keeps half a surrogate pair, which no encoding can write; U+FFFD stands in
    /// its place.
    pub(super) fn decode(self) -> Cow<'a, str> {
        self.decode_marked().0
    }

    /// Whether there is half a surrogate pair in it.
    pub(super) fn has_half_pair(self) -> bool {
        self.decode_marked().1
    }

    fn decode_marked(self) -> (Cow<'a, str>, bool) {
        if !self.escaped {
            return (Cow::Borrowed(self.raw), false);
        }
        let mut out = String::with_capacity(self.raw.len());
        let mut half_pair = false;
        let mut rest = self.raw;
        while let Some((plain, escape)) = rest.split_once('\\') {
            out.push_str(plain);
            let (character, length) = unescape(escape);
            half_pair |= character.is_none();
            out.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
            rest = escape.get(length..).unwrap_or_default();
        }
        out.push_str(rest);
        (Cow::Owned(out), half_pair)
    }
}

/// The character of an escape, none for half a surrogate pair; and how much of the text behind the backslash it takes.
fn unescape(escape: &str) -> (Option<char>, usize) {
    let simple = match escape.as_bytes().first() {
        Some(b'u') => return unescape_unicode(escape),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(byte) => char::from(*byte),
        None => char::REPLACEMENT_CHARACTER,
    };
    (Some(simple), 1)
}

fn unescape_unicode(escape: &str) -> (Option<char>, usize) {
    let unit = |from: usize| u16::from_str_radix(escape.get(from..from + 4)?, 16).ok();
    let second = if escape.get(5..7) == Some("\\u") { unit(7) } else { None };
    let units = [unit(1), second].into_iter().flatten();
    match char::decode_utf16(units).next() {
        Some(Ok(character)) => (Some(character), if character.len_utf16() == 2 { 11 } else { 5 }),
        _ => (None, 5),
    }
}
