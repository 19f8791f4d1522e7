//! A fleet that isn't there: aircraft with flights, passengers who try to get online, and faults whose kind, place
//! and time are known.
//!
//! Everything follows from the plan's seed, aircraft by aircraft: each has a random stream of its own, so more
//! aircraft or another order of asking changes nothing about the others. [`drive`] plays them to agents;
//! [`write_files`] writes EDR files with a label file beside them. [`telemetry`] is a world of its own: the network
//! traffic that the telemetry scorer is trained on.

mod drive;
mod events;
mod fault;
mod files;
mod flight;
mod journey;
pub mod telemetry;

pub use drive::{NotASpeed, Speed, datagram, drive};
pub use events::{Events, SimulatedEvent};
pub use fault::{Fault, FaultKind};
pub use files::{FilePlan, SimulateError, Written, write_files, write_labels};
pub use flight::{Flight, Phase};
pub use journey::{POINTS, Point};

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What to simulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetPlan {
    /// Seed of everything.
    pub seed: u64,
    /// How many aircraft, 1 to 676.
    pub aircraft: u16,
    /// First second.
    pub start: UnixSeconds,
    /// How long, in seconds.
    pub seconds: u32,
    /// About how many events of all aircraft together; none for a cabin's usual number.
    pub events: Option<u64>,
    /// How many faults.
    pub faults: u16,
}

/// One aircraft of the fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct Aircraft {
    /// Its registration.
    pub tail: Tail,
    /// Its flights, in order.
    pub flights: Vec<Flight>,
}

/// A fleet with its flights and faults.
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    plan: FleetPlan,
    aircraft: Vec<Aircraft>,
    faults: Vec<Fault>,
    /// Passengers who start a journey in a minute of cruise.
    journeys_per_minute: f64,
}

/// Streams of the seed that are no aircraft's.
const FAULT_STREAM: u64 = u64::MAX;
/// Most aircraft: two letters tell them apart.
const MAX_AIRCRAFT: u16 = 26 * 26;

impl Fleet {
    /// Plans flights and faults.
    #[must_use]
    pub fn new(plan: FleetPlan) -> Self {
        let plan = FleetPlan { aircraft: plan.aircraft.clamp(1, MAX_AIRCRAFT), ..plan };
        let end = UnixSeconds(plan.start.0.saturating_add(i64::from(plan.seconds)));
        let aircraft: Vec<Aircraft> = (0..plan.aircraft)
            .filter_map(|number| {
                let mut random = stream(plan.seed, flight_stream(number));
                let flights = flight::schedule(&mut random, plan.start, end);
                Some(Aircraft { tail: tail(number)?, flights })
            })
            .collect();
        let faults = fault::plan(&mut stream(plan.seed, FAULT_STREAM), &aircraft, plan.faults);
        let journeys_per_minute = events::journeys_per_minute(&aircraft, plan.events);
        Self { plan, aircraft, faults, journeys_per_minute }
    }

    /// The same fleet with these faults instead of its own.
    #[must_use]
    pub fn with_faults(self, faults: Vec<Fault>) -> Self {
        Self { faults, ..self }
    }

    /// The aircraft.
    #[must_use]
    pub fn aircraft(&self) -> &[Aircraft] {
        &self.aircraft
    }

    /// The faults: what a detector should find.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The first second, and the first one after.
    #[must_use]
    pub const fn period(&self) -> (UnixSeconds, UnixSeconds) {
        let start = self.plan.start;
        (start, UnixSeconds(start.0.saturating_add(self.plan.seconds as i64)))
    }

    /// All events of one aircraft, in the order of time; none for an aircraft there isn't.
    #[must_use]
    pub fn events(&self, aircraft: usize) -> Events {
        let random = stream(self.plan.seed, event_stream(aircraft));
        let (start, end) = self.period();
        match self.aircraft.get(aircraft) {
            Some(Aircraft { tail, flights }) => {
                let faults = self.faults.iter().filter(|fault| fault.tail == *tail).cloned().collect();
                Events::new(random, flights.clone(), faults, self.journeys_per_minute, start, end)
            }
            None => Events::new(random, Vec::new(), Vec::new(), 0.0, start, start),
        }
    }
}

fn stream(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(stream);
    random
}

fn flight_stream(aircraft: u16) -> u64 {
    2 * u64::from(aircraft)
}

fn event_stream(aircraft: usize) -> u64 {
    2 * aircraft as u64 + 1
}

fn tail(number: u16) -> Option<Tail> {
    let letter = |number: u16| char::from(b'A' + (number % 26) as u8);
    format!("TC-S{}{}", letter(number / 26), letter(number)).parse().ok()
}

#[cfg(test)]
mod tests;
