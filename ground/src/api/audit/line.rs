//! One anomaly, and its line.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::api::keys::KeyName;
use crate::api::verdict::Instant;
use crate::telemetry::{Event, Scored, Scorer};

/// Bytes of an anomaly beside its texts, about.
const OVERHEAD: usize = 512;

/// An event that stands out, and what is needed to say why.
#[derive(Debug)]
pub(in crate::api) struct Anomaly {
    pub(in crate::api) at: Timestamp,
    /// Who asked.
    pub(in crate::api) key: KeyName,
    /// The model that found it.
    pub(in crate::api) scorer: Arc<Scorer>,
    pub(in crate::api) event: Event<'static>,
}

/// What the log holds of an anomaly: what the model looked at, and what finds the event among the client's own. Who
/// was using which program is the client's to know, and stays out.
#[derive(Serialize)]
struct Line<'a> {
    time: Instant,
    key: &'a str,
    model: String,
    anomaly_score: f64,
    contributions: Contributions<'a>,
    event: Looked<'a>,
}

#[derive(Serialize)]
struct Looked<'a> {
    timestamp: &'a str,
    source_ip: &'a str,
    dest_ip: &'a str,
    dest_port: i64,
    bytes_sent: i64,
    bytes_recv: i64,
    protocol: &'a str,
    process_hash: &'a str,
}

/// Each feature's share of what makes the event stand out.
struct Contributions<'a>(&'a Scored<'a>);

impl Serialize for Contributions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shares = self.0.contributions();
        let mut map = serializer.serialize_map(Some(shares.len()))?;
        for (feature, share) in shares {
            map.serialize_entry(feature.name(), &share)?;
        }
        map.end()
    }
}

/// What is missing from the log.
#[derive(Serialize)]
struct Loss {
    time: Instant,
    lost: u64,
}

impl Anomaly {
    /// Bytes it holds, about.
    pub(super) fn weight(&self) -> usize {
        let event = &self.event;
        let optional = [event.dest_domain(), event.dns_query(), event.parent_process(), event.user_context()];
        let texts = [
            event.timestamp(),
            event.process_path(),
            event.process_hash(),
            event.source_ip(),
            event.dest_ip(),
            event.protocol(),
        ];
        texts.into_iter().chain(optional.into_iter().flatten()).map(str::len).sum::<usize>() + OVERHEAD
    }

    /// Appends its line.
    pub(super) fn write(&self, lines: &mut Vec<u8>) {
        let event = &self.event;
        let scored = self.scorer.score(event);
        let line = Line {
            time: Instant(self.at),
            key: self.key.as_str(),
            model: self.scorer.id().to_string(),
            anomaly_score: scored.decision.0,
            contributions: Contributions(&scored),
            event: Looked {
                timestamp: event.timestamp(),
                source_ip: event.source_ip(),
                dest_ip: event.dest_ip(),
                dest_port: event.dest_port(),
                bytes_sent: event.bytes_sent(),
                bytes_recv: event.bytes_recv(),
                protocol: event.protocol(),
                process_hash: event.process_hash(),
            },
        };
        append(&line, lines);
    }
}

/// Appends the line that says what is missing.
pub(super) fn write_loss(lost: u64, lines: &mut Vec<u8>) {
    append(&Loss { time: Instant(Timestamp::now()), lost }, lines);
}

fn append(line: &impl Serialize, lines: &mut Vec<u8>) {
    // Neither a vector nor these values can fail.
    let _ = serde_json::to_writer(&mut *lines, line);
    lines.push(b'\n');
}
