//! What a client is told about its event.

use std::fmt;

use jiff::Timestamp;
use jiff::fmt::StdFmtWrite;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::Offset;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::telemetry::{Event, Scored};

/// Microseconds, always: Python before 3.11 reads three digits or six.
const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// An instant as clients read it: `2026-11-22T10:15:00.123456+00:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instant(pub(super) Timestamp);

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With a numeric offset: older readers don't know "Z".
        PRINTER.print_timestamp_with_offset(&self.0, Offset::UTC, StdFmtWrite(f)).map_err(|_| fmt::Error)
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether an event stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// It does not.
    Normal,
    /// It does.
    Anomaly,
}

/// What the model says about an event.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Verdict<'a> {
    /// `anomaly` where `anomaly_score` is negative.
    status: Status,
    /// scikit-learn's `decision_function`: the lower, the further the event stands out.
    #[schema(example = 0.0821)]
    anomaly_score: f64,
    /// When it was scored.
    #[schema(value_type = String, format = DateTime, example = "2026-11-22T10:15:00.123456+00:00")]
    timestamp: Instant,
    /// From where to where.
    #[schema(value_type = String, example = "10.0.0.5 -> 93.184.216.34:443")]
    event_summary: Summary<'a>,
}

/// `<source_ip> -> <dest_ip>:<dest_port>`
#[derive(Debug)]
struct Summary<'a>(&'a Event<'a>);

impl Serialize for Summary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(event) = self;
        serializer.collect_str(&format_args!(
            "{} -> {}:{}",
            event.source_ip(),
            event.dest_ip(),
            event.dest_port()
        ))
    }
}

impl<'a> Verdict<'a> {
    pub(super) fn new(event: &'a Event<'a>, scored: &Scored<'_>, at: Timestamp) -> Self {
        Self {
            status: if scored.is_anomaly() { Status::Anomaly } else { Status::Normal },
            anomaly_score: scored.decision.0,
            timestamp: Instant(at),
            event_summary: Summary(event),
        }
    }
}
