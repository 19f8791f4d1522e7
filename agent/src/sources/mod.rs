//! Where events come from. Each source is a thread of its own that reads, parses and hands over [`EventBatch`]es
//! through a bounded queue; a full queue makes it wait, which the kernel's socket buffer passes on to the sender.
//!
//! | module | what it reads |
//! | --- | --- |
//! | `event_socket` | JSON events from a unix datagram socket |
//! | `syslog` | syslog messages from unix datagram sockets and loopback UDP |
//! | `tail` | log files, over rotation and restart |
//! | `replay` | EDR CSV files |
//! | `spool` | what `cabinwatch-agent record` has left |
//!
//! Each place reached travels as a [`Cursor`] in the batch it belongs to, so that the engine stores both or neither.
//! `docs/sources.md` is the reference.

mod batch;
mod clock;
mod event_socket;
pub mod json;
mod lines;
mod log_lines;
mod outlet;
mod producers;
mod replay;
mod socket;
pub mod spool;
mod start;
mod syslog;
mod tail;
mod taker;
mod udp;

pub use batch::{Cursor, DatedBy, EventBatch};
pub use clock::now;
pub use producers::{FORGET_AFTER_SECONDS, MAX_PRODUCERS, REORDER_WINDOW};
pub use start::{SourceError, SourceThreads, start};

#[cfg(test)]
mod tests;
