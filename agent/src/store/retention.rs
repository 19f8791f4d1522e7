//! What must go so that the file stays within its limits: collect, give a reason, delete, count. The decision is a
//! pure function; deleting is the store's.

use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::LossReason;

/// How much of one table may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all rows.
    pub bytes: u64,
    /// Age of a row, in seconds.
    pub age_seconds: u64,
    /// Number of rows.
    pub rows: u64,
}

/// How much of one table there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Bytes of all rows.
    pub bytes: u64,
    /// Number of rows.
    pub rows: u64,
}

impl Held {
    /// Reads `count(*), sum(length(..))`.
    pub(super) fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let (rows, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok(Self { bytes: bytes.unsigned_abs(), rows: rows.unsigned_abs() })
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.rows += 1;
    }

    pub(super) const fn subtract(&mut self, gone: Self) {
        self.bytes = self.bytes.saturating_sub(gone.bytes);
        self.rows = self.rows.saturating_sub(gone.rows);
    }
}

/// A row that may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its primary key.
    pub id: i64,
    /// When it was written.
    pub written: UnixSeconds,
    /// Its size.
    pub bytes: u64,
}

/// Which limit a row exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// Too old.
    Age,
    /// Too many bytes in all.
    Bytes,
    /// Too many rows.
    Rows,
}

impl Excess {
    /// The loss it is when a frame goes for that reason.
    #[must_use]
    pub const fn of_frames(self) -> LossReason {
        match self {
            Self::Age => LossReason::OutboxAge,
            Self::Bytes => LossReason::OutboxBytes,
            Self::Rows => LossReason::OutboxCount,
        }
    }
}

/// What goes: every row up to `through`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The newest row that goes; none if all stay.
    pub through: Option<i64>,
    /// How much goes.
    pub gone: Held,
    /// How many rows go for which reason.
    pub reasons: Vec<(Excess, u64)>,
}

/// Goes through the rows, oldest first, until what is left is within the limits.
#[must_use]
pub fn plan(
    held: Held,
    limits: &Limits,
    now: UnixSeconds,
    oldest_first: impl Iterator<Item = Candidate>,
) -> Plan {
    let mut plan = Plan::default();
    for row in oldest_first {
        let mut left = held;
        left.subtract(plan.gone);
        let age = u64::try_from(now.0.saturating_sub(row.written.0)).unwrap_or(0);
        let excess = if age > limits.age_seconds {
            Excess::Age
        } else if left.bytes > limits.bytes {
            Excess::Bytes
        } else if left.rows > limits.rows {
            Excess::Rows
        } else {
            break;
        };
        plan.through = Some(row.id);
        plan.gone.bytes += row.bytes;
        plan.gone.rows += 1;
        match plan.reasons.iter_mut().find(|(known, _)| *known == excess) {
            Some((_, count)) => *count += 1,
            None => plan.reasons.push((excess, 1)),
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_000);
    const ROOMY: Limits = Limits { bytes: 1_000, age_seconds: 1_000, rows: 1_000 };

    /// Ten rows of 10 bytes, written at 901, 902, ...
    fn rows() -> impl Iterator<Item = Candidate> {
        (1..=10).map(|id| Candidate { id, written: UnixSeconds(900 + id), bytes: 10 })
    }

    fn planned(limits: Limits) -> Plan {
        plan(Held { bytes: 100, rows: 10 }, &limits, NOW, rows())
    }

    #[test]
    fn within_the_limits_all_rows_stay() {
        assert_eq!(planned(ROOMY), Plan::default());
        assert_eq!(planned(Limits { bytes: 100, age_seconds: 99, rows: 10 }), Plan::default());
    }

    #[test]
    fn the_oldest_rows_go_and_each_limit_is_a_reason() {
        let bytes = planned(Limits { bytes: 75, ..ROOMY });
        assert_eq!((bytes.through, bytes.reasons), (Some(3), vec![(Excess::Bytes, 3)]));
        assert_eq!(bytes.gone, Held { bytes: 30, rows: 3 });
        let rows = planned(Limits { rows: 8, ..ROOMY });
        assert_eq!((rows.through, rows.reasons), (Some(2), vec![(Excess::Rows, 2)]));
        let age = planned(Limits { age_seconds: 95, ..ROOMY });
        assert_eq!((age.through, age.reasons), (Some(4), vec![(Excess::Age, 4)]));
    }

    #[test]
    fn a_row_that_exceeds_several_limits_is_counted_once() {
        let plan = planned(Limits { bytes: 50, age_seconds: 97, rows: 1_000 });
        assert_eq!(plan.reasons, [(Excess::Age, 2), (Excess::Bytes, 3)]);
    }

    #[test]
    fn rows_from_a_clock_that_ran_ahead_are_young() {
        let future = std::iter::once(Candidate { id: 1, written: UnixSeconds(i64::MAX), bytes: 10 });
        assert_eq!(plan(Held { bytes: 10, rows: 1 }, &ROOMY, NOW, future), Plan::default());
    }
}
