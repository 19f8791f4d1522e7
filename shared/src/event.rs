//! One observation of a passenger's journey through the WiFi.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::fault_key::FaultKey;
use crate::time::UnixMillis;

/// How a step of the journey ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// The step worked.
    Success,
    /// The step failed; its description says how.
    Fail,
}

/// The text of a state is neither `FAIL` nor `SUCCESS`. Such rows take no part in rates; they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown state: only FAIL and SUCCESS take part in rates")]
pub struct UnknownState;

impl State {
    /// Reads the text of an EDR `state` column, exactly as written there: case and blanks count.
    ///
    /// # Errors
    /// [`UnknownState`] for every other text.
    pub fn parse(text: &str) -> Result<Self, UnknownState> {
        match text {
            "FAIL" => Ok(Self::Fail),
            "SUCCESS" => Ok(Self::Success),
            _ => Err(UnknownState),
        }
    }

    /// The text of the EDR column.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Fail => "FAIL",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One event, as a source or a rule gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// When it happened.
    pub at: UnixMillis,
    /// Where in the journey, and (for a failure) what went wrong.
    pub key: FaultKey<'a>,
    /// How the step ended.
    pub state: State,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_to_the_letter() {
        assert_eq!(State::parse("FAIL"), Ok(State::Fail));
        assert_eq!(State::parse("SUCCESS"), Ok(State::Success));
        for text in ["", "fail", "FAIL ", "PASS", "TIMEOUT"] {
            assert_eq!(State::parse(text), Err(UnknownState), "{text:?}");
        }
    }
}
