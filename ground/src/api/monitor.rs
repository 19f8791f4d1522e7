//! What operators see of the API.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::refusal::Refusal;
use crate::operations::Operated;
use crate::operations::exposition::{build_info, labelled, plain, resident_memory_bytes, text};

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Normal,
    Anomaly,
    /// It broke the schema.
    Invalid,
}

/// A handle to the numbers of the API. Clones share them.
#[derive(Clone, Debug)]
pub struct Monitor(Arc<Numbers>);

#[derive(Debug)]
struct Numbers {
    events: [AtomicU64; Outcome::ALL.len()],
    refusals: [AtomicU64; Refusal::REASONS.len()],
    audit_written: AtomicU64,
    audit_lost: AtomicU64,
    models_loaded: AtomicU64,
    models_refused: AtomicU64,
    /// Milliseconds since the epoch; 0 for no model.
    model_loaded_at: AtomicU64,
    stopping: AtomicBool,
    /// Seconds from a request's head to its answer, for single events.
    event_seconds: Histogram,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Normal, Self::Anomaly, Self::Invalid];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Anomaly => "anomaly",
            Self::Invalid => "invalid",
        }
    }
}

impl Default for Monitor {
    fn default() -> Self {
        Self(Arc::new(Numbers {
            events: Default::default(),
            refusals: Default::default(),
            audit_written: AtomicU64::default(),
            audit_lost: AtomicU64::default(),
            models_loaded: AtomicU64::default(),
            models_refused: AtomicU64::default(),
            model_loaded_at: AtomicU64::default(),
            stopping: AtomicBool::default(),
            // From 10 microseconds to a third of a second.
            event_seconds: Histogram::new(exponential_buckets(0.000_01, 2.0, 16)),
        }))
    }
}

/// Numbers that stand for themselves: nothing is concluded from two of them together.
fn add(number: &AtomicU64, count: u64) {
    number.fetch_add(count, Ordering::Relaxed);
}

fn read(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}

impl Monitor {
    pub(super) fn event(&self, outcome: Outcome) {
        add(&self.0.events[outcome as usize], 1);
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        add(&self.0.refusals[refusal.reason()], 1);
    }

    pub(super) fn answered_in(&self, time: Duration) {
        self.0.event_seconds.observe(time.as_secs_f64());
    }

    pub(super) fn audited(&self, lines: u64) {
        add(&self.0.audit_written, lines);
    }

    pub(super) fn audit_lost(&self, lines: u64) {
        add(&self.0.audit_lost, lines);
    }

    pub(super) fn loaded(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.0.model_loaded_at.store(now.as_millis() as u64, Ordering::Relaxed);
        add(&self.0.models_loaded, 1);
    }

    pub(super) fn not_loaded(&self) {
        add(&self.0.models_refused, 1);
    }

    /// The server stops: whoever asks whether it is ready hears no.
    pub fn stopping(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    fn model_loaded_at(&self) -> f64 {
        read(&self.0.model_loaded_at) as f64 / 1000.0
    }
}

impl Operated for Monitor {
    /// The API has no loop that could stand still: each connection goes on by itself.
    fn hangs(&self) -> Option<String> {
        None
    }

    fn not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.0.stopping.load(Ordering::Relaxed) {
            reasons.push("stopping".to_owned());
        }
        if read(&self.0.model_loaded_at) == 0 {
            reasons.push("no model is loaded".to_owned());
        }
        reasons
    }

    fn metrics(&self) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("cabinwatch_serve");
        registry.register(
            "event_duration_seconds",
            "Time from the head of POST /event to its answer",
            self.0.event_seconds.clone(),
        );
        registry.register_collector(Box::new(Collector(self.clone())));
        text(&registry)
    }
}

#[derive(Debug)]
struct Collector(Monitor);

impl prometheus_client::collector::Collector for Collector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(monitor) = self;
        let numbers = &monitor.0;
        let events = Outcome::ALL.iter().map(|outcome| outcome.as_str()).zip(numbers.events.iter().map(read));
        labelled(&mut encoder, "events", "Events scored, or found invalid", "verdict", events)?;
        let refusals = Refusal::REASONS.into_iter().zip(numbers.refusals.iter().map(read));
        labelled(&mut encoder, "refused_requests", "Requests without a verdict", "reason", refusals)?;
        for (name, help, value) in [
            ("audit_lines", "Anomalies in the audit log", &numbers.audit_written),
            ("audit_lost", "Anomalies that are missing from the audit log", &numbers.audit_lost),
            ("model_loads", "Models taken into use", &numbers.models_loaded),
            ("model_failures", "Models that could not be used", &numbers.models_refused),
        ] {
            plain(&mut encoder, name, help, &ConstCounter::new(read(value)))?;
        }
        let ready = f64::from(u8::from(monitor.not_ready().is_empty()));
        for (name, help, value) in [
            ("ready", "1 when /readyz answers 200", ready),
            (
                "model_loaded_timestamp_seconds",
                "When the model in use was loaded, 0 for none",
                monitor.model_loaded_at(),
            ),
            ("resident_memory_bytes", "Memory of the process", resident_memory_bytes()),
        ] {
            plain(&mut encoder, name, help, &ConstGauge::new(value))?;
        }
        build_info(&mut encoder)
    }
}
