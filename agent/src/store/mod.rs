//! The agent's one SQLite file.

mod error;
mod outbox;
mod reader;
mod schema;

pub use error::StoreError;
pub use outbox::{OutboxBounds, StoredFrame};
pub use reader::Reader;
pub use schema::SCHEMA_VERSION;
