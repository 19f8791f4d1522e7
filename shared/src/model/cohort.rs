//! The identity of a group of aircraft.

use core::fmt;
use core::str::FromStr;

use heapless::String;
use serde::{Deserialize, Deserializer, Serialize, de};

/// Most bytes of a cohort's name.
pub const MAX_COHORT_BYTES: usize = 64;

/// The name of a cohort, which is a group of aircraft that take the same models: 1 to 64 ASCII letters, digits, `-` or
/// `_`. Anything else could change the meaning of an MQTT topic or a file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Cohort(String<MAX_COHORT_BYTES>);

/// The text can't be a cohort's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cohort: expected 1 to 64 ASCII letters, digits, '-' or '_'")]
pub struct NotACohort;

impl Cohort {
    /// The cohort of every aircraft that nobody gave another one.
    #[must_use]
    pub fn fleet() -> Self {
        // "fleet" fits; an empty name could not, so nothing is lost by not panicking.
        Self(String::try_from("fleet").unwrap_or_default())
    }

    /// The text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Cohort {
    type Err = NotACohort;

    fn from_str(text: &str) -> Result<Self, NotACohort> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if text.is_empty() || !text.bytes().all(allowed) {
            return Err(NotACohort);
        }
        String::try_from(text).map(Self).map_err(|_| NotACohort)
    }
}

impl fmt::Display for Cohort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Cohort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::<MAX_COHORT_BYTES>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fleet_is_a_cohort_like_any_other() {
        assert_eq!("fleet".parse(), Ok(Cohort::fleet()));
    }

    #[test]
    fn plain_names_are_cohorts_and_topic_syntax_is_not() {
        for text in ["canary", "A-330_neo", &"x".repeat(64)] {
            assert_eq!(text.parse::<Cohort>().expect(text).as_str(), text);
        }
        for text in ["", "a/b", "+", "#", "a b", "../etc", "v1.2", "é", &"x".repeat(65)] {
            assert_eq!(text.parse::<Cohort>(), Err(NotACohort), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_cohort_does_not_come_in_over_the_wire_either() {
        let read = |bytes: &[u8]| postcard::from_bytes::<Cohort>(bytes).ok();
        assert_eq!(read(b"\x05fleet"), Some(Cohort::fleet()));
        let mut bytes = [0; 8];
        let written = postcard::to_slice(&Cohort::fleet(), &mut bytes).map(|written| &*written);
        assert_eq!(written, Ok(&b"\x05fleet"[..]));
        for bytes in [&b"\x00"[..], b"\x03a/b", b"\x05flee"] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }
}
