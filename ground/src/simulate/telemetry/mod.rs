//! Network telemetry of an aircraft's WiFi and its ground network that isn't there: rows as the telemetry scorer is
//! trained on them, some of which are no usual traffic, and a second file that says which.
//!
//! Everything follows from the plan. Addresses are private ones, or of the ranges and names that are kept for
//! documentation, so that no row points at somebody.

mod anomaly;
mod flow;
mod host;
mod kind;
mod write;

use std::collections::BTreeMap;

pub use anomaly::Odd;
use anomaly::odd_flow;
use cabinwatch_shared::time::{UnixMillis, UnixSeconds};
pub use flow::Flow;
use kind::usual_flow;
use rand::RngExt;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
pub use write::{COLUMNS, TelemetryFiles, write_telemetry};

use super::stream;

/// What telemetry to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelemetryPlan {
    /// Seed of everything.
    pub seed: u64,
    /// Rows in all.
    pub rows: u32,
    /// How many of them are no usual traffic.
    pub odd: u32,
    /// First second.
    pub start: UnixSeconds,
    /// The rows lie within so many seconds.
    pub seconds: u32,
}

/// One row, and what it is where it is no usual traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryRow {
    /// When.
    pub at: UnixMillis,
    /// Who spoke with whom.
    pub flow: Flow,
    /// What is odd about it.
    pub odd: Option<Odd>,
}

/// The rows of a plan, in the order of time.
#[derive(Debug)]
pub struct Telemetry {
    plan: TelemetryPlan,
    random: ChaCha8Rng,
    odd: BTreeMap<u32, Odd>,
    next: u32,
}

/// Which random stream decides where the odd rows are, and which what is in the rows.
const PLACES: u64 = 0;
const CONTENTS: u64 = 1;

impl Telemetry {
    /// Plans where the odd rows are.
    #[must_use]
    pub fn new(plan: TelemetryPlan) -> Self {
        let mut places = stream(plan.seed, PLACES);
        let odd = plan.odd.min(plan.rows);
        let odd = index::sample(&mut places, plan.rows as usize, odd as usize)
            .into_iter()
            .map(|place| (place as u32, Odd::ALL[places.random_range(0..Odd::ALL.len())]))
            .collect();
        Self { plan, random: stream(plan.seed, CONTENTS), odd, next: 0 }
    }

    /// When a row is: evenly spread, and within its share of the time at random.
    fn instant(&mut self, row: u32) -> UnixMillis {
        let millis = u64::from(self.plan.seconds) * 1000;
        let at = |row: u32| millis * u64::from(row) / u64::from(self.plan.rows.max(1));
        let (from, to) = (at(row), at(row + 1));
        let offset = if from < to { self.random.random_range(from..to) } else { from };
        UnixMillis(self.plan.start.millis().0.saturating_add_unsigned(offset))
    }
}

impl Iterator for Telemetry {
    type Item = TelemetryRow;

    fn next(&mut self) -> Option<TelemetryRow> {
        let row = self.next;
        if row >= self.plan.rows {
            return None;
        }
        self.next += 1;
        let at = self.instant(row);
        let odd = self.odd.remove(&row);
        let flow = match odd {
            Some(odd) => odd_flow(odd, &mut self.random),
            None => usual_flow(&mut self.random),
        };
        Some(TelemetryRow { at, flow, odd })
    }
}

#[cfg(test)]
mod tests;
