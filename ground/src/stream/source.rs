//! The events in the order in which they are sent: rows of the file, varied.

use std::time::Instant;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::pace::Pace;
use super::rows::{Row, Rows, Survey};
use super::{Plan, StreamError};

/// How far byte counts are varied, either way.
const VARIATION: f64 = 0.1;

/// An event to send; its body stands in the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// When.
    pub due: Instant,
    /// Whether it has an unexpected port: what a scorer should find.
    pub is_unexpected: bool,
}

/// Where events come from.
pub(super) struct Source {
    rows: Rows,
    vary: Vary,
    pace: Pace,
    /// How often the file was read to its end.
    passes: u64,
    /// Events that were due when nobody was free to send them.
    left_out: u64,
}

impl Source {
    pub fn new(plan: &Plan, survey: &Survey, pace: Pace) -> Result<Self, StreamError> {
        let share = plan.unexpected_ports.0;
        let ports = if share > 0.0 { survey.unexpected_ports() } else { Vec::new() };
        if share > 0.0 && ports.is_empty() {
            return Err(StreamError::AllPorts(plan.file.clone()));
        }
        let vary = Vary { random: ChaCha8Rng::seed_from_u64(plan.seed), share, ports };
        Ok(Self { rows: Rows::open(&plan.file)?, vary, pace, passes: 0, left_out: 0 })
    }

    /// The next event, written into `body`; none when it is due only after the end.
    pub fn next(&mut self, end: Instant, body: &mut Vec<u8>) -> Result<Option<Job>, StreamError> {
        let now = Instant::now();
        if !self.pace.goes_on(now, end) {
            return Ok(None);
        }
        let (due, left_out) = self.pace.next(now);
        self.left_out += left_out;
        let is_unexpected = self.write_next(body)?;
        Ok(Some(Job { due, is_unexpected }))
    }

    /// Whether what it wrote has an unexpected port.
    fn write_next(&mut self, body: &mut Vec<u8>) -> Result<bool, StreamError> {
        let mut unusable = 0;
        let mut passes = 0;
        loop {
            match self.rows.next()? {
                Some((_, Ok(row))) => return self.vary.write(row, body),
                Some((_, Err(_))) => unusable += 1,
                // Whoever writes the file has emptied it since the survey.
                None if passes > 0 => {
                    let (path, why) = (self.rows.path().to_owned(), None);
                    return Err(StreamError::NoRows { path, rows: unusable, why });
                }
                None => {
                    passes += 1;
                    self.passes += 1;
                    unusable = 0;
                    self.rows.rewind()?;
                }
            }
        }
    }

    /// How often the file was read to its end, and how many events were left out until then.
    pub fn ended(&self, end: Instant) -> (u64, u64) {
        (self.passes, self.left_out + self.pace.rest(end))
    }
}

/// What makes an event of a row.
struct Vary {
    random: ChaCha8Rng,
    share: f64,
    /// The ports to choose an unexpected one from.
    ports: Vec<u16>,
}

impl Vary {
    fn write(&mut self, mut row: Row<'_>, body: &mut Vec<u8>) -> Result<bool, StreamError> {
        row.bytes_sent = self.varied(row.bytes_sent);
        row.bytes_recv = self.varied(row.bytes_recv);
        let is_unexpected = self.random.random_bool(self.share);
        if let Some(port) = self.ports.choose(&mut self.random).filter(|_| is_unexpected) {
            row.dest_port = i64::from(*port);
        }
        body.clear();
        serde_json::to_writer(body, &row).map_err(|_| StreamError::Broken)?;
        Ok(is_unexpected)
    }

    fn varied(&mut self, bytes: i64) -> i64 {
        let factor = self.random.random_range(1.0 - VARIATION..=1.0 + VARIATION);
        (bytes as f64 * factor).round() as i64
    }
}
