//! Health and metrics as a monitoring system sees them: over HTTP, read by a parser that is not ours.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

/// Gets a path of 127.0.0.1; status and body, or none while nothing listens.
///
/// # Panics
/// When what answers is not HTTP.
#[must_use]
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout can be set");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Some((status.unwrap_or_else(|| panic!("not HTTP: {head}")), body.to_owned()))
}

/// Which format a text is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics, read strictly.
    OpenMetrics,
    /// The older format of Prometheus, which the node exporter reads.
    Text,
}

/// Metrics as Prometheus' Python library reads them.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
pub struct Metrics {
    /// Types by name.
    pub families: BTreeMap<String, String>,
    /// Values by name and labels, as in `name{label=value}`.
    pub samples: BTreeMap<String, f64>,
}

impl Metrics {
    /// Scrapes `/metrics`.
    ///
    /// # Panics
    /// When there is no answer, or it is not in the format.
    #[must_use]
    pub fn scrape(port: u16) -> Self {
        let (status, body) = get(port, "/metrics").expect("ingest answers");
        assert_eq!(status, 200, "{body}");
        Self::parse(&body, Format::OpenMetrics)
    }

    /// Reads a text.
    ///
    /// # Panics
    /// When it is not in the format.
    #[must_use]
    pub fn parse(text: &str, format: Format) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository");
        let format = if format == Format::OpenMetrics { "openmetrics" } else { "text" };
        let mut reader = Command::new(root.join(".cache/venv/bin/python"))
            .arg(root.join("tests/scripts/read_metrics.py"))
            .arg(format)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts; `make setup` makes its environment");
        let mut input = reader.stdin.take().expect("its input is a pipe");
        input.write_all(text.as_bytes()).expect("it reads");
        drop(input);
        let output = reader.wait_with_output().expect("it ends");
        assert!(output.status.success(), "the metrics are not in the {format} format:\n{text}");
        serde_json::from_slice(&output.stdout).expect("it prints JSON")
    }

    /// A value.
    ///
    /// # Panics
    /// When there is none of this name.
    #[must_use]
    pub fn value(&self, name: &str) -> f64 {
        *self.samples.get(name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// The names that `docs/metrics.md` uses: a counter's ends in `_total`.
    #[must_use]
    pub fn documented_names(&self) -> Vec<String> {
        let name = |(name, kind): (&String, &String)| {
            if kind == "counter" { format!("{name}_total") } else { name.clone() }
        };
        self.families.iter().map(name).collect()
    }
}
