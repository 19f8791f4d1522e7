//! Several aircraft that send without a pause, whatever happens to them and to the ground meanwhile.

use std::time::Duration;

use crate::aircraft::Aircraft;
use crate::ground::Stored;
use crate::traffic::{Oracle, Traffic};
use crate::wait::eventually;

/// Far above what catching up takes; only a hang reaches it.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(300);

/// Running agents, each with two producers that send until the end.
#[derive(Debug)]
pub struct Fleet {
    /// The aircraft, to be killed and started again.
    pub aircraft: Vec<Aircraft>,
    traffic: Vec<Traffic>,
}

impl Fleet {
    /// Starts the agents and the traffic on each. They must have an event socket ([`Aircraft::sources`]).
    #[must_use]
    pub fn start(aircraft: impl IntoIterator<Item = Aircraft>, seed: u64) -> Self {
        let mut fleet = Self { aircraft: Vec::new(), traffic: Vec::new() };
        for (mut aircraft, seed) in aircraft.into_iter().zip(seed..) {
            aircraft.agent.start();
            aircraft.wait_for_socket(&aircraft.event_socket());
            fleet.traffic.push(Traffic::start(&aircraft, seed));
            fleet.aircraft.push(aircraft);
        }
        fleet
    }

    /// Ends the traffic, waits until all of it is among what `stored` reads, and stops the agents; what was sent.
    ///
    /// # Panics
    /// When it does not arrive.
    #[must_use]
    pub fn finish(self, stored: impl Fn() -> Option<Stored>) -> Oracle {
        self.finish_with(stored, |_| ())
    }

    /// The same, with a last look at the agents before they are stopped.
    ///
    /// # Panics
    /// As [`Self::finish`].
    #[must_use]
    pub fn finish_with(mut self, stored: impl Fn() -> Option<Stored>, look: impl FnOnce(&Self)) -> Oracle {
        let mut sent = Oracle::default();
        self.traffic.drain(..).for_each(|traffic| sent.extend(traffic.finish()));
        eventually("the last windows to arrive, and the outboxes to be empty", CATCH_UP_LIMIT, || {
            let arrived = sent.has_arrived(&stored()?);
            (arrived && self.aircraft.iter().all(Aircraft::has_sent_all)).then_some(())
        });
        look(&self);
        self.aircraft.iter_mut().for_each(|aircraft| aircraft.agent.stop());
        sent
    }
}
