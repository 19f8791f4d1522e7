//! `rules test`: what a log yields, and which of its lines no rule knows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use cabinwatch_shared::event::{Event, State};
use cabinwatch_shared::time::UnixMillis;
use serde::Serialize;

use crate::rules::{Daemon, Hints, Interpreter, LineOutcome, LogLine, MAX_LINE_BYTES, RuleError, RuleSet};

/// Lines shown to a person, at most, of each kind that needs a look.
const SHOWN: usize = 20;

/// How many lines of each kind a log held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// All lines.
    pub lines: u64,
    /// Events given.
    pub events: u64,
    /// Lines of a known daemon that no rule knows.
    pub unknown: u64,
    /// Known lines that are rightly no event.
    pub no_event: u64,
    /// Lines of programs without rules.
    pub other_program: u64,
    /// Lines too long, not UTF-8, or of no form that is known.
    pub malformed: u64,
}

/// Why a log could not be tested.
#[derive(Debug, thiserror::Error)]
pub enum RulesTestError {
    /// The rules cannot be used.
    #[error(transparent)]
    Rules(#[from] RuleError),
    /// There are no rules for the daemon asked for.
    #[error("there are no rules for \"{daemon}\"; --daemon takes one of: {known}")]
    Daemon {
        /// What was asked for.
        daemon: String,
        /// What there is.
        known: String,
    },
    /// The log cannot be read.
    #[error("cannot read the log {file}: {error}")]
    Read {
        /// The log.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The result cannot be written.
    #[error("cannot write the result: {0}")]
    Write(io::Error),
}

/// Interprets a log (`-`: standard input) and writes what it yields: one JSON object a line for each event and each
/// unknown line, or tables for a person. With no `rules`, the shipped ones; `daemon` names the writer of lines that
/// have no header.
///
/// # Errors
/// [`RulesTestError`], when rules or log cannot be read, or the result cannot be written.
pub fn run(
    file: &Path,
    json: bool,
    rules: &[PathBuf],
    daemon: Option<Daemon>,
    out: &mut impl Write,
) -> Result<Summary, RulesTestError> {
    let rules = RuleSet::load(rules)?;
    if let Some(daemon) =
        daemon.as_ref().filter(|daemon| !rules.daemons().any(|known| known == daemon.as_str()))
    {
        let known = rules.daemons().collect::<Vec<_>>().join(", ");
        return Err(RulesTestError::Daemon { daemon: daemon.as_str().to_owned(), known });
    }
    let read_error = |error| RulesTestError::Read { file: file.to_owned(), error };
    let input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(file).map_err(read_error)?)
    };
    let mut lines = Lines { input: BufReader::new(input), line: Vec::new() };
    let mut test = Test::new(rules, daemon, json);
    while lines.next().map_err(read_error)? {
        test.line(&lines.line, out).map_err(RulesTestError::Write)?;
    }
    if !json {
        test.report.write(&test.summary, out).map_err(RulesTestError::Write)?;
    }
    out.flush().map_err(RulesTestError::Write)?;
    Ok(test.summary)
}

/// Reads lines without ever holding more of one than shows that it is too long.
struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
}

impl<R: Read> Lines<R> {
    /// Reads the next line into `line`, without its end; false at the end of the input.
    fn next(&mut self) -> io::Result<bool> {
        self.line.clear();
        let mut any = false;
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                return Ok(any);
            }
            any = true;
            let end = memchr::memchr(b'\n', chunk);
            let taken = end.unwrap_or(chunk.len());
            let room = (MAX_LINE_BYTES + 1).saturating_sub(self.line.len());
            self.line.extend(chunk.iter().take(taken.min(room)));
            self.input.consume(taken + usize::from(end.is_some()));
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

struct Test {
    interpreter: Interpreter,
    json: bool,
    /// The time of lines that have none: that of the last line that had one.
    now: UnixMillis,
    summary: Summary,
    report: Report,
}

#[derive(Serialize)]
struct EventLine<'a> {
    line: u64,
    edr_point: &'a str,
    description: &'a str,
    state: &'a str,
}

#[derive(Serialize)]
struct UnknownLine {
    line: u64,
    unknown: bool,
}

