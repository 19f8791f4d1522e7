//! One small file for each writing and day.

use bytes::Bytes;
use datafusion::arrow::array::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::ParquetMetaDataReader;
use datafusion::parquet::file::properties::WriterProperties;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;

use super::columns::{Rows, schema};
use super::day::{Day, Names};
use crate::upload::put;
use crate::{Storage, StorageError};

/// Days written at once: a backlog spans a handful.
const AT_ONCE: usize = 4;
/// More than the end of our files needs, which says what is in them.
const FOOTER_BYTES: u64 = 64 << 10;

pub(super) fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(concat!("cabinwatch ", env!("CARGO_PKG_VERSION")).to_owned())
        .build()
}

/// Writes the rows; when it returns they are there to stay. After an error some days may have been written: rows that
/// are written again lie there twice, and are read once.
pub(super) async fn append(storage: &Storage, names: &Names, rows: Rows) -> Result<(), StorageError> {
    let failed = |error: &dyn std::error::Error| storage.naming().failed(storage.path("").as_ref(), &error);
    let days = rows.finish().map_err(|error| failed(&error))?;
    let files: Result<Vec<_>, ParquetError> =
        days.iter().map(|(day, batch)| Ok((*day, encode(batch)?))).collect();
    let files = files.map_err(|error| failed(&error))?;
    let put = |(day, bytes): (Day, Bytes)| async move {
        put(storage, &day.folder(), &names.written(), bytes).await
    };
    futures::stream::iter(files.into_iter().map(put)).buffer_unordered(AT_ONCE).try_collect().await
}

fn encode(batch: &RecordBatch) -> Result<Bytes, ParquetError> {
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, schema(), Some(properties()))?;
    writer.write(batch)?;
    writer.close()?;
    Ok(out.into())
}

/// How many rows the end of a file says it holds.
pub(super) async fn rows_in_footer(storage: &Storage, name: &str, bytes: u64) -> Result<u64, StorageError> {
    let path = storage.path(name);
    let explain = |error: &(dyn std::error::Error + 'static)| storage.naming().explain(path.as_ref(), error);
    let from = bytes.saturating_sub(FOOTER_BYTES);
    let end = storage.store().get_range(&path, from..bytes).await.map_err(|error| explain(&error))?;
    let mut reader = ParquetMetaDataReader::new();
    reader.try_parse_sized(&end, bytes).map_err(|error| explain(&error))?;
    let metadata = reader.finish().map_err(|error| explain(&error))?;
    Ok(u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default())
}
