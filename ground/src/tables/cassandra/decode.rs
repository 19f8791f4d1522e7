//! From columns to the types they stand for, and from what was read to what was asked for.

use std::pin::pin;
use std::str::FromStr;

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{FrameSeq, StreamId};
use futures::stream::{Stream, StreamExt, TryStreamExt};
use scylla::value::CqlTimestamp;

use super::cluster::{Fault, IN_FLIGHT};
use crate::tables::{FrameId, Query, SeqRange, text};

/// Each may be many pages, and all its rows are held until its turn has come.
pub(super) const PARTITIONS_AT_ONCE: usize = IN_FLIGHT / 4;

pub(super) fn tail(text: &str) -> Result<Tail, Fault> {
    Tail::from_str(text).map_err(|_| Fault::column("tail"))
}

pub(super) fn stream_id(stream: &str) -> Result<StreamId, Fault> {
    text::read_stream(stream).ok_or_else(|| Fault::column("stream"))
}

pub(super) const fn time(at: CqlTimestamp) -> UnixSeconds {
    UnixSeconds(at.0.div_euclid(1000))
}

pub(super) fn count(column: &'static str, value: i64) -> Result<u64, Fault> {
    u64::try_from(value).map_err(|_| Fault::column(column))
}

pub(super) fn seq(column: &'static str, value: i64) -> Result<FrameSeq, Fault> {
    count(column, value).map(FrameSeq)
}

pub(super) fn range(first: i64, last: i64) -> Result<SeqRange, Fault> {
    Ok(SeqRange { first: seq("first_seq", first)?, last: seq("last_seq", last)? })
}

pub(super) fn model_version(value: i64) -> Result<ModelVersion, Fault> {
    u32::try_from(value).map(ModelVersion).map_err(|_| Fault::column("model_version"))
}

pub(super) fn frame(tail: &str, stream: &str, number: i64) -> Result<FrameId, Fault> {
    Ok(FrameId { tail: self::tail(tail)?, stream: stream_id(stream)?, seq: seq("seq", number)? })
}

/// Who asks for few rows mostly finds them in the newest buckets: those of an aircraft, or the shards of one hour.
const FEW_ROWS: u32 = 100;
const PARTITIONS_FOR_FEW: usize = PARTITIONS_AT_ONCE / 4;

fn at_once(query: &Query) -> usize {
    match query.limit {
        Some(..=FEW_ROWS) => PARTITIONS_FOR_FEW,
        _ => PARTITIONS_AT_ONCE,
    }
}

/// Reads partitions side by side, those of the newest bucket first, until there is as much as a query asks for.
pub(super) async fn read_newest<T, K: Ord>(
    reads: impl Stream<Item = impl Future<Output = Result<(UnixSeconds, Vec<T>), Fault>>>,
    query: &Query,
    time: impl Fn(&T) -> UnixSeconds,
    key: impl Fn(&T) -> K,
) -> Result<Vec<T>, Fault> {
    let mut reads = pin!(reads.buffered(at_once(query)));
    let enough = query.limit.map_or(usize::MAX, |limit| limit as usize);
    let (mut items, mut last_bucket) = (Vec::new(), None);
    while let Some((bucket, read)) = reads.try_next().await? {
        if last_bucket != Some(bucket) && items.len() >= enough {
            break;
        }
        last_bucket = Some(bucket);
        items.extend(read.into_iter().filter(|item| query.holds(time(item))));
    }
    Ok(newest(items, query, time, key))
}

/// What a query asks for of what was read: within its bounds, in ascending order, and of too many the newest.
pub(super) fn newest<T, K: Ord>(
    mut items: Vec<T>,
    query: &Query,
    time: impl Fn(&T) -> UnixSeconds,
    key: impl Fn(&T) -> K,
) -> Vec<T> {
    items.retain(|item| query.holds(time(item)));
    items.sort_by_cached_key(|item| (time(item), key(item)));
    let surplus = query.limit.map_or(0, |limit| items.len().saturating_sub(limit as usize));
    items.drain(..surplus);
    items
}
