//! The identity of an aircraft.

use core::fmt;
use core::str::FromStr;

use heapless::String;

/// An aircraft's registration as it stands in topics and rows, e.g. `TC-JJA`: 1 to 16 ASCII letters, digits
/// or `-`. Anything else could change the meaning of an MQTT topic or a file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tail(String<MAX_TAIL_BYTES>);

/// Longest registration, in bytes.
pub const MAX_TAIL_BYTES: usize = 16;

/// The text can't be an aircraft's registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a tail: expected 1 to 16 ASCII letters, digits or '-'")]
pub struct NotATail;

impl Tail {
    /// The name under which rows of the whole fleet stand: EDR files do not tell aircraft apart.
    #[must_use]
    pub fn fleet() -> Self {
        // "FLEET" fits; an empty name could not, so nothing is lost by not panicking.
        Self(String::try_from("FLEET").unwrap_or_default())
    }

    /// The text of the registration.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tail {
    type Err = NotATail;

    fn from_str(text: &str) -> Result<Self, NotATail> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if text.is_empty() || !text.bytes().all(allowed) {
            return Err(NotATail);
        }
        String::try_from(text).map(Self).map_err(|_| NotATail)
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fleet_has_a_tail_like_any_other() {
        assert_eq!("FLEET".parse(), Ok(Tail::fleet()));
    }

    #[test]
    fn registrations_are_tails_and_topic_syntax_is_not() {
        assert!("TC-JJA".parse::<Tail>().is_ok());
        for text in ["", "TC/JJA", "+", "#", "TC JJA", "../etc", "A-VERY-LONG-REGISTRATION"] {
            assert_eq!(text.parse::<Tail>(), Err(NotATail), "{text:?}");
        }
    }
}
