//! The audit log: each anomaly as one JSON line, with what made it one.
//!
//! Answers do not wait for it. What is to be written goes through a bounded queue to a thread of its own; what finds no
//! room, or can't be written, is counted, and the log itself says so in a line `{"time", "lost"}` once it can.

mod line;
mod log;
mod sink;

pub(super) use line::Anomaly;
pub(super) use log::{Audit, AuditLog};
pub use sink::AuditError;

#[cfg(test)]
mod tests;
