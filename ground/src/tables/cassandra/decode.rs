//! From columns to the types they stand for, and from what was read to what was asked for.

use std::str::FromStr;

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{FrameSeq, StreamId};
use scylla::value::CqlTimestamp;

use super::cluster::Fault;
use crate::tables::{FrameId, Query, SeqRange, text};

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

/// What a query asks for of what was read: within its bounds, in ascending order, and of too many the newest.
pub(super) fn newest<T, K: Ord>(
    items: Vec<T>,
    query: &Query,
    time: impl Fn(&T) -> UnixSeconds,
    key: impl Fn(&T) -> K,
) -> Vec<T> {
    let mut items = items;
    items.retain(|item| {
        let at = time(item);
        query.since.is_none_or(|since| at >= since) && query.until.is_none_or(|until| at < until)
    });
    items.sort_by_cached_key(|item| (time(item), key(item)));
    let surplus = query.limit.map_or(0, |limit| items.len().saturating_sub(limit as usize));
    items.drain(..surplus);
    items
}
