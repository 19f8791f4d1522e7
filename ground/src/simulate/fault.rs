//! Faults of known kind, place and time.

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::journey::POINTS;
use super::{Aircraft, Flight};

const MINUTE: i64 = 60;
/// How likely an attempt fails in a burst.
const BURST: f64 = 0.6;
/// How likely an attempt fails at the end of a drift.
const DRIFT: f64 = 0.5;

/// How a fault shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// One thing fails often, from one moment to the next.
    Burst,
    /// One thing fails more and more.
    Drift,
    /// A point answers nobody: every attempt ends in the same failure.
    DropOut,
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Burst, Self::Drift, Self::DropOut];

    /// The kind's name in the label file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::Drift => "drift",
            Self::DropOut => "drop_out",
        }
    }
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// On which aircraft.
    pub tail: Tail,
    /// At which point.
    pub edr_point: &'static str,
    /// The failure it shows as.
    pub description: &'static str,
    /// How it shows.
    pub kind: FaultKind,
    /// First second.
    pub start: UnixSeconds,
    /// First second after.
    pub end: UnixSeconds,
}

impl Fault {
    /// How likely an attempt fails because of it.
    pub(super) fn probability(&self, at: UnixSeconds) -> f64 {
        if at < self.start || self.end <= at {
            return 0.0;
        }
        match self.kind {
            FaultKind::Burst => BURST,
            FaultKind::Drift => {
                DRIFT * (at.0 - self.start.0) as f64 / (self.end.0 - self.start.0).max(1) as f64
            }
            FaultKind::DropOut => 1.0,
        }
    }
}

/// Puts faults into cruises: there passengers are awake, and it matters. Fewer where there are no flights.
pub(super) fn plan(random: &mut ChaCha8Rng, aircraft: &[Aircraft], faults: u16) -> Vec<Fault> {
    let flights: Vec<(&Tail, &Flight)> = aircraft
        .iter()
        .flat_map(|aircraft| aircraft.flights.iter().map(|flight| (&aircraft.tail, flight)))
        .collect();
    if flights.is_empty() {
        return Vec::new();
    }
    let mut planned: Vec<Fault> = (0..usize::from(faults))
        .map(|number| {
            let (tail, flight) = flights[random.random_range(0..flights.len())];
            let point = &POINTS[random.random_range(0..POINTS.len())];
            let (description, _) = point.faults[random.random_range(0..point.faults.len())];
            let kind = FaultKind::ALL[number % FaultKind::ALL.len()];
            let cruise = flight.descent.0 - flight.cruise.0;
            let start = flight.cruise.0 + random.random_range(0..cruise / 2);
            let length = match kind {
                FaultKind::Burst | FaultKind::DropOut => random.random_range(15 * MINUTE..=60 * MINUTE),
                FaultKind::Drift => random.random_range(60 * MINUTE..=180 * MINUTE),
            };
            let end = (start + length).min(flight.end.0);
            let (start, end) = (UnixSeconds(start), UnixSeconds(end));
            Fault { tail: tail.clone(), edr_point: point.edr_point, description, kind, start, end }
        })
        .collect();
    planned.sort_by(|a, b| (a.start, &a.tail).cmp(&(b.start, &b.tail)));
    planned
}
