//! The generator of today's users: replays the rows of a telemetry CSV to the scoring API, with byte counts varied and
//! now and then a port that the file never names, at a rate, for a time.
//!
//! The file is read twice: once from end to end for the ports it names and for rows that cannot be sent, and then as
//! often as the time asks for. Nothing of it is kept but one row and one bit a port. Which events are sent in which order
//! follows from file and seed alone; what each is and when it is due is decided in one place ([`source`]), and as many
//! threads as there are connections take one after the other from there.
//!
//! Each event has an instant at which it is due, and none is sent before. Whoever is late, because the server is slow, holds
//! events back or is away, does not make up for more than the last [`pace::SLACK`]: what is older is left out and
//! counted, so that a pause is never followed by a burst.

mod client;
mod error;
mod latency;
mod pace;
mod rows;
mod sender;
mod source;
mod tally;

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

pub use client::{ApiKey, Target};
pub use error::{BadShare, StreamError};
use pace::Pace;
pub use pace::{NotARate, Rate};
pub use rows::Survey;
use sender::Sender;
use source::Source;
pub use tally::{Attempts, Outcome, Tally, Verdicts};

/// What to send to whom.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The telemetry.
    pub file: PathBuf,
    /// The API.
    pub target: Target,
    /// How many events a second.
    pub rate: Rate,
    /// For how long.
    pub duration: Duration,
    /// Over how many connections at once.
    pub connections: NonZeroU16,
    /// How many events get an unexpected port.
    pub unexpected_ports: Share,
    /// Seed of all variation.
    pub seed: u64,
}

/// A share from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

impl Share {
    /// A share from 0 to 1.
    ///
    /// # Errors
    /// [`BadShare`] for anything else.
    pub fn new(share: f64) -> Result<Self, BadShare> {
        if (0.0..=1.0).contains(&share) { Ok(Self(share)) } else { Err(BadShare) }
    }
}

/// Reads the file once, then sends until the time is over, `stop` is set, or it makes no sense to go on. Calls `show` some
/// times a second with what came of it so far.
///
/// # Errors
/// When the file can't be read or holds no row to send. What goes wrong between us and the server stands in the
/// [`Outcome`].
pub fn run(
    plan: &Plan,
    stop: &AtomicBool,
    mut show: impl FnMut(&Tally, Duration),
) -> Result<Outcome, StreamError> {
    let survey = Survey::of(&plan.file)?;
    let client = plan.target.client()?;
    let started = Instant::now();
    let source = Source::new(plan, &survey, Pace::new(plan.rate, started))?;
    let sender = Sender::new(&client, source, stop, started, plan.duration);
    sender.run(plan.connections, |tally| show(tally, started.elapsed()))?;
    Ok(Outcome { tally: sender.into_tally(), survey, took: started.elapsed() })
}

#[cfg(test)]
mod tests;
