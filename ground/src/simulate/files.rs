//! Writes the fleet's events as EDR files, and its faults as a label file.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::{UnixMillis, UnixSeconds};

use super::{Fault, Fleet, SimulatedEvent};

const DAY_SECONDS: u32 = 86_400;
const HEADER: [&str; 6] = ["edr_date", "tail", "flight_phase", "edr_point", "description", "state"];

/// How events are cut into files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlan {
    /// The folder; made if it is not there.
    pub folder: PathBuf,
    /// Files are named `<prefix>_YYMMDD_HHMMSS.csv`.
    pub prefix: String,
    /// How many a day.
    pub files_per_day: NonZeroU32,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// EDR files.
    pub files: u64,
    /// Their rows.
    pub rows: u64,
}

/// Why files could not be written, or agents not driven.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An instant that no file name can hold.
    #[error("{0} is not in the years 2000 to 2099, which file names can hold")]
    Instant(UnixSeconds),
    /// An agent's socket.
    #[error("cannot send to {}: {source}; is the agent running?", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Every socket needs an aircraft of its own.
    #[error("{sockets} sockets, but only {aircraft} aircraft; ask for more with --aircraft")]
    TooFewAircraft {
        /// Aircraft in the fleet.
        aircraft: usize,
        /// Sockets to send to.
        sockets: usize,
    },
    /// More files a day than seconds.
    #[error("{0} files a day are more than there are seconds")]
    FilesPerDay(NonZeroU32),
}

/// Writes all events of the fleet's period, a file for every slice of it, named by the slice's end, and `labels.csv`.
/// `after_file` is called after each file.
///
/// # Errors
/// When a file cannot be written, or the period is out of a file name's reach.
pub fn write_files(
    fleet: &Fleet,
    plan: &FilePlan,
    mut after_file: impl FnMut(),
) -> Result<Written, SimulateError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| SimulateError::Write { path, source }
    };
    fs::create_dir_all(&plan.folder).map_err(at(&plan.folder))?;
    let slice = i64::from(DAY_SECONDS / plan.files_per_day);
    if slice == 0 {
        return Err(SimulateError::FilesPerDay(plan.files_per_day));
    }
    let mut aircraft: Vec<_> = fleet
        .aircraft()
        .iter()
        .enumerate()
        .map(|(number, aircraft)| (&aircraft.tail, fleet.events(number).peekable()))
        .collect();
    let (start, end) = fleet.period();
    let mut written = Written::default();
    let mut cut = start.0;
    while cut < end.0 {
        cut = (cut + slice).min(end.0);
        let before = UnixSeconds(cut).millis();
        let mut rows: Vec<(&Tail, SimulatedEvent)> = Vec::new();
        for (tail, events) in &mut aircraft {
            while let Some(event) = events.next_if(|event| event.event.at < before) {
                rows.push((tail, event));
            }
        }
        rows.sort_by_key(|(_, event)| event.event.at);
        let path = plan.folder.join(file_name(&plan.prefix, UnixSeconds(cut))?);
        write_rows(&path, &rows).map_err(at(&path))?;
        written.files += 1;
        written.rows += rows.len() as u64;
        after_file();
    }
    write_labels(&plan.folder, fleet.faults())?;
    Ok(written)
}

/// Writes `labels.csv`: the faults that are in the events.
///
/// # Errors
/// When the folder or the file can't be written.
pub fn write_labels(folder: &Path, faults: &[Fault]) -> Result<PathBuf, SimulateError> {
    let path = folder.join("labels.csv");
    let failed = |source| SimulateError::Write { path: path.clone(), source };
    fs::create_dir_all(folder).and_then(|()| write_label_rows(&path, faults)).map_err(failed)?;
    Ok(path)
}

fn write_rows(path: &Path, rows: &[(&Tail, SimulatedEvent)]) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(BufWriter::with_capacity(1 << 16, File::create(path)?));
    writer.write_record(HEADER)?;
    let mut clock = Clock::default();
    for (tail, SimulatedEvent { event, phase }) in rows {
        let date = clock.text(event.at)?;
        let key = event.key;
        writer.write_record([
            date,
            tail.as_str(),
            phase.as_str(),
            key.edr_point,
            key.description,
            event.state.as_str(),
        ])?;
    }
    writer.flush()
}

fn write_label_rows(path: &Path, faults: &[Fault]) -> io::Result<()> {
    let mut writer = csv::Writer::from_path(path)?;
    writer.write_record(["tail", "edr_point", "description", "kind", "start", "end"])?;
    for fault in faults {
        let (start, end) = (fault.start.to_string(), fault.end.to_string());
        let kind = fault.kind.as_str();
        writer.write_record([fault.tail.as_str(), fault.edr_point, fault.description, kind, &start, &end])?;
    }
    writer.flush()
}

fn file_name(prefix: &str, cut: UnixSeconds) -> Result<String, SimulateError> {
    let civil = jiff::Timestamp::from_second(cut.0)
        .map(|timestamp| jiff::tz::Offset::UTC.to_datetime(timestamp))
        .ok()
        .filter(|civil| (2000..2100).contains(&civil.year()))
        .ok_or(SimulateError::Instant(cut))?;
    let (year, month, day) = (civil.year() - 2000, civil.month(), civil.day());
    let (hour, minute, second) = (civil.hour(), civil.minute(), civil.second());
    Ok(format!("{prefix}_{year:02}{month:02}{day:02}_{hour:02}{minute:02}{second:02}.csv"))
}

/// Writes instants as `YYYY-MM-DD HH:MM:SS.fff`; keeps the date, because they come in order.
#[derive(Default)]
struct Clock {
    day: Option<i64>,
    /// The date, and then whatever time was asked for last.
    text: Vec<u8>,
}

const DATE_BYTES: usize = 10;
const DAY_MILLIS: i64 = 86_400_000;

impl Clock {
    fn text(&mut self, at: UnixMillis) -> io::Result<&str> {
        let day = at.0.div_euclid(DAY_MILLIS);
        if self.day != Some(day) {
            let timestamp = jiff::Timestamp::from_millisecond(at.0).map_err(io::Error::other)?;
            self.text = jiff::tz::Offset::UTC.to_datetime(timestamp).date().to_string().into_bytes();
            self.day = Some(day);
        }
        let millis = at.0.rem_euclid(DAY_MILLIS);
        let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
        self.text.truncate(DATE_BYTES);
        write!(self.text, " {hours:02}:{minutes:02}:{seconds:02}.{:03}", millis % 1000)?;
        std::str::from_utf8(&self.text).map_err(io::Error::other)
    }
}
