//! Values of statements.

use std::collections::BTreeMap;

use cabinwatch_shared::time::UnixSeconds;
use scylla::cluster::metadata::ColumnType;
use scylla::serialize::SerializationError;
use scylla::serialize::value::SerializeValue;
use scylla::serialize::writers::{CellWriter, WrittenCellProof};
use scylla::value::{CqlDate, CqlTimestamp};

/// A value to bind to a statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bind {
    Null,
    TinyInt(i8),
    Int(i32),
    BigInt(i64),
    Double(f64),
    Boolean(bool),
    Text(String),
    Blob(Vec<u8>),
    Timestamp(CqlTimestamp),
    Date(CqlDate),
    /// `map<text, bigint>`
    Counts(BTreeMap<String, i64>),
    /// `list<...>` for `IN ?`
    List(Vec<Bind>),
}

impl Bind {
    #[expect(clippy::needless_pass_by_value, reason = "names of tails, streams and texts come both ways")]
    pub fn text(value: impl ToString) -> Self {
        Self::Text(value.to_string())
    }

    /// Bytes on the wire, about.
    pub fn size(&self) -> usize {
        4 + match self {
            Self::Null => 0,
            Self::TinyInt(_) | Self::Boolean(_) => 1,
            Self::Int(_) | Self::Date(_) => 4,
            Self::BigInt(_) | Self::Double(_) | Self::Timestamp(_) => 8,
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
            Self::Counts(counts) => counts.keys().map(|key| key.len() + 16).sum(),
            Self::List(items) => items.iter().map(Self::size).sum(),
        }
    }
}

impl From<UnixSeconds> for Bind {
    fn from(at: UnixSeconds) -> Self {
        Self::Timestamp(CqlTimestamp(at.millis().0))
    }
}

impl SerializeValue for Bind {
    fn serialize<'b>(
        &self,
        column: &ColumnType<'_>,
        writer: CellWriter<'b>,
    ) -> Result<WrittenCellProof<'b>, SerializationError> {
        match self {
            Self::Null => Ok(writer.set_null()),
            Self::TinyInt(value) => value.serialize(column, writer),
            Self::Int(value) => value.serialize(column, writer),
            Self::BigInt(value) => value.serialize(column, writer),
            Self::Double(value) => value.serialize(column, writer),
            Self::Boolean(value) => value.serialize(column, writer),
            Self::Text(value) => value.serialize(column, writer),
            Self::Blob(value) => value.serialize(column, writer),
            Self::Timestamp(value) => value.serialize(column, writer),
            Self::Date(value) => value.serialize(column, writer),
            Self::Counts(value) => value.serialize(column, writer),
            Self::List(value) => value.serialize(column, writer),
        }
    }
}
