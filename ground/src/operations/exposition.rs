//! Metrics of ingest as text, computed when they are asked for.

use std::fmt;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use cabinwatch_shared::wire::LossReason;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::server::Operated;
use crate::ingest::{Link, Monitor, SET_ASIDE_REASONS, Standing, Store, Summary};

/// A counter without labels: its name, its help, and its place in the summary.
type PlainCounter = (&'static str, &'static str, fn(&Summary) -> u64);

const COUNTERS: [PlainCounter; 16] = [
    ("connections", "Connections to the broker", |summary| summary.connections),
    ("messages", "Messages of aircraft", |summary| summary.messages),
    ("ignored_messages", "Messages on a topic that is none of ours", |summary| summary.ignored),
    ("frames", "Frames that were new", |summary| summary.frames),
    ("duplicate_frames", "Frames that had come before", |summary| summary.duplicates),
    ("deferred_frames", "Frames left to the aircraft: too much is missing before them", |summary| {
        summary.deferred
    }),
    ("gap_frames", "Frames that will never come", |summary| summary.gaps),
    ("windows", "Windows stored", |summary| summary.windows),
    ("rows", "Rows of those windows", |summary| summary.rows),
    ("anomalous_rows", "Rows with at least one alarm", |summary| summary.anomalies),
    ("outdated_windows", "Windows left out: what is stored of them is newer", |summary| summary.outdated),
    ("differing_rows", "Rows where the alarms of the aircraft were others than ours", |summary| {
        summary.differing
    }),
    ("loss_records", "Losses that aircraft reported", |summary| summary.losses),
    ("dropped_set_aside", "Set aside and dropped again: there was too much of it", |summary| {
        summary.set_aside_dropped
    }),
    ("recovered_frames", "Frames set aside that became rows later", |summary| summary.recovered),
    ("store_retries", "Attempts to store that failed and were repeated", |summary| summary.retries),
];

impl Operated for Monitor {
    fn hangs(&self) -> Option<String> {
        self.snapshot().hangs(Instant::now())
    }

    fn not_ready(&self) -> Vec<String> {
        self.snapshot().not_ready(Instant::now())
    }

    fn metrics(&self) -> Result<String, fmt::Error> {
        ingest(self)
    }
}

/// All metrics of ingest, in the OpenMetrics text format.
pub(super) fn ingest(monitor: &Monitor) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("cabinwatch_ingest");
    let (group_messages, store_seconds) = monitor.histograms();
    registry.register("group_messages", "Messages stored in one group", group_messages);
    registry.register("store_duration_seconds", "Time to store one group, or to fail to", store_seconds);
    registry.register_collector(Box::new(Collector(monitor.snapshot())));
    text(&registry)
}

/// Metrics in the OpenMetrics text format.
pub(crate) fn text(registry: &Registry) -> Result<String, fmt::Error> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Collector(Standing);

impl prometheus_client::collector::Collector for Collector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(standing) = self;
        for (name, help, value) in COUNTERS {
            plain(&mut encoder, name, help, &ConstCounter::new(value(&standing.summary)))?;
        }
        let lost = LossReason::ALL.iter().map(|reason| reason.as_str()).zip(standing.summary.lost_by_reason);
        labelled(
            &mut encoder,
            "lost",
            "Events, lines and frames that aircraft report as lost",
            "reason",
            lost,
        )?;
        let set_aside = SET_ASIDE_REASONS.into_iter().zip(standing.summary.set_aside_by_reason);
        labelled(
            &mut encoder,
            "set_aside",
            "Frames and messages that could not become rows",
            "reason",
            set_aside,
        )?;
        for (name, help, value) in gauges(standing) {
            plain(&mut encoder, name, help, &ConstGauge::new(value))?;
        }
        build_info(&mut encoder)
    }
}

fn gauges(standing: &Standing) -> Vec<(&'static str, &'static str, f64)> {
    let seconds = |time: Option<SystemTime>| {
        time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0.0, |time| time.as_secs_f64())
    };
    let stored_since = |since: &Instant| since.elapsed().as_secs_f64();
    let (storing, storing_seconds) = match &standing.store {
        Store::Storing { since, messages, .. } => (*messages, stored_since(since)),
        Store::Failed { messages, .. } => (*messages, 0.0),
        Store::Idle => (0, 0.0),
    };
    let failing = matches!(&standing.store, Store::Failed { .. } | Store::Storing { failed: Some(_), .. });
    let newest = standing.summary.newest_window_end.map_or(0.0, |end| end.0 as f64);
    let backlog = standing.backlog;
    let flag = |holds: bool| f64::from(u8::from(holds));
    vec![
        ("ready", "1 when /readyz answers 200", flag(standing.not_ready(Instant::now()).is_empty())),
        ("broker_connected", "1 when connected and subscribed", flag(standing.link == Link::Subscribed)),
        ("tables_failing", "1 while the tables cannot store", flag(failing)),
        ("waiting_messages", "Messages that wait for the group in hand", standing.waiting as f64),
        ("group_in_hand_messages", "Messages of the group that is being stored", storing as f64),
        ("group_in_hand_seconds", "How long the present attempt to store takes already", storing_seconds),
        ("receive_maximum_messages", "Most messages on hand at a time", standing.receive_maximum as f64),
        (
            "last_stored_timestamp_seconds",
            "When a group was last stored, 0 for never",
            seconds(standing.last_stored),
        ),
        ("newest_window_end_timestamp_seconds", "End of the newest window stored, 0 for none", newest),
        ("streams", "Streams of all aircraft, old ones included", backlog.streams as f64),
        (
            "waiting_streams",
            "Streams with frames missing before others that are stored",
            backlog.waiting_streams as f64,
        ),
        (
            "held_back_frames",
            "Frames stored but not committed: others before them are missing",
            backlog.held_back_frames as f64,
        ),
        ("resident_memory_bytes", "Memory of the process", resident_memory_bytes()),
    ]
}

/// One metric without labels.
pub(crate) fn plain(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: &impl EncodeMetric,
) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

/// A counter for each value of a label, also for those that have not been met yet: a series that appears with its
/// first count hides that count from `rate`.
pub(crate) fn labelled(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    counts: impl Iterator<Item = (&'static str, u64)>,
) -> fmt::Result {
    let kind = ConstCounter::new(0_u64).metric_type();
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    for (value, count) in counts {
        let labels = [(label, value)];
        ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// Which release runs.
pub(crate) fn build_info(encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    let build = ConstGauge::new(1_u64);
    let kind = build.metric_type();
    let mut family = encoder.encode_descriptor("build_info", "The release that runs", None, kind)?;
    build.encode(family.encode_family(&version)?)
}

/// What the system says; 0 where it says nothing.
pub(crate) fn resident_memory_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kibibytes.unwrap_or_default() * 1024.0
}
