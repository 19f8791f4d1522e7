//! From events to frames: [`engine`] takes batches, [`counting`] judges each event and counts it in one of the
//! [`windows`], [`watermark`] says when a window closes, and [`closing`] scores it and makes its frame; [`trial`] counts
//! what a new model makes of it. [`state`] is what all of this adds up to, and what a restart builds anew from the log.
//! [`timekeeping`] knows what time it is; what comes before it does is stored and counted later.

pub mod clock;
pub mod closing;
mod commits;
pub mod counting;
mod ends;
mod engine;
mod offers;
mod opening;
mod outage;
mod redating;
mod settings;
pub mod state;
pub mod timekeeping;
mod timing;
mod trial;
pub mod watermark;
pub mod windows;

pub use engine::Engine;
pub use settings::{KEYS_IN_FILE, Settings};

use std::sync::Arc;

use cabinwatch_shared::wire::Committed;

use crate::sources::EventBatch;

/// What the engine is told, by sources and link, through one bounded queue.
pub enum Input {
    /// Events and how far they reach.
    Batch(EventBatch),
    /// The ground has stored frames.
    Committed(Committed),
    /// A signed bundle was published for this aircraft's cohort.
    ModelOffered(OfferedModel),
    /// Store what is there and leave; open windows stay open.
    Shutdown,
}

/// A bundle that came down.
pub struct OfferedModel {
    /// As it was published.
    pub bundle: Vec<u8>,
    /// Called once it is decided on, and the decision stored. It may come again until then.
    pub on_decided: Box<dyn FnOnce() + Send>,
}

/// How many inputs wait before their senders do.
pub const QUEUE_CAPACITY: usize = 64;

/// Called after each commit that appended frames to the outbox.
pub type Outgoing = Arc<dyn Fn() + Send + Sync>;

#[cfg(test)]
pub(crate) mod tests;
