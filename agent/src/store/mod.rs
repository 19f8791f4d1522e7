//! The agent's one SQLite file: the log of events, the state at its last checkpoint, the outbox, closed windows, and
//! the models. `docs/agent-store.md` is its specification.
//!
//! Constraints, in order: an event is counted once, whatever moment the process is killed at; a usual commit writes
//! one page; what is read at a start is bounded; the file stays within its limits, and what goes is counted.
//!
//! A commit adds one *group* to the log: its events, how far the sources had been read for them, and what else was
//! counted meanwhile. A *checkpoint* is the state those groups add up to. It is written when a window closes and
//! whenever a mebibyte of groups has gathered behind the last one, and a start replays what came after it.

mod change;
mod checkpoint;
mod closed;
mod counters;
mod dictionary;
mod error;
mod examine;
mod founding;
mod group;
pub(crate) mod lock;
mod log;
mod models;
mod outbox;
mod reader;
mod retention;
mod room;
mod schema;
mod seal;
mod varint;
mod writer;

pub use change::{Change, Redated, Removal, WindowRecord};
pub use checkpoint::{
    AdoptedRecord, Checkpoint, ClockRecord, LossSpan, ProvisionalSpan, StepRecord, StreamCause, Tally,
    WindowCounts,
};
pub use closed::Closed;
pub use counters::{Counter, Counts};
pub use dictionary::KeyEntry;
pub use error::StoreError;
pub use examine::{Examination, TableFacts};
pub(crate) use founding::announcement;
pub use founding::{Found, Founded};
pub use group::{
    BootId, BootMillis, EventGroup, GroupError, GroupHead, GroupWriter, KeyId, LoggedEvent, ProvisionalEvent,
    Stamp,
};
pub use log::{KeyNames, LoggedGroup};
pub use models::{ModelChange, Slot, SlotChange, StoredModel};
pub use outbox::{OutboxBounds, StoredFrame};
pub use reader::{Backlog, Reader};
pub use retention::{Excess, Limits, Plan};
pub use schema::SCHEMA_VERSION;
pub use writer::{Replaced, Retention, Sacrifice, Store};
