//! Reading Cassandra's tables past the programs under test, with statements of the tests' own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use scylla::DeserializeRow;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::value::CqlTimestamp;

use crate::ground::Stored;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const READ_LIMIT: Duration = Duration::from_secs(120);

/// Why a table could not be read: in words, since tests only show it.
type Unreadable = Box<dyn std::error::Error + Send + Sync>;

#[derive(DeserializeRow)]
struct WindowRow {
    tail: String,
    start_time: CqlTimestamp,
    edr_point: String,
    description: String,
    fail: i64,
}

#[derive(DeserializeRow)]
struct IndexRow {
    tail: String,
    start_time: CqlTimestamp,
    points: Option<BTreeMap<String, i64>>,
}

#[derive(DeserializeRow)]
struct LossRow {
    reason: String,
    lost: i64,
}

#[derive(DeserializeRow)]
struct StreamRow {
    tail: String,
    stream: String,
}

/// What a keyspace holds of what was sent.
///
/// # Errors
/// While the server is away, or the tables are not there.
pub fn stored(port: u16, keyspace: &str) -> Result<Stored, Unreadable> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stored = async {
        let session = SessionBuilder::new()
            .known_node(format!("127.0.0.1:{port}"))
            .connection_timeout(CONNECT_LIMIT)
            .build()
            .await?;
        session.use_keyspace(keyspace, false).await?;
        read(&session).await
    };
    // The driver's own limits are for its steps: a server that is killed between two of them may leave it waiting.
    runtime.block_on(async { tokio::time::timeout(READ_LIMIT, stored).await })?
}

async fn read(session: &Session) -> Result<Stored, Unreadable> {
    let mut stored = Stored::default();
    let windows = "SELECT tail, start_time, edr_point, description, fail FROM windows";
    for row in rows::<WindowRow>(session, windows).await? {
        let id = (row.tail, rfc3339(row.start_time)?, row.edr_point, row.description);
        // The same row in two partitions would be counted twice here.
        *stored.failures.entry(id).or_default() += row.fail;
    }
    for row in rows::<IndexRow>(session, "SELECT tail, start_time, points FROM window_index").await? {
        let start = rfc3339(row.start_time)?;
        for (point, success) in row.points.unwrap_or_default() {
            if success > 0 {
                *stored.successes.entry((row.tail.clone(), start.clone(), point)).or_default() += success;
            }
        }
    }
    for row in rows::<LossRow>(session, "SELECT reason, lost FROM losses").await? {
        *stored.losses.entry(row.reason).or_default() += row.lost;
    }
    let streams = rows::<StreamRow>(session, "SELECT tail, stream FROM streams").await?;
    let streams: BTreeSet<_> = streams.into_iter().map(|row| (row.tail, row.stream)).collect();
    stored.streams = i64::try_from(streams.len())?;
    stored.gaps = count(session, "gaps").await?;
    stored.set_aside = count(session, "set_aside").await?;
    Ok(stored)
}

async fn rows<T>(session: &Session, cql: &str) -> Result<Vec<T>, Unreadable>
where
    T: for<'f, 'm> scylla::deserialize::row::DeserializeRow<'f, 'm> + 'static,
{
    Ok(session.query_iter(cql, ()).await?.rows_stream::<T>()?.try_collect().await?)
}

async fn count(session: &Session, table: &str) -> Result<i64, Unreadable> {
    let counted = session.query_unpaged(format!("SELECT count(*) FROM {table}"), ()).await?;
    Ok(counted.into_rows_result()?.single_row::<(i64,)>()?.0)
}

fn rfc3339(time: CqlTimestamp) -> Result<String, Unreadable> {
    Ok(Timestamp::from_millisecond(time.0)?.to_string())
}
