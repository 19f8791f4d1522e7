//! When an aircraft flies, and when its satellite link is handed over.

use cabinwatch_shared::time::UnixSeconds;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

/// One flight, from boarding to the gate. Each instant ends the phase before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight {
    /// Passengers board.
    pub boarding: UnixSeconds,
    /// Wheels up.
    pub climb: UnixSeconds,
    /// Level.
    pub cruise: UnixSeconds,
    /// Down again.
    pub descent: UnixSeconds,
    /// At the gate, passengers leave.
    pub end: UnixSeconds,
    /// Hand-overs between satellites or beams: start and end.
    pub hand_overs: Vec<(UnixSeconds, UnixSeconds)>,
}

/// What an aircraft is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Empty, or asleep.
    Parked,
    /// Boarding.
    Gate,
    /// Climbing.
    Climb,
    /// Level.
    Cruise,
    /// Descending.
    Descent,
}

impl Phase {
    /// The phase's name in the files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parked => "PARKED",
            Self::Gate => "GATE",
            Self::Climb => "CLIMB",
            Self::Cruise => "CRUISE",
            Self::Descent => "DESCENT",
        }
    }

    /// How busy passengers are, with 1 in cruise.
    pub(super) const fn activity(self) -> f64 {
        match self {
            Self::Parked => 0.0,
            Self::Gate => 0.5,
            Self::Climb => 0.3,
            Self::Cruise => 1.0,
            Self::Descent => 0.6,
        }
    }
}

impl Flight {
    /// What the aircraft is doing; none outside this flight.
    #[must_use]
    pub fn phase(&self, at: UnixSeconds) -> Option<Phase> {
        let starts = [
            (self.descent, Phase::Descent),
            (self.cruise, Phase::Cruise),
            (self.climb, Phase::Climb),
            (self.boarding, Phase::Gate),
        ];
        starts.into_iter().find(|(start, _)| at < self.end && *start <= at).map(|(_, phase)| phase)
    }

    /// Whether the satellite link is being handed over.
    #[must_use]
    pub fn in_hand_over(&self, at: UnixSeconds) -> bool {
        self.hand_overs.iter().any(|(start, end)| *start <= at && at < *end)
    }
}

/// An aircraft's flights: two to four a day, then a night at the gate.
pub(super) fn schedule(random: &mut ChaCha8Rng, start: UnixSeconds, end: UnixSeconds) -> Vec<Flight> {
    let mut flights = Vec::new();
    let mut boarding = start.0 + random.random_range(0..20) * MINUTE;
    let mut left_today = random.random_range(2..=4);
    while boarding < end.0 {
        let flight = flight(random, boarding);
        left_today -= 1;
        boarding = flight.end.0 + random.random_range(30..=60) * MINUTE;
        if left_today == 0 {
            boarding += random.random_range(5 * HOUR..8 * HOUR);
            left_today = random.random_range(2..=4);
        }
        flights.push(flight);
    }
    flights
}

fn flight(random: &mut ChaCha8Rng, boarding: i64) -> Flight {
    let climb = boarding + random.random_range(30..=50) * MINUTE;
    let cruise = climb + 25 * MINUTE;
    let descent = cruise + random.random_range(60..=300) * MINUTE;
    let end = descent + 35 * MINUTE;
    let mut hand_overs = Vec::new();
    let mut next = cruise + random.random_range(20 * MINUTE..2 * HOUR);
    while next < descent {
        let over = next + random.random_range(20..=5 * MINUTE);
        hand_overs.push((UnixSeconds(next), UnixSeconds(over)));
        next = over + random.random_range(40 * MINUTE..2 * HOUR);
    }
    let [boarding, climb, cruise, descent, end] = [boarding, climb, cruise, descent, end].map(UnixSeconds);
    Flight { boarding, climb, cruise, descent, end, hand_overs }
}
