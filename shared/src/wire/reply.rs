//! What goes beside the frames: the ground's acknowledgement and the agent's status. Each payload is a version byte
//! and a postcard value.

use serde::{Deserialize, Serialize};

use super::{FrameSeq, StreamId, WIRE_VERSION, WireError};
use crate::bytes::append_postcard;
use crate::model::{AgentRelease, Cohort, ModelVersion};

/// The ground has stored every frame of the stream up to this number, or knows that it will never come.
/// Published retained, so that an agent learns it whenever it connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// Whose frames.
    pub stream: StreamId,
    /// Up to here.
    pub seq: FrameSeq,
}

/// What an agent says of itself when it connects, or what the broker says in its stead when the line breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkState {
    /// Connected.
    Online(AgentStatus),
    /// Gone: what an agent says that is stopped, and the last will of one whose line broke.
    Offline,
    /// Gone as planned; nothing is wrong.
    Away {
        /// It is back within so many seconds, at the latest. Not an instant: the aircraft's clock may be wrong.
        seconds: u32,
    },
}

/// An agent's state at connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// The agent's release.
    pub release: AgentRelease,
    /// The active model; 0 for none.
    pub model: ModelVersion,
    /// The stream it writes.
    pub stream: StreamId,
    /// The oldest frame it still has.
    pub oldest: FrameSeq,
    /// The newest frame it has.
    pub newest: FrameSeq,
    /// Whose models it takes.
    pub cohort: Cohort,
    /// What it thinks of its clock.
    pub clock: ClockTrust,
}

/// What an agent thinks of its clock, and so of the times in its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClockTrust {
    /// It knows the time of day.
    Trusted,
    /// It has none yet, or none since it started: it holds back what happened, and sends no window.
    Provisional,
    /// It goes by a time that may be wrong.
    Doubtful,
}

impl ClockTrust {
    /// The name in tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Provisional => "provisional",
            Self::Doubtful => "doubtful",
        }
    }
}

macro_rules! versioned {
    ($type:ty) => {
        impl $type {
            /// Appends the payload.
            ///
            /// # Errors
            /// When postcard refuses, which no value makes it do.
            pub fn write(&self, out: &mut impl Extend<u8>) -> Result<(), WireError> {
                out.extend([WIRE_VERSION]);
                Ok(append_postcard(self, out)?)
            }

            /// Reads a payload.
            ///
            /// # Errors
            /// For another version, a value out of range, or a wrong length.
            pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
                let (&version, rest) = payload.split_first().ok_or(WireError::Truncated)?;
                if version != WIRE_VERSION {
                    return Err(WireError::Version(version));
                }
                let (value, rest) = postcard::take_from_bytes(rest)?;
                if rest.is_empty() { Ok(value) } else { Err(WireError::Trailing) }
            }
        }
    };
}

versioned!(Committed);
versioned!(LinkState);
