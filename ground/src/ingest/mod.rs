//! Ingest: the aircraft's frames from MQTT into the tables.
//!
//! A message goes this way, and each step happens only after the one before:
//!
//! 1. the broker delivers it, at QoS 1, into a session that outlives this process if it is the only one;
//! 2. `frames` takes it apart, and scores each window with the model the agent used;
//! 3. the stream's [`Ledger`](crate::tables::Ledger) tells new frames from duplicates, and gaps from what may still come;
//! 4. `archive` puts the rows of new windows into the window archive;
//! 5. the tables store all of the group in one transaction, ledgers included;
//! 6. the broker gets its PUBACK, and the aircraft its [`cabinwatch_shared::wire::Committed`].
//!
//! Several processes may do so side by side: each stores what it was given, and step 5 merges their ledgers.
//!
//! So a crash anywhere repeats work and loses nothing: before 5 the broker delivers again, or else the aircraft sends
//! again; after 5 the ledger knows the frames. `docs/ingest.md` tells operators the same.

mod archive;
mod backoff;
mod complaints;
mod frames;
mod group;
mod intake;
mod membership;
mod models;
mod monitor;
mod service;
mod summary;
mod waiting;
mod worker;

#[cfg(test)]
mod fixture;

pub use archive::ArchiveError;
pub use intake::IntakeError;
pub use monitor::{Backlog, Monitor};
pub(crate) use monitor::{Link, Standing, Store};
pub use service::{IngestError, run, run_watched};
pub use summary::{SET_ASIDE_REASONS, Summary};
