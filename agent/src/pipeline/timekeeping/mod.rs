//! What time it is, although the wall clock may be wrong.
//!
//! The agent's time is the boot clock plus an *adopted* offset. The boot clock never steps; the offset is taken from the
//! wall clock when there is reason to believe it, and kept when the wall clock steps without one. [`wall`] remembers
//! how the wall clock has stood, so that an event that it dated is found on the boot clock again. [`keeper`] decides
//! which offset is adopted. `docs/clock.md` has the rule, with a table of cases.

mod keeper;
mod wall;

pub use keeper::{Adoption, Basis, ClockSettings, Passage, RELEASED, Timekeeper, TrustRule, Turn};
pub use wall::{BOUND, Reading, Step};

#[cfg(test)]
mod tests;
