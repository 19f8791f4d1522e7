//! What pages show, as it stands in the tables. Everything here is read by the desk's thread, and nothing else is.

mod aircraft;
mod anomaly;
mod fleet;
mod heat;

pub(super) use aircraft::AircraftFacts;
pub(super) use anomaly::{AnomalyFacts, Elsewhere};
pub(super) use fleet::{FleetFacts, FleetMember, Standing as AircraftStanding};
pub(super) use heat::{Cell, Flight, Heat, HeatRow, Level};

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;

use super::parameters::Votes;
use super::period::Period;
use crate::tables::{TableRow, Tables, TablesError};

/// What a page wants to know. Pages that want the same share one answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// The whole fleet.
    Fleet {
        /// Over which time.
        period: Period,
        /// What makes an anomaly.
        votes: Votes,
    },
    /// One aircraft.
    Aircraft {
        /// Which.
        tail: Tail,
        /// Over which time.
        period: Period,
    },
    /// One anomaly.
    Anomaly(AnomalyId),
}

/// Which anomaly.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct AnomalyId {
    /// The aircraft.
    pub tail: Tail,
    /// A second within it.
    pub at: UnixSeconds,
    /// The fault key's point.
    pub edr_point: String,
    /// The fault key's description.
    pub description: String,
    /// What makes an anomaly.
    pub votes: Votes,
}

/// What the tables said.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// To [`Question::Fleet`].
    Fleet(FleetFacts),
    /// To [`Question::Aircraft`]; none for one of which nothing is known. Boxed, as the next, for its size.
    Aircraft(Option<Box<AircraftFacts>>),
    /// To [`Question::Anomaly`]; none where there is none at that time.
    Anomaly(Option<Box<AnomalyFacts>>),
}

impl Answer {
    /// What it takes in memory, about.
    pub fn bytes(&self) -> usize {
        let held = match self {
            Self::Fleet(facts) => facts.bytes(),
            Self::Aircraft(facts) => facts.as_ref().map_or(0, |facts| facts.bytes()),
            Self::Anomaly(facts) => facts.as_ref().map_or(0, |facts| facts.bytes()),
        };
        size_of::<Self>() + held
    }
}

/// A row, with its texts.
fn row_bytes(row: &TableRow) -> usize {
    size_of::<TableRow>() + row.edr_point.len() + row.description.len()
}

impl Question {
    /// Asks the tables.
    pub fn ask(&self, tables: &dyn Tables, now: UnixSeconds) -> Result<Answer, TablesError> {
        match self {
            Self::Fleet { period, votes } => {
                FleetFacts::read(tables, *period, *votes, now).map(Answer::Fleet)
            }
            Self::Aircraft { tail, period } => AircraftFacts::read(tables, tail, *period, now)
                .map(|facts| Answer::Aircraft(facts.map(Box::new))),
            Self::Anomaly(id) => {
                AnomalyFacts::read(tables, id, now).map(|facts| Answer::Anomaly(facts.map(Box::new)))
            }
        }
    }
}
