//! The columns of a file, and how windows become rows. `docs/archive.md` is the format's description.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::window::Window;
use datafusion::arrow::array::{
    ArrayRef, Int32Builder, Int64Builder, RecordBatch, StringBuilder, TimestampMillisecondBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;

use super::Day;

pub(super) const TAIL: &str = "tail";
pub(super) const START_TIME: &str = "start_time";
pub(super) const LENGTH_SECONDS: &str = "length_seconds";
pub(super) const EDR_POINT: &str = "edr_point";
/// The point in the only row of a window without any.
pub(super) const NOTHING: &str = "";
/// Null in a row that only says how often a point succeeded.
pub(super) const DESCRIPTION: &str = "description";
pub(super) const FAIL: &str = "fail";
pub(super) const SUCCESS: &str = "success";
pub(super) const MODEL_VERSION: &str = "model_version";
/// Which of two writings of a window is the newer.
pub(super) const VERSION: &str = "version";

const UTC: &str = "UTC";

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    // Signed types only: Spark knows no others.
    Arc::new(Schema::new(vec![
        Field::new(TAIL, DataType::Utf8, false),
        Field::new(START_TIME, DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into())), false),
        Field::new(LENGTH_SECONDS, DataType::Int32, false),
        Field::new(EDR_POINT, DataType::Utf8, false),
        Field::new(DESCRIPTION, DataType::Utf8, true),
        Field::new(FAIL, DataType::Int64, false),
        Field::new(SUCCESS, DataType::Int64, false),
        Field::new(MODEL_VERSION, DataType::Int64, false),
        Field::new(VERSION, DataType::Int64, false),
    ]))
});

/// What every file holds.
pub(super) fn schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

/// Windows on their way into the archive, by day.
#[derive(Debug, Default)]
pub struct Rows {
    days: BTreeMap<Day, Columns>,
}

/// One window of one aircraft, but for its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The aircraft.
    pub tail: Tail,
    /// The window.
    pub window: Window,
    /// The model it was scored with.
    pub model: ModelVersion,
    /// Of two writings of the window the one with the higher version is read.
    pub version: i64,
}

#[derive(Debug, Default)]
struct Columns {
    tail: StringBuilder,
    start_time: TimestampMillisecondBuilder,
    length_seconds: Int32Builder,
    edr_point: StringBuilder,
    description: StringBuilder,
    fail: Int64Builder,
    success: Int64Builder,
    model_version: Int64Builder,
    version: Int64Builder,
}

impl Rows {
    /// Adds a window: its failures, each with the successes of its point, and the successes of all its points.
    pub fn push<'a>(
        &mut self,
        head: &Head,
        failures: impl IntoIterator<Item = (FaultKey<'a>, Counts)>,
        points: impl IntoIterator<Item = (&'a str, u64)>,
    ) {
        let rows = failures
            .into_iter()
            .map(|(key, counts)| (key.edr_point, Some(key.description), counts))
            .chain(points.into_iter().map(|(point, success)| (point, None, Counts { fail: 0, success })));
        let columns = self.days.entry(Day::of(head.window.start())).or_default();
        let mut is_empty = true;
        for (point, description, counts) in rows {
            columns.push(head, point, description, counts);
            is_empty = false;
        }
        if is_empty {
            // Else an older version of the window would stand for it.
            columns.push(head, NOTHING, None, Counts { fail: 0, success: 0 });
        }
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    pub(super) fn finish(self) -> Result<Vec<(Day, RecordBatch)>, ArrowError> {
        self.days.into_iter().map(|(day, columns)| Ok((day, columns.finish()?))).collect()
    }
}

impl Columns {
    fn push(&mut self, head: &Head, point: &str, description: Option<&str>, counts: Counts) {
        // No aircraft has ever counted as far as a signed number reaches.
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.tail.append_value(head.tail.as_str());
        self.start_time.append_value(head.window.start().millis().0);
        self.length_seconds
            .append_value(i32::try_from(head.window.length().as_seconds()).unwrap_or(i32::MAX));
        self.edr_point.append_value(point);
        self.description.append_option(description);
        self.fail.append_value(signed(counts.fail));
        self.success.append_value(signed(counts.success));
        self.model_version.append_value(i64::from(head.model.0));
        self.version.append_value(head.version);
    }

    fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.tail.finish()),
            Arc::new(self.start_time.finish().with_timezone(UTC)),
            Arc::new(self.length_seconds.finish()),
            Arc::new(self.edr_point.finish()),
            Arc::new(self.description.finish()),
            Arc::new(self.fail.finish()),
            Arc::new(self.success.finish()),
            Arc::new(self.model_version.finish()),
            Arc::new(self.version.finish()),
        ];
        RecordBatch::try_new(schema(), columns)
    }
}
