//! A session, and how the rest of this folder uses it.

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use scylla::client::session::Session;
use scylla::deserialize::row::DeserializeRow;
use scylla::response::query_result::QueryResult;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;

use super::bind::Bind;
use crate::tables::TablesError;

/// Most requests on their way at once.
pub(super) const IN_FLIGHT: usize = 128;
/// Most bytes in a batch, about: Cassandra warns at 5 KiB and refuses at 50 KiB.
const BATCH_BYTES: usize = 4 << 10;
/// Rows fetched at once when reading.
const PAGE_ROWS: i32 = 2_000;

/// What went wrong inside: a driver's failure still without its place, or a finished error.
#[derive(Debug)]
pub(super) enum Fault {
    Driver(String),
    Tables(TablesError),
}

impl From<TablesError> for Fault {
    fn from(error: TablesError) -> Self {
        Self::Tables(error)
    }
}

impl Fault {
    pub fn driver(error: impl std::error::Error) -> Self {
        Self::Driver(error.to_string())
    }

    /// A column holds what is none of ours.
    pub fn column(column: &'static str) -> Self {
        Self::Driver(format!("column {column}: a value that is none of ours"))
    }

    pub fn at(self, place: &str, action: &'static str) -> TablesError {
        match self {
            Self::Driver(message) => TablesError::Failed { place: place.to_owned(), action, message },
            Self::Tables(error) => error,
        }
    }
}

/// A statement with its values.
#[derive(Clone, Debug)]
pub(super) struct Request<'s> {
    pub statement: &'s PreparedStatement,
    pub values: Vec<Bind>,
}

impl<'s> Request<'s> {
    pub fn new(statement: &'s PreparedStatement, values: impl Into<Vec<Bind>>) -> Self {
        Self { statement, values: values.into() }
    }

    fn size(&self) -> usize {
        self.values.iter().map(Bind::size).sum()
    }
}

/// A session with one keyspace.
#[derive(Debug)]
pub(super) struct Cluster {
    pub session: Session,
    /// The keyspace, as statements name it.
    pub keyspace: String,
    /// Microseconds since the epoch, as they were given out last.
    clock: AtomicI64,
}

impl Cluster {
    pub fn new(session: Session, keyspace: &str) -> Self {
        Self { session, keyspace: format!("\"{keyspace}\""), clock: AtomicI64::default() }
    }

    /// A write time of now, later than each before.
    pub fn now(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
        let later = |last: i64| now.max(last.saturating_add(1));
        let update = |last| Some(later(last));
        self.clock.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update).map_or(now, later)
    }

    /// Prepares a statement; `{}` in it stands for the keyspace. All of ours may be sent twice.
    pub async fn prepare(&self, cql: &str) -> Result<PreparedStatement, Fault> {
        let cql = cql.replace("{}", &self.keyspace);
        let mut statement = self.session.prepare(cql).await.map_err(Fault::driver)?;
        statement.set_is_idempotent(true);
        statement.set_page_size(PAGE_ROWS);
        Ok(statement)
    }

    /// Sends one request.
    pub async fn send(&self, request: Request<'_>) -> Result<QueryResult, Fault> {
        self.session.execute_unpaged(request.statement, request.values).await.map_err(Fault::driver)
    }

    /// Runs work side by side, and gives back what it came to in the order given.
    pub async fn side_by_side<T>(
        &self,
        work: impl IntoIterator<Item = impl Future<Output = Result<T, Fault>>>,
    ) -> Result<Vec<T>, Fault> {
        stream::iter(work).buffered(IN_FLIGHT).try_collect().await
    }

    /// Sends requests side by side.
    pub async fn send_all(&self, requests: impl IntoIterator<Item = Request<'_>>) -> Result<(), Fault> {
        stream::iter(requests)
            .map(|request| async move { self.send(request).await.map(drop) })
            .buffer_unordered(IN_FLIGHT)
            .try_collect()
            .await
    }

    /// Sends groups of requests side by side. The requests of a group write to one partition, so that they can go in
    /// one batch without costing the cluster more than one request does.
    pub async fn send_partitions(
        &self,
        partitions: impl IntoIterator<Item = Vec<Request<'_>>>,
    ) -> Result<(), Fault> {
        stream::iter(partitions.into_iter().flat_map(batches))
            .map(|batch| self.send_batch(batch))
            .buffer_unordered(IN_FLIGHT)
            .try_collect()
            .await
    }

    async fn send_batch(&self, mut requests: Vec<Request<'_>>) -> Result<(), Fault> {
        if requests.len() == 1
            && let Some(only) = requests.pop()
        {
            return self.send(only).await.map(drop);
        }
        let mut batch = Batch::new(BatchType::Unlogged);
        batch.set_is_idempotent(true);
        let mut values = Vec::with_capacity(requests.len());
        for request in requests {
            batch.append_statement(request.statement.clone());
            values.push(request.values);
        }
        self.session.batch(&batch, values).await.map(drop).map_err(Fault::driver)
    }

    /// Reads rows, page after page as they are taken.
    pub async fn stream<T>(
        &self,
        request: Request<'_>,
    ) -> Result<impl Stream<Item = Result<T, Fault>> + use<T>, Fault>
    where
        T: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        let pager = self.session.execute_iter(request.statement.clone(), request.values).await;
        Ok(pager.map_err(Fault::driver)?.rows_stream::<T>().map_err(Fault::driver)?.map_err(Fault::driver))
    }

    /// Reads all rows.
    pub async fn read<T>(&self, request: Request<'_>) -> Result<Vec<T>, Fault>
    where
        T: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        self.stream(request).await?.try_collect().await
    }
}

/// Cuts the requests to one partition into batches.
fn batches(requests: Vec<Request<'_>>) -> Vec<Vec<Request<'_>>> {
    cut(requests, Request::size)
}

fn cut<T>(items: Vec<T>, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut batches: Vec<Vec<T>> = Vec::new();
    let mut room = 0_usize;
    for item in items {
        let size = size(&item);
        match batches.last_mut().filter(|_| size <= room) {
            Some(batch) => batch.push(item),
            None => {
                batches.push(vec![item]);
                room = BATCH_BYTES;
            }
        }
        room = room.saturating_sub(size);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_full_but_never_above_what_a_server_likes() {
        let requests: Vec<_> = [1000, 3000, 500, 9000, 10, 10].into_iter().collect();
        let cut = cut(requests, |size: &usize| *size);
        assert_eq!(cut, [vec![1000, 3000], vec![500], vec![9000], vec![10, 10]]);
        assert_eq!(super::cut(Vec::<usize>::new(), |size| *size), Vec::<Vec<usize>>::new());
    }
}
