//! How rows are spread over partitions: by time and by aircraft.

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use scylla::value::CqlDate;

use super::bind::Bind;
use crate::tables::digest::fnv1a;

/// Into how many partitions the aircraft of an hour, or a day, are spread.
const SHARDS: i8 = 16;

/// Days since the first that Cassandra's `date` knows.
const DATE_EPOCH: i64 = 1 << 31;

/// The shard of an aircraft: FNV-1a of its tail, modulo 16.
pub(super) fn shard(tail: &Tail) -> i8 {
    (fnv1a(tail.as_str().as_bytes()) % SHARDS as u64) as i8
}

/// All shards, or the one of an aircraft.
pub(super) fn shards(tail: Option<&Tail>) -> std::ops::Range<i8> {
    tail.map_or(0..SHARDS, |tail| shard(tail)..shard(tail) + 1)
}

/// How much time a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Span {
    Hour,
    Day,
}

impl Span {
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// The bucket a time lies in, by its first second.
    pub const fn of(self, at: UnixSeconds) -> UnixSeconds {
        UnixSeconds(at.0 - at.0.rem_euclid(self.seconds()))
    }
}

/// A day as columns hold it.
pub(super) fn day(at: UnixSeconds) -> Bind {
    let days = at.0.div_euclid(Span::Day.seconds()).saturating_add(DATE_EPOCH);
    Bind::Date(CqlDate(u32::try_from(days).unwrap_or_default()))
}
