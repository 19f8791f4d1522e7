//! wrk, and what it measures.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cabinwatch_tests::program::Ended;
use cabinwatch_tests::scorers::KEY;
use serde::Deserialize;

/// Of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub per_second: f64,
    pub median_millis: f64,
    pub p99_millis: f64,
    pub requests: u64,
    /// Answers other than 2xx and 3xx, and requests that got none.
    pub errors: u64,
}

/// What `load.lua` ends with.
#[derive(Deserialize)]
struct Line {
    requests: u64,
    micros: f64,
    median_micros: f64,
    p99_micros: f64,
    errors: u64,
}

/// Sends the events in turn on four connections.
pub(crate) fn load(url: &str, events: &Path, time: Duration) -> crate::Result<Figures> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/api/load.lua");
    let mut command = Command::new("wrk");
    command.args(["--threads", "1", "--connections", "4", "--duration", &format!("{}s", time.as_secs())]);
    command.arg("--script").arg(script).arg(format!("{url}/event")).args(["--", KEY]).arg(events);
    let printed = Ended::well(&mut command);
    let line: Line = serde_json::from_str(printed.lines().last().ok_or("wrk printed nothing")?)?;
    Ok(Figures {
        per_second: line.requests as f64 / (line.micros / 1e6),
        median_millis: line.median_micros / 1e3,
        p99_millis: line.p99_micros / 1e3,
        requests: line.requests,
        errors: line.errors,
    })
}
