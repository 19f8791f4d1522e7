//! `cabinwatch-ground stream`: replays telemetry to the scoring API.

use std::env;
use std::io::{self, Write};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use comfy_table::{CellAlignment, Table};
use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::duration::parse_duration;
use super::progress::EverySoOften;
use crate::stream::{self, ApiKey, Outcome, Plan, Rate, Share, StreamError, Tally, Target, Verdicts};

/// Where the key stands, for today's clients and for the server.
const KEY_VARIABLE: &str = "AIOPS_API_KEY";

/// Flags of `stream`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "The API key is taken from the environment variable AIOPS_API_KEY.\n\n\
    Exit codes: 0 every event that was sent got its verdict, 1 nothing could be sent, or some events were refused or got no \
    answer, 2 the call is wrong.")]
pub struct StreamArgs {
    /// The CSV file to replay, from its beginning again when it ends; `simulate telemetry` makes one
    #[arg(long, value_name = "FILE")]
    pub telemetry: PathBuf,
    /// The API, e.g. https://scorer.example:8000
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub url: String,
    /// PEM file with the authority that signed the server's certificate; default: the system's authorities
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Events a second; 0 for as many as the connections take
    #[arg(long, value_name = "N", default_value = "10", value_parser = parse_rate)]
    pub rate: Rate,
    /// For how long, e.g. 60s, 5m or 8h; SIGINT and SIGTERM end it earlier
    #[arg(long = "for", value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    pub duration: Duration,
    /// Events that are under way at once, each on a connection of its own; at most 1000
    #[arg(long, value_name = "N", default_value = "4", value_parser = parse_connections)]
    pub connections: NonZeroU16,
    /// Share of the events that get a port which the file never names, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value = "0.05", value_parser = parse_share)]
    pub unexpected_port_share: Share,
    /// Seed: the same file and seed give the same events
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// Why it did not end well.
#[derive(Debug, thiserror::Error)]
pub enum StreamCommandError {
    /// Nothing can be sent.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// There is no key.
    #[error("set the environment variable {KEY_VARIABLE} to the key that the API knows you by")]
    NoKey,
    /// Events were sent, or should have been, but not all is well.
    #[error("{0}")]
    NotGood(String),
    /// Output.
    #[error("cannot write the summary: {0}")]
    Output(#[from] io::Error),
}

impl StreamCommandError {
    /// Whether it is the call that is wrong.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Stream(error) => error.is_usage(),
            Self::NoKey => true,
            Self::NotGood(_) | Self::Output(_) => false,
        }
    }
}

/// Sends, and prints what came of it.
///
/// # Errors
/// When nothing could be sent, or not every event got its verdict.
pub fn run(args: &StreamArgs, out: &mut dyn Write) -> Result<(), StreamCommandError> {
    let key = env::var(KEY_VARIABLE).ok().filter(|key| !key.is_empty()).ok_or(StreamCommandError::NoKey)?;
    let target = Target::new(&args.url, ApiKey::new(&key)?, args.ca_file.clone().unwrap_or_default())?;
    if target.is_open() {
        tracing::warn!(url = %target.url(), "the API key crosses the network unencrypted: use https:// where you can");
    }
    let plan = Plan {
        file: args.telemetry.clone(),
        target,
        rate: args.rate,
        duration: args.duration,
        connections: args.connections,
        unexpected_ports: args.unexpected_port_share,
        seed: args.seed,
    };
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let mut line = Line::new();
    let outcome = stream::run(&plan, &stop, |tally, since| line.show(tally, since))?;
    drop(line);
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &outcome.to_json()).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        print(&outcome, out)?;
    }
    outcome.problem().map_or(Ok(()), |problem| Err(StreamCommandError::NotGood(problem)))
}

/// The line that shows how it goes: live on a terminal, else every ten seconds.
struct Line {
    bar: ProgressBar,
    lines: EverySoOften,
}

