//! Which hours are played, and when the faults are in them.

use cabinwatch_shared::time::UnixSeconds;

use super::DemoError;
use crate::simulate::{Fault, FaultKind, Fleet, FleetPlan, Flight};

/// Windows of five minutes, as in service.
pub(super) const WINDOW_SECONDS: i64 = 300;
/// Two and a half hours of a flight are played: boarding, climb, and a good part of cruise.
const WINDOWS: i64 = 30;
/// The model arrives when so many windows have gone by without one.
const WINDOWS_WITHOUT_MODEL: i64 = 8;
/// First and last window of the faults: half an hour, well after the model.
const FAULT_WINDOWS: std::ops::Range<i64> = 18..24;
/// The played hours lie this far behind the clock, so that nothing is dated ahead of it.
const BEHIND_CLOCK_SECONDS: i64 = 600;
/// Aircraft of the fleet the flights are picked from; a day gives each two to four.
const FLEET: u16 = 12;
const DAY_SECONDS: u32 = 86_400;
/// The fault that makes most attempts at a point fail for a while, and the one that lets none through.
const FAULTS: [(&str, &str, FaultKind); 2] =
    [("DHCP", "no answer to discover", FaultKind::Burst), ("PORTAL", "page not served", FaultKind::DropOut)];

/// The hours that are played; both ends lie on windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timeline {
    pub start: UnixSeconds,
    pub end: UnixSeconds,
}

/// A stretch of one simulated aircraft's flight, to be played on the timeline.
#[derive(Debug)]
pub(super) struct Stretch {
    /// The fleet with this aircraft's fault in it.
    pub fleet: Fleet,
    /// The aircraft's place in the fleet.
    pub aircraft: usize,
    /// The fault, as it lies on the timeline.
    pub fault: Fault,
    /// What to add to the fleet's instants, in seconds.
    pub shift: i64,
}

impl Timeline {
    /// The hours before `now`.
    pub fn before(now: UnixSeconds) -> Self {
        let end = (now.0 - BEHIND_CLOCK_SECONDS).div_euclid(WINDOW_SECONDS) * WINDOW_SECONDS;
        Self { start: UnixSeconds(end - WINDOWS * WINDOW_SECONDS), end: UnixSeconds(end) }
    }

    /// When the model arrives.
    pub fn model_at(self) -> UnixSeconds {
        self.window(WINDOWS_WITHOUT_MODEL)
    }

    fn window(self, number: i64) -> UnixSeconds {
        UnixSeconds(self.start.0 + number * WINDOW_SECONDS)
    }

    /// One stretch for each of the two faults, on two aircraft of a simulated fleet.
    pub fn stretches(self, seed: u64) -> Result<[Stretch; 2], DemoError> {
        let day = UnixSeconds(self.start.0.div_euclid(i64::from(DAY_SECONDS)) * i64::from(DAY_SECONDS));
        let plan =
            FleetPlan { seed, aircraft: FLEET, start: day, seconds: DAY_SECONDS, events: None, faults: 0 };
        let fleet = Fleet::new(plan);
        let flights: Vec<(usize, i64)> = fleet
            .aircraft()
            .iter()
            .enumerate()
            .filter_map(|(number, aircraft)| {
                Some((number, aircraft.flights.iter().find_map(last_cruise_window)?))
            })
            .collect();
        let [first, second, ..] = flights.as_slice() else { return Err(DemoError::NoFlight(seed)) };
        let [burst, drop_out] = FAULTS;
        Ok([self.stretch(&fleet, *first, burst), self.stretch(&fleet, *second, drop_out)])
    }

    fn stretch(
        self,
        fleet: &Fleet,
        (aircraft, stretch_end): (usize, i64),
        (edr_point, description, kind): (&'static str, &'static str, FaultKind),
    ) -> Stretch {
        let shift = self.end.0 - stretch_end;
        let tail = fleet.aircraft().get(aircraft).map(|aircraft| aircraft.tail.clone());
        let fault = Fault {
            // `stretches` found the aircraft in this fleet.
            tail: tail.unwrap_or_else(cabinwatch_shared::tail::Tail::fleet),
            edr_point,
            description,
            kind,
            start: self.window(FAULT_WINDOWS.start),
            end: self.window(FAULT_WINDOWS.end),
        };
        let back = |at: UnixSeconds| UnixSeconds(at.0 - shift);
        let unshifted = Fault { start: back(fault.start), end: back(fault.end), ..fault.clone() };
        Stretch { fleet: fleet.clone().with_faults(vec![unshifted]), aircraft, fault, shift }
    }
}

/// The last window boundary of a flight's cruise with the whole stretch before it, in flight, and a window behind it.
fn last_cruise_window(flight: &Flight) -> Option<i64> {
    let end = (flight.descent.0 - WINDOW_SECONDS).div_euclid(WINDOW_SECONDS) * WINDOW_SECONDS;
    (end - WINDOWS * WINDOW_SECONDS >= flight.boarding.0).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_795_250_123);

    #[test]
    fn the_played_hours_lie_behind_the_clock_and_on_windows() {
        let timeline = Timeline::before(NOW);
        assert!(timeline.end.0 + BEHIND_CLOCK_SECONDS <= NOW.0);
        assert_eq!((timeline.end.0 % WINDOW_SECONDS, timeline.start.0 % WINDOW_SECONDS), (0, 0));
    }

    #[test]
    fn each_stretch_is_in_flight_throughout_and_has_its_fault_after_the_model() {
        let timeline = Timeline::before(NOW);
        for seed in 0..20 {
            let [first, second] = timeline.stretches(seed).expect("long flights");
            assert_ne!(first.fault.tail, second.fault.tail);
            for stretch in [first, second] {
                let flights = &stretch.fleet.aircraft()[stretch.aircraft].flights;
                let (start, end) = (timeline.start.0 - stretch.shift, timeline.end.0 - stretch.shift);
                assert!(flights.iter().any(|flight| flight.boarding.0 <= start && end < flight.descent.0));
                assert!(timeline.model_at() < stretch.fault.start && stretch.fault.end < timeline.end);
            }
        }
    }
}
