//! When a wall clock is believed at a start.

use std::path::PathBuf;
use std::time::Duration;

use cabinwatch_shared::time::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::store::BootId;

/// No clock that is right shows an earlier time: 2026-01-01T00:00:00Z. Raised with each release.
pub const RELEASED: UnixMillis = UnixMillis(1_767_225_600_000);

/// How long after its release an agent may be installed for the first time, in milliseconds: ten years.
const IN_SERVICE: i64 = 10 * 365 * 86_400_000;
/// How far a battery-backed clock may lie behind what the agent has seen, in milliseconds: ten minutes.
const LAG: i64 = 600_000;

/// When the wall clock is believed at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrustRule {
    /// When something says that it has been synchronised.
    Synchronised,
    /// Also when it shows a plausible time.
    Plausible,
}

/// The settings of timekeeping.
#[derive(Clone, Debug)]
pub struct ClockSettings {
    /// When the wall clock is believed at a start.
    pub trust: TrustRule,
    /// Files that are touched when the wall clock has been synchronised.
    pub marks: Vec<PathBuf>,
    /// Which boot this is, where the system can't be asked.
    pub boot: Option<BootId>,
    /// How long an aircraft may have been parked.
    pub parked: Duration,
    /// How long the wall clock must stand after a step to be believed without a reason.
    pub steady: Duration,
    /// How long events wait for a time of day…
    pub provisional: Duration,
    /// …and how many bytes of them.
    pub provisional_bytes: u64,
}

/// Whether a wall clock may be right, given the earliest that it can be. Where that comes from a database, the aircraft
/// may have been `parked` since, for so many milliseconds at most.
pub(super) const fn is_plausible(wall: UnixMillis, earliest: UnixMillis, parked: Option<i64>) -> bool {
    let (lag, ahead) = match parked {
        Some(parked) => (LAG, parked),
        None => (0, IN_SERVICE),
    };
    earliest.0 - lag <= wall.0 && wall.0 <= earliest.0.saturating_add(ahead)
}