impl Test {
    fn new(rules: RuleSet, daemon: Option<Daemon>, json: bool) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let hints = Hints { daemon, ..Hints::default() };
        Self {
            interpreter: Interpreter::new(Arc::new(rules), hints),
            json,
            now: UnixMillis(since_epoch.as_millis() as i64),
            summary: Summary::default(),
            report: Report::default(),
        }
    }

    fn line(&mut self, bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
        self.summary.lines += 1;
        let Ok(line) = std::str::from_utf8(bytes) else {
            self.malformed(&String::from_utf8_lossy(bytes));
            return Ok(());
        };
        if line.len() <= MAX_LINE_BYTES {
            self.now = LogLine::parse(line, self.now, &Hints::default()).at.unwrap_or(self.now);
        }
        let number = self.summary.lines;
        let (json, report) = (self.json, &mut self.report);
        let mut written = Ok(());
        let outcome = self.interpreter.interpret(line, self.now, &mut |event| {
            if json {
                let written_now = write_event(number, &event, out);
                written = std::mem::replace(&mut written, Ok(())).and(written_now);
            } else {
                report.count(&event);
            }
        });
        written?;
        match outcome {
            LineOutcome::Events(events) => self.summary.events += u64::from(events),
            LineOutcome::NoEvent => self.summary.no_event += 1,
            LineOutcome::OtherProgram => self.summary.other_program += 1,
            LineOutcome::Malformed => self.malformed(line),
            LineOutcome::Unknown => {
                self.summary.unknown += 1;
                if json {
                    write_json(&UnknownLine { line: number, unknown: true }, out)?;
                } else {
                    show(&mut self.report.unknown, number, line);
                }
            }
        }
        Ok(())
    }

    fn malformed(&mut self, line: &str) {
        self.summary.malformed += 1;
        show(&mut self.report.malformed, self.summary.lines, line);
    }
}

fn write_event(line: u64, event: &Event<'_>, out: &mut impl Write) -> io::Result<()> {
    let (edr_point, description) = (event.key.edr_point, event.key.description);
    write_json(&EventLine { line, edr_point, description, state: event.state.as_str() }, out)
}

fn write_json(object: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, object)?;
    out.write_all(b"\n")
}

/// What is shown to a person.
#[derive(Default)]
struct Report {
    events: BTreeMap<(String, &'static str, String), u64>,
    unknown: Vec<(u64, String)>,
    malformed: Vec<(u64, String)>,
}

/// Keeps the beginning of a line that a person should look at, harmless to a terminal.
fn show(lines: &mut Vec<(u64, String)>, number: u64, line: &str) {
    const WIDTH: usize = 160;
    if lines.len() < SHOWN {
        let plain = |char: char| if char.is_control() { '\u{fffd}' } else { char };
        let mut start: String = line.chars().take(WIDTH).map(plain).collect();
        if line.chars().nth(WIDTH).is_some() {
            start.push('…');
        }
        lines.push((number, start));
    }
}

impl Report {
    fn count(&mut self, event: &Event<'_>) {
        let state = match event.state {
            State::Success => "SUCCESS",
            State::Fail => "FAIL",
        };
        let key = (event.key.edr_point.to_owned(), state, event.key.description.to_owned());
        *self.events.entry(key).or_default() += 1;
    }

    fn write(&self, summary: &Summary, out: &mut impl Write) -> io::Result<()> {
        let longest = self.events.keys().map(|(_, _, text)| text.chars().count()).max().unwrap_or(0);
        let width = longest.max("description".len());
        writeln!(out, "{:<8}  {:<width$}  {:<7}  {:>7}", "point", "description", "state", "events")?;
        for ((point, state, description), count) in &self.events {
            writeln!(out, "{point:<8}  {description:<width$}  {state:<7}  {count:>7}")?;
        }
        write_lines("lines of a known daemon that no rule knows", &self.unknown, summary.unknown, out)?;
        write_lines("lines that are no log lines", &self.malformed, summary.malformed, out)?;
        writeln!(
            out,
            "\n{} lines: {} events, {} unknown, {} known and no event, {} of other programs, {} malformed",
            summary.lines,
            summary.events,
            summary.unknown,
            summary.no_event,
            summary.other_program,
            summary.malformed
        )
    }
}

fn write_lines(what: &str, lines: &[(u64, String)], total: u64, out: &mut impl Write) -> io::Result<()> {
    if total == 0 {
        return Ok(());
    }
    writeln!(out, "\n{total} {what}:")?;
    for (number, line) in lines {
        writeln!(out, "{number:>8}  {line}")?;
    }
    let left = total.saturating_sub(lines.len() as u64);
    if left > 0 { writeln!(out, "          and {left} more") } else { Ok(()) }
}
