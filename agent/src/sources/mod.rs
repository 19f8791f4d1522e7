//! Where events come from. Each source is a thread of its own that reads, parses and hands over [`EventBatch`]es
//! through a bounded queue; a full queue makes it wait, which the kernel's socket buffer passes on to the sender.

mod batch;
mod clock;

pub use batch::{Cursor, EventBatch};
pub use clock::now;
mod start;
pub use start::{SourceError, SourceThreads, start};
