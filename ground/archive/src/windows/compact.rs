//! Many small files of a day into one.
//!
//! Files are never changed, only written whole under a new name and deleted, and a file is deleted only when a file
//! that holds all its rows has been read back. So at every moment each row lies in at least one file; one that lies in
//! two is seen once by whoever reads as [`super::scan::each_row_once`] does. That holds when the process is killed
//! anywhere, when ingest writes meanwhile, and when two compactions run at once: each deletes only what it has read.

use bytes::Bytes;
use cabinwatch_shared::time::UnixSeconds;
use datafusion::arrow::array::RecordBatch;
use datafusion::logical_expr::col;
use datafusion::parquet::arrow::AsyncArrowWriter;
use datafusion::parquet::arrow::async_writer::AsyncFileWriter;
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use object_store::ObjectMeta;
use std::sync::Arc;

use super::append::properties;
use super::columns::{DESCRIPTION, EDR_POINT, START_TIME, TAIL, schema};
use super::day::{Day, Kind, Names};
use super::scan;
use crate::storage::name_of;
use crate::upload::{Upload, abandon};
use crate::{Storage, StorageError};

/// Hidden files of this age belong to nobody any more.
const LEFTOVER_SECONDS: i64 = 86_400;
/// Rows of a row group: what a reader takes at once.
const ROW_GROUP: usize = 1 << 18;

/// What compaction made of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Files there were.
    pub files_before: u64,
    /// Files there are, those not counted that ingest has written meanwhile.
    pub files_after: u64,
    /// Bytes there were.
    pub bytes_before: u64,
    /// Bytes there are.
    pub bytes_after: u64,
    /// Rows read; 0 where nothing had to be done.
    pub rows_before: u64,
    /// Rows written; the difference were duplicates, or had been replaced.
    pub rows_after: u64,
    /// Files deleted that were never finished, a day old or more.
    pub leftovers: u64,
}

/// Compacts one day, whose folder holds these files.
pub(super) async fn day(
    storage: &Storage,
    names: &Names,
    day: Day,
    mut listed: Vec<ObjectMeta>,
    now: UnixSeconds,
) -> Result<Compacted, StorageError> {
    let mut outcome =
        Compacted { leftovers: sweep(storage, day, &listed, now).await?, ..Compacted::default() };
    listed.retain(|file| matches!(Kind::of(name_of(file)), Kind::Written | Kind::Compacted));
    (outcome.files_before, outcome.files_after) = (listed.len() as u64, listed.len() as u64);
    outcome.bytes_before = listed.iter().map(|file| file.size).sum();
    outcome.bytes_after = outcome.bytes_before;
    if listed.len() < 2 {
        return Ok(outcome);
    }
    let name = names.compacted();
    (outcome.rows_before, outcome.rows_after) = match write(storage, day, &name, &listed).await {
        Ok(rows) => rows,
        Err(error) => return Err(abandon(storage, &day.folder(), &name, error).await),
    };
    outcome.bytes_after = check(storage, day, &name, outcome.rows_after).await?;
    for file in &listed {
        storage.delete(&format!("{}/{}", day.folder(), name_of(file))).await?;
    }
    outcome.files_after = 1;
    Ok(outcome)
}

/// Writes the rows of some files into a new one, each once; rows read and written.
async fn write(
    storage: &Storage,
    day: Day,
    name: &str,
    files: &[ObjectMeta],
) -> Result<(u64, u64), StorageError> {
    let explain = |error: &(dyn std::error::Error + 'static)| {
        storage.naming().explain(&path(storage, day, name), error)
    };
    let plan = async {
        let context = scan::session(storage)?;
        let rows = scan::each_row_once(scan::all_rows(&context, storage, files)?)?;
        let order = [TAIL, START_TIME, EDR_POINT, DESCRIPTION].map(|name| col(name).sort(true, true));
        let sorted = rows.sort(order.to_vec())?;
        let task = Arc::new(sorted.task_ctx());
        Ok((sorted.create_physical_plan().await?, task))
    };
    let plan: datafusion::error::Result<_> = plan.await;
    let (plan, task) = plan.map_err(|error| explain(&error))?;
    let mut stream = execute_stream(Arc::clone(&plan), task).map_err(|error| explain(&error))?;
    let upload = Upload::begin(storage, &day.folder(), name).await?;
    let writer = AsyncArrowWriter::try_new(Sink(upload), schema(), Some(properties()));
    let mut writer = writer.map_err(|error| explain(&error))?;
    let mut after = 0;
    while let Some(batch) = stream.next().await {
        let batch: RecordBatch = batch.map_err(|error| explain(&error))?;
        // A maximum could be null for all that its type says.
        let batch =
            RecordBatch::try_new(schema(), batch.columns().to_vec()).map_err(|error| explain(&error))?;
        after += batch.num_rows() as u64;
        writer.write(&batch).await.map_err(|error| explain(&error))?;
        if writer.in_progress_rows() >= ROW_GROUP {
            writer.flush().await.map_err(|error| explain(&error))?;
        }
    }
    writer.close().await.map_err(|error| explain(&error))?;
    Ok((rows_read(&plan), after))
}

/// Reads back what was written: only what is known to be there may take the place of other files.
async fn check(storage: &Storage, day: Day, name: &str, rows: u64) -> Result<u64, StorageError> {
    let in_folder = format!("{}/{name}", day.folder());
    let bytes = storage.bytes_of(&in_folder).await?;
    let found = super::append::rows_in_footer(storage, &in_folder, bytes).await?;
    if found == rows {
        return Ok(bytes);
    }
    let reason = format!("{rows} rows were written but {found} are there; the day's other files were kept");
    Err(storage.naming().failed(&path(storage, day, name), &reason))
}

async fn sweep(
    storage: &Storage,
    day: Day,
    files: &[ObjectMeta],
    now: UnixSeconds,
) -> Result<u64, StorageError> {
    let mut swept = 0;
    for file in files {
        let is_old = file.last_modified.timestamp() < now.0.saturating_sub(LEFTOVER_SECONDS);
        if is_old && Kind::of(name_of(file)) == Kind::Unfinished {
            storage.delete(&format!("{}/{}", day.folder(), name_of(file))).await?;
            swept += 1;
        }
    }
    Ok(swept)
}

/// What the scans at the bottom of a plan that has run gave out.
fn rows_read(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let children = plan.children();
    if children.is_empty() {
        let rows = plan.metrics().and_then(|metrics| metrics.output_rows());
        return rows.unwrap_or_default() as u64;
    }
    children.into_iter().map(rows_read).sum()
}

fn path(storage: &Storage, day: Day, name: &str) -> String {
    storage.path(&format!("{}/{name}", day.folder())).to_string()
}

/// An upload as the Parquet writer wants it.
struct Sink(Upload);

impl AsyncFileWriter for Sink {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, ParquetResult<()>> {
        async { self.0.write(bytes).await.map_err(external) }.boxed()
    }

    fn complete(&mut self) -> BoxFuture<'_, ParquetResult<()>> {
        async { self.0.finish().await.map_err(external) }.boxed()
    }
}

fn external(error: StorageError) -> ParquetError {
    ParquetError::External(Box::new(error))
}
