//! What time it is, although the wall clock may be wrong.
//!
//! The agent's time is the boot clock plus an *adopted* offset. The boot clock never steps; the offset is taken from the
//! wall clock when there is reason to believe it, and kept when the wall clock steps without one. [`wall`] remembers
//! how the wall clock has stood, so that an event that it dated is found on the boot clock again. [`keeper`] decides
//! which offset is adopted, [`rule`] which clock may be right. `docs/clock.md` has the rule, with a table of cases.

mod keeper;
mod rule;
mod wall;

pub use keeper::{Adoption, Basis, Passage, Timekeeper, Turn};
pub use rule::{ClockSettings, RELEASED, TrustRule};
pub use wall::{BOUND, Reading, Step};

#[cfg(test)]
mod tests;
