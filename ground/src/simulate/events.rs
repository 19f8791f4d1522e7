//! The events of one aircraft, in the order of time.

use cabinwatch_shared::event::{Event, State};
use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::time::{UnixMillis, UnixSeconds};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, Poisson};

use super::flight::Phase;
use super::journey::{LINK_CHECKS_PER_MINUTE, POINTS, SATLINK};
use super::{Aircraft, Fault, Flight};

const MINUTE: i64 = 60;
/// How long the cabin's mood lasts before new multipliers are drawn.
const MOOD_MINUTES: i64 = 15;
/// Shape of the multipliers: they average 1 and make counts scatter more than chance alone would.
const MOOD_SHAPE: f64 = 4.0;
/// How much more fails while the satellite link is handed over.
const HAND_OVER_FACTOR: f64 = 6.0;
/// However bad it is, some attempts work, but for a drop-out.
const WORST: f64 = 0.95;
/// Passengers who start in a minute of cruise, unless the plan wants a number of events.
const USUAL_JOURNEYS: f64 = 4.0;
/// How many events a journey has on average, measured.
const EVENTS_PER_JOURNEY: f64 = 5.65;
/// What a success says.
const SUCCESS: &str = "completed";

/// One event of the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulatedEvent {
    /// When, where, what, and how it ended.
    pub event: Event<'static>,
    /// What the aircraft was doing.
    pub phase: Phase,
}

/// An aircraft's events; see [`super::Fleet::events`].
pub struct Events {
    random: ChaCha8Rng,
    flights: Vec<Flight>,
    faults: Vec<Fault>,
    journeys_per_minute: f64,
    /// Start of the minute that is made next.
    minute: i64,
    end: i64,
    /// Place of the flight that is under way or comes next.
    flight: usize,
    mood: Mood,
    /// Events of the minutes made so far, latest first.
    ready: Vec<SimulatedEvent>,
    /// Events of journeys that go on into the next minute.
    later: Vec<SimulatedEvent>,
}

/// How the cabin is for a while.
#[derive(Default)]
struct Mood {
    until: i64,
    activity: f64,
    /// For each point, a multiplier of each fault.
    faults: Vec<Vec<f64>>,
}

/// Chances of one minute: for each point, that an attempt ends in each of its faults.
type Chances = Vec<Vec<f64>>;

impl Events {
    pub(super) fn new(
        random: ChaCha8Rng,
        flights: Vec<Flight>,
        faults: Vec<Fault>,
        journeys_per_minute: f64,
        start: UnixSeconds,
        end: UnixSeconds,
    ) -> Self {
        Self {
            random,
            flights,
            faults,
            journeys_per_minute,
            minute: start.0,
            end: end.0,
            flight: 0,
            mood: Mood { until: i64::MIN, ..Mood::default() },
            ready: Vec::new(),
            later: Vec::new(),
        }
    }

    fn make_minute(&mut self) {
        let now = UnixSeconds(self.minute);
        self.minute += MINUTE;
        while self.flights.get(self.flight).is_some_and(|flight| flight.end <= now) {
            self.flight += 1;
        }
        let flight = self.flights.get(self.flight);
        let phase = flight.and_then(|flight| flight.phase(now)).unwrap_or(Phase::Parked);
        let hand_over = flight.is_some_and(|flight| flight.in_hand_over(now));
        if phase != Phase::Parked {
            if self.mood.until <= now.0 {
                self.mood = Mood::draw(&mut self.random, now.0 + MOOD_MINUTES * MINUTE);
            }
            let chances = self.chances(now, hand_over);
            let mean = self.journeys_per_minute * phase.activity() * self.mood.activity;
            let journeys = Poisson::new(mean).map_or(0.0, |poisson| poisson.sample(&mut self.random));
            for _ in 0..journeys as u64 {
                self.journey(now, phase, &chances);
            }
            for _ in 0..LINK_CHECKS_PER_MINUTE {
                let at = self.instant_in(now);
                self.attempt(at, phase, SATLINK, &chances);
            }
        }
        let end = UnixSeconds(self.minute.min(self.end)).millis();
        self.ready = self.later.extract_if(.., |event| event.event.at < end).collect();
        self.ready.sort_by_key(|event| event.event.at);
        self.ready.reverse();
    }

