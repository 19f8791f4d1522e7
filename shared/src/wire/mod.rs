//! The bytes between aircraft and ground, specified in `docs/wire-format.md`.
//!
//! The agent numbers its [`Frame`]s consecutively within a stream and sends them in *messages*: a header, then one
//! or more frames with consecutive numbers. The ground stores them and answers with [`Committed`].

mod frame;
mod message;
mod reply;
mod topic;

pub use frame::{
    Frame, KnownRow, KnownRows, LossFrame, LossReason, MAX_KEYS, MAX_POINTS, ModelOutcome, ModelReport,
    PointName, PointRow, Rollback, RollbackCause, SpelledRow, StreamStart, TrialCounts, WindowFrame,
};
pub use message::{
    Encoding, Envelope, FrameHead, Frames, MAX_FRAME_BYTES, MAX_MESSAGE_BYTES, MessageHead,
    write_envelope_head, write_frame, write_head,
};
pub use reply::{AgentStatus, ClockTrust, Committed, LinkState};
pub use topic::{Topic, topics};

use serde::{Deserialize, Serialize};

/// The version that stands first in every payload of ours.
pub const WIRE_VERSION: u8 = 1;

/// The random name of one agent database. A new database is a new stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(pub u64);

/// A frame's number within its stream: consecutive, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FrameSeq(pub u64);

impl FrameSeq {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Sixteen hexadecimal digits.
impl core::fmt::Display for StreamId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Why a payload does not decode. Nothing of it is used then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// From a newer program, or no payload of ours.
    #[error("the payload has wire version {0}; this program reads version {WIRE_VERSION}")]
    Version(u8),
    /// An encoding this program does not know.
    #[error("the payload has unknown encoding {0}")]
    Encoding(u8),
    /// Larger than the limit.
    #[error("the payload exceeds {0} bytes")]
    TooLarge(usize),
    /// Cut short.
    #[error("the payload is cut short")]
    Truncated,
    /// Bytes behind the end.
    #[error("the payload has bytes behind its end")]
    Trailing,
    /// A value that no frame of this version holds, or more rows than the limits allow.
    #[error("the payload holds a value out of range")]
    Value,
}

impl From<postcard::Error> for WireError {
    fn from(error: postcard::Error) -> Self {
        match error {
            postcard::Error::DeserializeUnexpectedEnd => Self::Truncated,
            _ => Self::Value,
        }
    }
}

#[cfg(test)]
mod tests;
