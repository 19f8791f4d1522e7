//! Reading the database beside the one writer: the link, and the commands of an engineer with a shell.

use std::path::Path;

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::wire::FrameSeq;
use rusqlite::{Connection, OptionalExtension};

use super::outbox::{self, OutboxBounds, StoredFrame};
use super::{StoreError, schema};

/// A connection that can't write. It sees what was committed when a call begins.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens a database that exists, whether or not the daemon runs.
    ///
    /// # Errors
    /// When it is not there, can't be read, or belongs to a newer agent.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: schema::open_reader(path)? })
    }

    /// Which frames the outbox holds.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn bounds(&self) -> Result<OutboxBounds, StoreError> {
        outbox::bounds(&self.connection)
    }

    /// A run of frames with consecutive numbers, from the first at or after `from`, of at most `max_bytes` in all; at
    /// least one frame if there is one. Look at the numbers: retention may have deleted the frame asked for.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn frames(&self, from: FrameSeq, max_bytes: usize) -> Result<Vec<StoredFrame>, StoreError> {
        outbox::frames(&self.connection, from, max_bytes)
    }

    /// The version of the model in use; 0 for none.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn active_model_version(&self) -> Result<ModelVersion, StoreError> {
        let version =
            self.connection.query_row("SELECT version FROM model", [], |row| row.get(0)).optional()?;
        Ok(ModelVersion(version.unwrap_or(0)))
    }
}
