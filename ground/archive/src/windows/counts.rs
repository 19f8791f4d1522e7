//! What training needs of the archive: failures and successes per window, over all aircraft.

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::time::UnixSeconds;
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Int32Type, Int64Type, TimestampMillisecondType};
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::{col, lit};
use datafusion::prelude::DataFrame;
use datafusion::scalar::ScalarValue;

use super::columns::{DESCRIPTION, EDR_POINT, FAIL, LENGTH_SECONDS, NOTHING, START_TIME, SUCCESS};

const ROWS: &str = "rows";

/// Windows that start within `[from, until)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first second.
    pub from: UnixSeconds,
    /// The first second after.
    pub until: UnixSeconds,
}

/// One count, over all aircraft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count<'a> {
    /// When the window starts.
    pub start: UnixSeconds,
    /// How long it is, in seconds.
    pub length: i64,
    /// What was counted.
    pub of: Counted<'a>,
    /// How many rows of the archive it comes from.
    pub rows: u64,
}

/// What a count counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted<'a> {
    /// Failures of a key.
    Failures(FaultKey<'a>, u64),
    /// Successes of a point.
    Successes(&'a str, u64),
}

/// Adds the aircraft up.
pub(super) fn over_all_aircraft(rows: DataFrame, period: Period) -> datafusion::error::Result<DataFrame> {
    let time =
        |at: UnixSeconds| lit(ScalarValue::TimestampMillisecond(Some(at.millis().0), Some("UTC".into())));
    let key = [START_TIME, LENGTH_SECONDS, EDR_POINT, DESCRIPTION].map(col).to_vec();
    let sums = [FAIL, SUCCESS].map(|name| sum(col(name)).alias(name));
    let sums = sums.into_iter().chain([count(col(FAIL)).alias(ROWS)]).collect();
    rows.filter(col(START_TIME).gt_eq(time(period.from)).and(col(START_TIME).lt(time(period.until))))?
        .aggregate(key, sums)?
        .select_columns(&[START_TIME, LENGTH_SECONDS, EDR_POINT, DESCRIPTION, FAIL, SUCCESS, ROWS])
}

/// Hands out the counts of a batch that [`over_all_aircraft`] made; none if it has other columns.
pub(super) fn hand_out(batch: &RecordBatch, take: &mut impl FnMut(Count<'_>)) -> Option<()> {
    let start = batch.column_by_name(START_TIME)?.as_primitive_opt::<TimestampMillisecondType>()?;
    let length = batch.column_by_name(LENGTH_SECONDS)?.as_primitive_opt::<Int32Type>()?;
    let point = batch.column_by_name(EDR_POINT)?.as_string_opt::<i32>()?;
    let description = batch.column_by_name(DESCRIPTION)?.as_string_opt::<i32>()?;
    let number = |name| batch.column_by_name(name)?.as_primitive_opt::<Int64Type>();
    let (fail, success, rows) = (number(FAIL)?, number(SUCCESS)?, number(ROWS)?);
    for row in 0..batch.num_rows() {
        let edr_point = point.value(row);
        let unsigned = |count: i64| u64::try_from(count).unwrap_or_default();
        if edr_point == NOTHING && fail.value(row) == 0 && success.value(row) == 0 {
            continue;
        }
        let of = if description.is_null(row) {
            Counted::Successes(edr_point, unsigned(success.value(row)))
        } else {
            let key = FaultKey { edr_point, description: description.value(row) };
            Counted::Failures(key, unsigned(fail.value(row)))
        };
        take(Count {
            start: UnixSeconds(start.value(row).div_euclid(1000)),
            length: i64::from(length.value(row)),
            of,
            rows: unsigned(rows.value(row)),
        });
    }
    Some(())
}
