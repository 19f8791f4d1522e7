//! The window archive: every window that ingest stored, as Parquet files in a folder for each day.
//!
//! `docs/archive.md` describes the files for other readers, `docs/adr/0007-*.md` tells why they are cut as they are.

mod append;
mod columns;
mod compact;
mod counts;
mod day;
mod scan;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cabinwatch_shared::time::UnixSeconds;
use datafusion::arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use futures::StreamExt;
use object_store::ObjectMeta;
use tokio::sync::mpsc;

pub use columns::{Head, Rows};
pub use compact::Compacted;
pub use counts::{Count, Counted, Period};
pub use day::{Day, NotADay};

use crate::storage::name_of;
use crate::{Storage, StorageError, runtime};
use day::{Kind, Names};

/// Days read at once.
const DAYS_AT_ONCE: usize = 2;
/// How often a day is begun anew whose files compaction replaces meanwhile. Two that run at once replace each other's
/// files for as long as they are begun again and again, so a few times are not enough.
const ATTEMPTS: u32 = 25;

/// The archive in one folder.
#[derive(Debug)]
pub struct WindowArchive {
    storage: Storage,
    names: Arc<Names>,
}

/// What reading came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadOutcome {
    /// Days that had files.
    pub days: u64,
    /// Their files.
    pub files: u64,
}

impl WindowArchive {
    /// Opens the archive in a folder, which need not be there yet. Nothing is asked of a server. `limit` bounds every
    /// later call to one.
    ///
    /// # Errors
    /// When the URL names no folder that can be opened.
    pub fn open(url: &str, limit: Duration) -> Result<Self, StorageError> {
        Ok(Self { storage: Storage::open(url, limit)?, names: Names::new().into() })
    }

    /// The URL it was opened by.
    #[must_use]
    pub fn url(&self) -> &str {
        self.storage.url()
    }

    /// Writes rows and waits until they are there to stay. After an error some may be: written again, they are still
    /// read once.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn append(&self, rows: Rows) -> Result<(), StorageError> {
        if rows.is_empty() {
            return Ok(());
        }
        let (storage, names) = (self.storage.clone(), self.names.clone());
        runtime::wait(async move { append::append(&storage, &names, rows).await })
    }

    /// The days that have a folder, oldest first.
    ///
    /// # Errors
    /// When the folder is not there or cannot be listed.
    pub fn days(&self) -> Result<Vec<Day>, StorageError> {
        let storage = self.storage.clone();
        runtime::wait(async move {
            let mut days: Vec<_> =
                storage.list("").await?.folders.iter().filter_map(|name| Day::of_folder(name)).collect();
            days.sort_unstable();
            Ok(days)
        })
    }

    /// Counts over all aircraft, of windows that start within a period on these days; every row of the archive counts
    /// once. `after_day` is called after each day.
    ///
    /// # Errors
    /// When a file cannot be read. Some counts have been handed out by then.
    pub fn counts(
        &self,
        days: &[Day],
        period: Period,
        mut take: impl FnMut(Count<'_>),
        mut after_day: impl FnMut(),
    ) -> Result<ReadOutcome, StorageError> {
        let (storage, days) = (self.storage.clone(), days.to_vec());
        let (sender, mut received) = mpsc::channel(1);
        runtime::handle()?.spawn(async move {
            let mut read = futures::stream::iter(days)
                .map(|day| day_counts(&storage, day, period))
                .buffered(DAYS_AT_ONCE);
            while let Some(day) = read.next().await {
                if sender.send(Some(day)).await.is_err() {
                    return;
                }
            }
            // Tells the end from a task that broke off.
            let _ = sender.send(None).await;
        });
        let mut outcome = ReadOutcome::default();
        let broken = |reason: &str| self.storage.naming().failed(self.storage.path("").as_ref(), &reason);
        loop {
            let day = received.blocking_recv().ok_or_else(|| broken("reading broke off"))?;
            let Some(day) = day else { return Ok(outcome) };
            let (files, batches) = day?;
            for batch in &batches {
                counts::hand_out(batch, &mut take).ok_or_else(|| broken("unexpected columns"))?;
            }
            outcome.files += files;
            outcome.days += u64::from(files > 0);
            after_day();
        }
    }

    /// Makes one file of all files of a day. Safe to kill, and to run beside ingest, readers and itself.
    ///
    /// # Errors
    /// When the day cannot be read or written; no row is lost then.
    pub fn compact(&self, day: Day, now: UnixSeconds) -> Result<Compacted, StorageError> {
        let (storage, names) = (self.storage.clone(), self.names.clone());
        runtime::wait(async move {
            let work = |files| compact::day(&storage, &names, day, files, now);
            on_files_of(&storage, day, work).await
        })
    }
}

/// Works on the files of a day, and begins anew when compaction has put another in their place meanwhile.
async fn on_files_of<T, F>(
    storage: &Storage,
    day: Day,
    work: impl Fn(Vec<ObjectMeta>) -> F,
) -> Result<T, StorageError>
where
    F: Future<Output = Result<T, StorageError>>,
{
    let mut files = storage.list(&day.folder()).await?.files;
    for _ in 1..ATTEMPTS {
        let outcome = work(files.clone()).await;
        if outcome.is_ok() {
            return outcome;
        }
        let now = storage.list(&day.folder()).await?.files;
        let is_there = |file: &ObjectMeta| now.iter().any(|other| other.location == file.location);
        if files.iter().all(is_there) {
            return outcome;
        }
        files = now;
    }
    work(files).await
}

/// How many files a day has, and its counts.
async fn day_counts(
    storage: &Storage,
    day: Day,
    period: Period,
) -> Result<(u64, Vec<RecordBatch>), StorageError> {
    let work = async |mut files: Vec<ObjectMeta>| {
        files.retain(|file| matches!(Kind::of(name_of(file)), Kind::Written | Kind::Compacted));
        if files.is_empty() {
            return Ok((0, Vec::new()));
        }
        let path = storage.path(&day.folder());
        let counts = counts_of_files(storage, &files, period).await;
        let counts = counts.map_err(|error| storage.naming().explain(path.as_ref(), &error))?;
        Ok((files.len() as u64, counts))
    };
    on_files_of(storage, day, work).await
}

async fn counts_of_files(
    storage: &Storage,
    files: &[ObjectMeta],
    period: Period,
) -> Result<Vec<RecordBatch>, DataFusionError> {
    let context = scan::session(storage)?;
    let rows = scan::all_rows(&context, storage, files)?;
    let rows = match files {
        [only] if Kind::of(name_of(only)) == Kind::Compacted => rows,
        _ => scan::each_row_once(rows)?,
    };
    counts::over_all_aircraft(rows, period)?.collect().await
}

#[cfg(test)]
mod tests;
