//! Replays EDR CSV files, as fast as the events came or faster.

mod rows;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cabinwatch_shared::time::UnixMillis;
use cabinwatch_shared::wire::LossReason;

use self::rows::{Row, Rows, RowsError};
use super::outlet::{BATCH_EVENTS, Fault, Outlet};
use super::{Cursor, DatedBy, EventBatch};

/// Longest file name that a cursor holds, in bytes; longer ones are cut, and then must differ before the cut.
const MAX_NAME_BYTES: usize = 96;
/// The place in a file whose header makes it useless.
const PASSED_OVER: u64 = u64::MAX;
/// Bad rows that are logged one by one in each file; all are counted.
const LOGGED_ROWS: u32 = 5;

/// The name of a replay's cursor.
pub(super) fn cursor_name(path: &Path) -> String {
    format!("replay:{}", path.display())
}

/// How many times faster than it happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Speed {
    /// As fast as it goes.
    Unpaced,
    Times(f64),
}

impl Speed {
    /// From the configuration, where 0 means unpaced.
    pub(super) fn from_config(speed: f64) -> Option<Self> {
        match speed {
            0.0 => Some(Self::Unpaced),
            speed if speed.is_finite() && speed > 0.0 => Some(Self::Times(speed)),
            _ => None,
        }
    }
}

/// The place behind the last row that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ReplayPlace {
    byte: u64,
    line: u64,
    file: String,
}

impl ReplayPlace {
    fn new(file: &str, byte: u64, line: u64) -> Self {
        Self { byte, line, file: file[..file.floor_char_boundary(MAX_NAME_BYTES)].to_owned() }
    }

    fn to_bytes(&self) -> Vec<u8> {
        [&self.byte.to_le_bytes()[..], &self.line.to_le_bytes(), self.file.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&byte, rest) = bytes.split_first_chunk()?;
        let (&line, file) = rest.split_first_chunk()?;
        let file = std::str::from_utf8(file).ok()?.to_owned();
        Some(Self { byte: u64::from_le_bytes(byte), line: u64::from_le_bytes(line), file })
    }
}

/// One folder, or one file, that is replayed once.
pub(super) struct Replay<'a> {
    path: PathBuf,
    speed: Speed,
    max_row_bytes: usize,
    outlet: &'a Outlet,
    reached: Option<ReplayPlace>,
    /// When the first row of this run was due, and its date.
    anchor: Option<(Instant, UnixMillis)>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        path: &Path,
        speed: Speed,
        max_row_bytes: usize,
        outlet: &'a Outlet,
        cursor: Option<&Vec<u8>>,
    ) -> Self {
        let reached = cursor.and_then(|position| ReplayPlace::from_bytes(position));
        Self { path: path.to_owned(), speed, max_row_bytes, outlet, reached, anchor: None }
    }

    /// Replays what has not been replayed, then ends.
    pub(super) fn run(&mut self) -> Result<(), Fault> {
        let files =
            csv_files(&self.path).map_err(Fault::io(format!("cannot replay {}", self.path.display())))?;
        if files.is_empty() {
            tracing::warn!("{} holds no .csv file to replay", self.path.display());
        }
        for (name, file) in files {
            let place = ReplayPlace::new(&name, 0, 0);
            match &self.reached {
                Some(reached) if reached.file > place.file => {}
                Some(reached) if reached.file == place.file && reached.byte == PASSED_OVER => {}
                Some(reached) if reached.file == place.file => {
                    let reached = reached.clone();
                    self.replay_file(&name, &file, Some(&reached))?;
                }
                _ => self.replay_file(&name, &file, None)?,
            }
        }
        tracing::info!("{} is replayed", self.path.display());
        Ok(())
    }

    fn replay_file(&mut self, name: &str, path: &Path, from: Option<&ReplayPlace>) -> Result<(), Fault> {
        let from = from.map(|place| (place.byte, place.line));
        let mut batch = EventBatch::default();
        let mut rows = match Rows::open(path, self.max_row_bytes, from) {
            Ok(rows) => rows,
            Err(RowsError::Io(error)) => return Err(unreadable(path)(error)),
            Err(RowsError::Header(problem)) => {
                tracing::warn!("{}: {problem}; the file is passed over", path.display());
                batch.lose(LossReason::Malformed, 1);
                return self.hand_over(&mut batch, ReplayPlace::new(name, PASSED_OVER, 0));
            }
        };
        let mut bad_rows = 0;
        while let Some((row, place)) = rows.next().map_err(unreadable(path))? {
            match row {
                Row::Event(event) => {
                    self.wait_until_due(event.at)?;
                    batch.push(&event);
                }
                Row::Bad { line, reason, problem } => {
                    bad_rows += 1;
                    batch.lose(reason, 1);
                    if bad_rows <= LOGGED_ROWS {
                        tracing::warn!(
                            "{}:{line}: {problem}; the row is counted as {}",
                            path.display(),
                            reason.as_str()
                        );
                    }
                }
            }
            if batch.len() >= BATCH_EVENTS || self.speed != Speed::Unpaced {
                self.hand_over(&mut batch, ReplayPlace::new(name, place.0, place.1))?;
            }
        }
        if bad_rows > LOGGED_ROWS {
            tracing::warn!("{}: {bad_rows} rows in all were no events", path.display());
        }
        let (byte, line) = rows.place();
        self.hand_over(&mut batch, ReplayPlace::new(name, byte, line))
    }

    fn hand_over(&mut self, batch: &mut EventBatch, place: ReplayPlace) -> Result<(), Fault> {
        batch.dated_by = DatedBy::Itself;
        batch.cursors.push(Cursor { name: cursor_name(&self.path), position: place.to_bytes() });
        self.outlet.send(batch)?;
        self.reached = Some(place);
        self.outlet.wait_for_memory()
    }

    fn wait_until_due(&mut self, at: UnixMillis) -> Result<(), Fault> {
        let Speed::Times(speed) = self.speed else { return Ok(()) };
        let (start, first) = *self.anchor.get_or_insert_with(|| (Instant::now(), at));
        let millis = u64::try_from(at.0.saturating_sub(first.0)).unwrap_or(0);
        let due = Duration::try_from_secs_f64(millis as f64 / 1000.0 / speed).unwrap_or(Duration::MAX);
        self.outlet.pause(due.saturating_sub(start.elapsed()))
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Fault + use<> {
    Fault::io(format!("cannot read {}", path.display()))
}

/// The file itself, or the `.csv` files of the folder in the order of their names.
fn csv_files(path: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let name =
        |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![(name(path), path.to_owned())]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
            files.push((name(&file), file));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests;
