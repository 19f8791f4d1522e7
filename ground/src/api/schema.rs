//! What goes over the wire, for the OpenAPI document.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// One connection that a process on a host made
#[derive(ToSchema)]
#[schema(example = json!({
    "timestamp": "2026-11-22T10:15:00Z", "process_path": "/usr/bin/curl", "process_hash": "9f86d081884c7d65",
    "source_ip": "10.0.0.5", "dest_ip": "93.184.216.34", "dest_domain": "example.org", "dest_port": 443,
    "bytes_sent": 1240, "bytes_recv": 5310, "protocol": "TCP", "dns_query": "example.org",
    "parent_process": "/bin/bash", "user_context": "svc-updates"
}))]
#[expect(dead_code, reason = "the shape of what `telemetry::read_event` reads")]
pub(super) struct NetworkEvent {
    /// When it happened, in the client's own words.
    #[schema(max_length = 4096)]
    timestamp: String,
    /// The program's file.
    #[schema(max_length = 4096)]
    process_path: String,
    /// The program's checksum.
    #[schema(max_length = 4096)]
    process_hash: String,
    /// Where the connection came from.
    #[schema(max_length = 4096)]
    source_ip: String,
    /// Where it went.
    #[schema(max_length = 4096)]
    dest_ip: String,
    /// The name of where it went.
    #[schema(max_length = 4096)]
    dest_domain: Option<String>,
    /// The port it went to.
    #[schema(minimum = -9223372036854775808_i64, maximum = 9223372036854775807_i64)]
    dest_port: i64,
    /// Bytes sent.
    #[schema(minimum = -9223372036854775808_i64, maximum = 9223372036854775807_i64)]
    bytes_sent: i64,
    /// Bytes received.
    #[schema(minimum = -9223372036854775808_i64, maximum = 9223372036854775807_i64)]
    bytes_recv: i64,
    /// The protocol, e.g. `TCP`; upper and lower case differ.
    #[schema(max_length = 4096)]
    protocol: String,
    /// The name that was looked up before.
    #[schema(max_length = 4096)]
    dns_query: Option<String>,
    /// The program that started this one.
    #[schema(max_length = 4096)]
    parent_process: Option<String>,
    /// Whose process it is.
    #[schema(max_length = 4096)]
    user_context: Option<String>,
}

/// The words of the health check
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Live {
    #[schema(example = "AIOps Network Anomaly Detection API is live")]
    pub(super) message: &'static str,
}

/// Why there is no verdict
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Detail {
    /// A sentence for people.
    pub(super) detail: String,
}

/// Everything that is wrong with an event
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of what `telemetry::Problem` writes")]
pub(super) struct Invalid {
    detail: Vec<Problem>,
}

/// One thing that is wrong
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of what `telemetry::Problem` writes")]
pub(super) struct Problem {
    /// pydantic's name for it.
    #[schema(example = "missing")]
    r#type: String,
    /// Where it is: `body`, and the field, or how many characters into the body.
    #[schema(example = json!(["body", "dest_port"]))]
    loc: Vec<Place>,
    /// A sentence for people.
    #[schema(example = "Field required")]
    msg: String,
    /// What was there instead.
    input: Value,
    /// What the sentence's numbers and reasons are.
    #[schema(value_type = Option<Object>, nullable = false)]
    ctx: Option<Value>,
}

/// A step on the way to what is wrong
#[derive(ToSchema)]
#[schema(as = Place)]
#[serde(untagged)]
#[expect(dead_code, reason = "the shape of what `telemetry::Problem` writes")]
pub(super) enum Place {
    Name(String),
    Position(u64),
}

/// A line of the answer to `/events`
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of what a batch answers")]
pub(super) struct BatchLine {
    /// Which line of the request, the first being 1.
    #[schema(minimum = 1)]
    line: u64,
    /// `normal` or `anomaly`, with the fields of a verdict; or `invalid`, with `detail`.
    #[schema(example = "normal")]
    status: String,
    anomaly_score: Option<f64>,
    timestamp: Option<String>,
    event_summary: Option<String>,
    /// What is wrong with the event.
    detail: Option<Vec<Problem>>,
}
