//! How rows are spread over partitions: by time and by aircraft.

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use futures::stream::{self, Stream, TryStreamExt};
use scylla::value::CqlDate;

use super::bind::Bind;
use super::cluster::Fault;
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
fn shards(tail: Option<&Tail>) -> std::ops::Range<i8> {
    tail.map_or(0..SHARDS, |tail| shard(tail)..shard(tail) + 1)
}

/// The partitions of buckets: every shard, or the one of an aircraft.
pub(super) fn partitions<'t>(
    buckets: impl Stream<Item = Result<UnixSeconds, Fault>> + 't,
    tail: Option<&'t Tail>,
) -> impl Stream<Item = Result<(UnixSeconds, i8), Fault>> + 't {
    let of_bucket = move |bucket| stream::iter(shards(tail).map(move |shard| Ok((bucket, shard))));
    buckets.map_ok(of_bucket).try_flatten()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_and_days_begin_where_clocks_say_before_the_epoch_too() {
        assert_eq!(Span::Hour.of(UnixSeconds(7_199)), UnixSeconds(3_600));
        assert_eq!(Span::Day.of(UnixSeconds(86_400)), UnixSeconds(86_400));
        assert_eq!(Span::Hour.of(UnixSeconds(-1)), UnixSeconds(-3_600));
    }

    #[test]
    fn days_count_from_the_middle_of_the_range() {
        assert_eq!(day(UnixSeconds(0)), Bind::Date(CqlDate(1 << 31)));
        assert_eq!(day(UnixSeconds(86_399)), Bind::Date(CqlDate(1 << 31)));
        assert_eq!(day(UnixSeconds(-1)), Bind::Date(CqlDate((1 << 31) - 1)));
    }

    /// Rows that are stored lie where these say: they may never change.
    #[test]
    fn an_aircraft_stays_in_its_shard() {
        let shards = ["TC-JJA", "TC-JJB", "FLEET"].map(|tail| shard(&tail.parse().expect("a tail")));
        assert_eq!(shards, [2, 15, 15]);
    }

    #[test]
    fn a_fleet_is_spread_over_all_shards() {
        let mut counts = [0_u32; SHARDS as usize];
        for number in 0..1_000 {
            let tail: Tail = format!("TC-{number:03}").parse().expect("a tail");
            counts[shard(&tail) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (40..=90).contains(count)), "{counts:?}");
    }
}
