//! Whole numbers, as forgiving as pydantic is outside its strict mode.

use super::json::Value;

/// Why a value is no whole number that an event can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotInteger {
    /// Nothing that could be a number.
    Type,
    /// A text that is none.
    Parsing,
    /// A text that no encoding can write.
    NotUnicode,
    /// A fraction.
    Fraction,
    /// `NaN` or an infinity.
    NotFinite,
    /// A float beyond 64 bits; pydantic takes none of these either.
    FloatSize,
    /// A whole number above [`i64::MAX`].
    TooLarge,
    /// A whole number below [`i64::MIN`].
    TooSmall,
}

/// The whole number of a value: `443`, `443.0`, `true`, `" +4_4_3.00 "`.
pub(super) fn read(value: &Value<'_>) -> Result<i64, NotInteger> {
    match value {
        Value::Integer(digits) => digits.parse().map_err(|_| beyond(digits.starts_with('-'))),
        Value::Float(digits) => of_float(digits.parse().unwrap_or(f64::NAN)),
        Value::Bool(value) => Ok(i64::from(*value)),
        Value::Text(text) if text.has_half_pair() => Err(NotInteger::NotUnicode),
        Value::Text(text) => of_text(&text.decode()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(NotInteger::Type),
    }
}

const fn beyond(negative: bool) -> NotInteger {
    if negative { NotInteger::TooSmall } else { NotInteger::TooLarge }
}

fn of_float(value: f64) -> Result<i64, NotInteger> {
    // The bounds themselves are out: the upper one is 2^63, one above the largest whole number.
    const BOUND: f64 = i64::MAX as f64;
    if !value.is_finite() {
        Err(NotInteger::NotFinite)
    } else if value.fract() != 0.0 {
        Err(NotInteger::Fraction)
    } else if value.abs() < BOUND {
        Ok(value as i64)
    } else {
        Err(NotInteger::FloatSize)
    }
}

/// A sign, digits with single underscores between them (any number among leading zeros), and a fraction of zeros.
pub(super) fn of_text(text: &str) -> Result<i64, NotInteger> {
    let text = text.trim();
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let is_number = has_digits_at_both_ends(whole)
        && underscores_are_single(whole)
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte == b'0');
    if !is_number {
        return Err(NotInteger::Parsing);
    }
    let digits = whole.bytes().filter(u8::is_ascii_digit).map(|digit| i64::from(digit - b'0'));
    let sign = if negative { -1 } else { 1 };
    digits
        .into_iter()
        .try_fold(0_i64, |number, digit| number.checked_mul(10)?.checked_add(sign * digit))
        .ok_or(beyond(negative))
}

fn has_digits_at_both_ends(whole: &str) -> bool {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    is_digit(whole.as_bytes().first()) && is_digit(whole.as_bytes().last())
}

fn underscores_are_single(whole: &str) -> bool {
    let significant = if whole.starts_with('0') { whole.trim_start_matches(['0', '_']) } else { whole };
    !significant.contains("__") && significant.bytes().all(|byte| byte == b'_' || byte.is_ascii_digit())
}