impl Line {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.set_style(
            ProgressStyle::with_template("{spinner} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        Self { bar, lines: EverySoOften::new() }
    }

    fn show(&mut self, tally: &Tally, since: Duration) {
        if !self.bar.is_hidden() {
            self.bar.set_message(line(tally, since));
            self.bar.tick();
        } else if self.lines.is_due() {
            eprintln!("{}", line(tally, since));
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn line(tally: &Tally, since: Duration) -> String {
    let (replayed, unexpected) = (tally.replayed, tally.unexpected);
    let (normal, anomaly) = (replayed.normal + unexpected.normal, replayed.anomaly + unexpected.anomaly);
    let mut line = format!(
        "{:.0} s  {} sent  {normal} normal  {anomaly} anomaly  {} refused  {} errors",
        since.as_secs_f64(),
        tally.answered(),
        refused(tally),
        tally.failures()
    );
    if let Some([median, p99, _]) = tally.latency() {
        line.push_str(&format!("  median {}  p99 {}", millis(median), millis(p99)));
    }
    line
}

/// `3 (2 x 422, 1 x 503)`, or `0`.
fn refused(tally: &Tally) -> String {
    let each: Vec<_> = tally.refused.iter().map(|(status, count)| format!("{count} x {status}")).collect();
    if each.is_empty() { "0".to_owned() } else { format!("{} ({})", tally.refusals(), each.join(", ")) }
}

/// `2 held back, 5 failed (4 unreachable, 1 timeout)`.
fn retried(tally: &Tally) -> String {
    let each: Vec<_> = tally.attempts.failed.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let each = if each.is_empty() { String::new() } else { format!(" ({})", each.join(", ")) };
    format!("{} held back, {} failed{each}", tally.attempts.held_back, tally.failures())
}

fn millis(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

fn print(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let (tally, survey) = (&outcome.tally, &outcome.survey);
    let mut verdicts = Table::new();
    verdicts.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    verdicts.set_header(["events", "sent", "normal", "anomaly", "anomalies"]);
    let both = Verdicts {
        normal: tally.replayed.normal + tally.unexpected.normal,
        anomaly: tally.replayed.anomaly + tally.unexpected.anomaly,
    };
    let kinds = [("rows of the file", tally.replayed), ("unexpected port", tally.unexpected), ("all", both)];
    for (kind, Verdicts { normal, anomaly }) in kinds {
        let all = normal + anomaly;
        let share =
            if all == 0 { "-".to_owned() } else { format!("{:.1} %", 100.0 * anomaly as f64 / all as f64) };
        verdicts.add_row([kind.to_owned(), all.to_string(), normal.to_string(), anomaly.to_string(), share]);
    }
    for column in verdicts.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(out, "{verdicts}")?;
    let mut facts = Table::new();
    facts.load_style(comfy_table::presets::NOTHING);
    let mut fact = |name: &str, value: String| {
        facts.add_row([name.to_owned(), value]);
    };
    fact("time", format!("{:.1} s, {:.1} answers a second", outcome.took.as_secs_f64(), outcome.rate()));
    if let Some([median, p99, longest]) = tally.latency() {
        fact(
            "latency",
            format!("median {}, 99 % {}, longest {}", millis(median), millis(p99), millis(longest)),
        );
    }
    fact("refused", refused(tally));
    fact("without answer", tally.unanswered.to_string());
    fact("not sent, nobody was free", tally.left_out.to_string());
    fact("tried again", retried(tally));
    fact("rows in the file", format!("{}, read to the end {} times", survey.usable, tally.passes));
    if let Some(first) = &survey.first_unusable {
        fact("rows that cannot be sent", format!("{}; the first: {first}", survey.unusable));
    }
    writeln!(out, "{}", facts.trim_fmt())
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    let rate = text.parse().map_err(|_| stream::NotARate.to_string())?;
    Rate::new(rate).map_err(|error| error.to_string())
}

fn parse_share(text: &str) -> Result<Share, String> {
    let share = text.parse().map_err(|_| stream::BadShare.to_string())?;
    Share::new(share).map_err(|error| error.to_string())
}

fn parse_connections(text: &str) -> Result<NonZeroU16, String> {
    let number = text.parse().ok().filter(|number: &NonZeroU16| number.get() <= 1000);
    number.ok_or_else(|| "it must be 1 to 1000".to_owned())
}
