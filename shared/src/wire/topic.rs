//! The MQTT topics. An aircraft writes only below its own tail; the broker's access list sees to that.

use core::fmt;

use crate::model::Cohort;
use crate::tail::Tail;

/// A topic of one aircraft or one cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic<'a> {
    /// Messages with frames, from the aircraft.
    Frames(&'a Tail),
    /// The aircraft's [`super::LinkState`], retained.
    Status(&'a Tail),
    /// The ground's [`super::Committed`], retained.
    Ack(&'a Tail),
    /// The signed model bundle of a cohort, retained.
    Model(&'a Cohort),
}

impl fmt::Display for Topic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frames(tail) => write!(f, "cabinwatch/v1/{tail}/up/frames"),
            Self::Status(tail) => write!(f, "cabinwatch/v1/{tail}/up/status"),
            Self::Ack(tail) => write!(f, "cabinwatch/v1/{tail}/down/ack"),
            Self::Model(cohort) => write!(f, "cabinwatch/v1/models/{cohort}"),
        }
    }
}

/// What the ground subscribes to, and how it reads a topic it gets.
pub mod topics {
    use crate::tail::Tail;

    /// All aircraft's frames.
    pub const ALL_FRAMES: &str = "cabinwatch/v1/+/up/frames";
    /// All aircraft's status.
    pub const ALL_STATUS: &str = "cabinwatch/v1/+/up/status";

    /// The aircraft a topic belongs to, and what stands behind its tail (`up/frames`).
    #[must_use]
    pub fn parse(topic: &str) -> Option<(Tail, &str)> {
        let (tail, rest) = topic.strip_prefix("cabinwatch/v1/")?.split_once('/')?;
        Some((tail.parse().ok()?, rest))
    }
}