    fn chances(&self, now: UnixSeconds, hand_over: bool) -> Chances {
        let factor = if hand_over { HAND_OVER_FACTOR } else { 1.0 };
        let mut chances: Chances = POINTS
            .iter()
            .zip(&self.mood.faults)
            .map(|(point, mood)| {
                let chance = |(fault, mood): (&(&str, f64), &f64)| (fault.1 * mood * factor).min(WORST);
                point.faults.iter().zip(mood).map(chance).collect()
            })
            .collect();
        for fault in &self.faults {
            let extra = fault.probability(now);
            let point = POINTS.iter().position(|point| point.edr_point == fault.edr_point);
            let Some((point, chances)) = point.and_then(|at| Some((POINTS.get(at)?, chances.get_mut(at)?)))
            else {
                continue;
            };
            // What the fault leaves is shared by the others.
            for ((description, _), chance) in point.faults.iter().zip(chances) {
                *chance *= 1.0 - extra;
                *chance += if *description == fault.description { extra } else { 0.0 };
            }
        }
        chances
    }

    /// One passenger's way through the points, with another try or two where one fails.
    fn journey(&mut self, start: UnixSeconds, phase: Phase, chances: &Chances) {
        let mut at = self.instant_in(start);
        for (place, point) in POINTS.iter().enumerate() {
            if !self.random.random_bool(point.tried) {
                continue;
            }
            let mut tries_left = 3;
            loop {
                at = UnixMillis(at.0 + self.random.random_range(200..2_500));
                let state = self.attempt(at, phase, place, chances);
                tries_left -= 1;
                if state == State::Success {
                    break;
                }
                if tries_left == 0 || self.random.random_bool(0.5) {
                    if point.gate {
                        return;
                    }
                    break;
                }
                at = UnixMillis(at.0 + self.random.random_range(2_000..8_000));
            }
        }
    }

    fn attempt(&mut self, at: UnixMillis, phase: Phase, place: usize, chances: &Chances) -> State {
        let (Some(point), Some(chances)) = (POINTS.get(place), chances.get(place)) else {
            return State::Success;
        };
        let mut left: f64 = self.random.random();
        let failed = point.faults.iter().zip(chances).find(|(_, chance)| {
            left -= **chance;
            left < 0.0
        });
        let (description, state) = match failed {
            Some(((description, _), _)) => (*description, State::Fail),
            None => (SUCCESS, State::Success),
        };
        let event = Event { at, key: FaultKey { edr_point: point.edr_point, description }, state };
        self.later.push(SimulatedEvent { event, phase });
        state
    }

    fn instant_in(&mut self, minute: UnixSeconds) -> UnixMillis {
        UnixMillis(minute.millis().0 + self.random.random_range(0..MINUTE * 1000))
    }
}

impl Iterator for Events {
    type Item = SimulatedEvent;

    fn next(&mut self) -> Option<SimulatedEvent> {
        while self.ready.is_empty() && self.minute < self.end {
            self.make_minute();
        }
        self.ready.pop()
    }
}

impl Mood {
    fn draw(random: &mut ChaCha8Rng, until: i64) -> Self {
        let gamma = Gamma::new(MOOD_SHAPE, 1.0 / MOOD_SHAPE);
        let mut draw = || gamma.map_or(1.0, |gamma| gamma.sample(random));
        let activity = draw();
        let faults = POINTS.iter().map(|point| point.faults.iter().map(|_| draw()).collect()).collect();
        Self { until, activity, faults }
    }
}

/// How many passengers have to start in a minute of cruise for about so many events.
pub(super) fn journeys_per_minute(aircraft: &[Aircraft], events: Option<u64>) -> f64 {
    let Some(events) = events else { return USUAL_JOURNEYS };
    let (mut busy, mut awake) = (0.0, 0.0);
    for flight in aircraft.iter().flat_map(|aircraft| &aircraft.flights) {
        let starts = [flight.boarding, flight.climb, flight.cruise, flight.descent, flight.end];
        let phases = [Phase::Gate, Phase::Climb, Phase::Cruise, Phase::Descent];
        for (phase, times) in phases.iter().zip(starts.windows(2)) {
            let minutes = (times[1].0 - times[0].0) as f64 / MINUTE as f64;
            busy += minutes * phase.activity();
            awake += minutes;
        }
    }
    let link_checks = awake * f64::from(LINK_CHECKS_PER_MINUTE);
    ((events as f64 - link_checks) / (EVENTS_PER_JOURNEY * f64::max(busy, 1.0))).max(0.0)
}
