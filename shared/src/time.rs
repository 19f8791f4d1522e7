//! Instants on the Unix clock, and how the text of an `edr_date` becomes one.

use core::fmt;

use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

/// An instant: milliseconds since 1970-01-01T00:00:00Z, negative before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

/// A whole second on the same clock. Windows start and end on whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixSeconds(pub i64);

/// The text is neither `YYYY-MM-DD HH:MM:SS[.fff]` nor ISO 8601 with an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a date: expected YYYY-MM-DD HH:MM:SS[.fff] or ISO 8601 with an offset")]
pub struct NotADate;

static PARSER: DateTimeParser = DateTimeParser::new();

/// `YYYY-MM-DD?HH`: what stands behind these bytes tells whether the text names an offset.
const DATE_AND_HOUR: usize = 13;

impl UnixMillis {
    /// Reads an `edr_date`: `YYYY-MM-DD HH:MM:SS[.fff]` or ISO 8601. Without an offset it is UTC.
    /// Fractions finer than a millisecond are cut off.
    ///
    /// # Errors
    /// [`NotADate`] for any other text, and for a date without a time.
    pub fn parse(text: &str) -> Result<Self, NotADate> {
        let text = text.trim_ascii();
        let rest = text.as_bytes().get(DATE_AND_HOUR..).ok_or(NotADate)?;
        let has_offset = rest.iter().any(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-'));
        let timestamp = if has_offset {
            PARSER.parse_timestamp(text).map_err(|_| NotADate)?
        } else {
            let civil = PARSER.parse_datetime(text).map_err(|_| NotADate)?;
            Offset::UTC.to_timestamp(civil).map_err(|_| NotADate)?
        };
        let millis =
            timestamp.as_second() * 1000 + i64::from(timestamp.subsec_nanosecond()).div_euclid(1_000_000);
        Ok(Self(millis))
    }

    /// The whole second this instant falls into.
    #[must_use]
    pub const fn seconds(self) -> UnixSeconds {
        UnixSeconds(self.0.div_euclid(1000))
    }
}

impl UnixSeconds {
    /// The instant at which this second begins; the far ends of the clock saturate.
    #[must_use]
    pub const fn millis(self) -> UnixMillis {
        UnixMillis(self.0.saturating_mul(1000))
    }
}

/// RFC 3339 in UTC, e.g. `2026-11-21T08:10:00Z`; a bare number where no calendar reaches.
impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(timestamp) => write!(f, "{timestamp}"),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

/// RFC 3339 in UTC with the milliseconds that are not zero.
impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp}"),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn a_date_without_an_offset_is_utc() {
        assert_eq!(UnixMillis::parse("1970-01-01 00:00:01"), Ok(UnixMillis(1000)));
        assert_eq!(UnixMillis::parse("2026-11-21 08:10:04.747"), Ok(UnixMillis(1_795_248_604_747)));
        assert_eq!(UnixMillis::parse("2026-11-21T08:10:04"), Ok(UnixMillis(1_795_248_604_000)));
    }

    #[test]
    fn an_offset_is_honoured() {
        let utc = UnixMillis::parse("2026-11-21T05:10:04Z");
        assert_eq!(UnixMillis::parse("2026-11-21T08:10:04+03:00"), utc);
        assert_eq!(UnixMillis::parse("2026-11-21 08:10:04+03"), utc);
        assert_eq!(UnixMillis::parse(" 2026-11-21T00:10:04-05:00 "), utc);
    }

    #[test]
    fn before_the_epoch_fractions_round_towards_the_past() {
        let just_before = UnixMillis::parse("1969-12-31 23:59:59.999").expect("a date");
        assert_eq!(just_before, UnixMillis(-1));
        assert_eq!(just_before.seconds(), UnixSeconds(-1));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in
            ["", "yesterday", "2026-11-21", "2026-13-01 00:00:00", "2026-11-21 25:00:00", "1732176000"]
        {
            assert_eq!(UnixMillis::parse(text), Err(NotADate), "{text:?}");
        }
    }

    #[test]
    fn seconds_print_as_rfc_3339() {
        assert_eq!(UnixSeconds(1_795_248_600).to_string(), "2026-11-21T08:10:00Z");
    }
}
