//! The rows of one EDR file.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use cabinwatch_shared::event::{Event, State};
use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::time::UnixMillis;
use cabinwatch_shared::wire::LossReason;
use csv::{ByteRecord, Position, Reader, ReaderBuilder};
use memchr::memchr;

/// What the CSV reader reads ahead.
const BUFFER_BYTES: usize = 16 << 10;
/// The longest header.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// Why a file can't be read at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowsError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A column is missing or there twice.
    #[error("{0}")]
    Header(String),
}

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Row<'a> {
    Event(Event<'a>),
    /// It can't become an event.
    Bad {
        line: u64,
        reason: LossReason,
        problem: &'static str,
    },
}

/// Where the columns stand that an event needs.
#[derive(Clone, Copy)]
struct Columns {
    edr_date: usize,
    edr_point: usize,
    description: usize,
    state: usize,
}

/// Reads row after row; no row takes more memory than it may.
pub(super) struct Rows {
    reader: Reader<Metered>,
    budget: Rc<Cell<usize>>,
    max_row_bytes: usize,
    columns: Columns,
    record: ByteRecord,
    path: std::path::PathBuf,
}

impl Rows {
    /// Opens a file, at a place that [`Rows::place`] gave or at its first row.
    pub(super) fn open(
        path: &Path,
        max_row_bytes: usize,
        from: Option<(u64, u64)>,
    ) -> Result<Self, RowsError> {
        let budget = Rc::new(Cell::new(MAX_HEADER_BYTES + BUFFER_BYTES));
        let file = Metered { file: File::open(path)?, budget: Rc::clone(&budget) };
        let mut reader = csv_reader(file);
        let headers = reader.byte_headers().map_err(header_error)?.clone();
        let columns = Columns::find(&headers)?;
        let mut rows =
            Self { reader, budget, max_row_bytes, columns, record: ByteRecord::new(), path: path.to_owned() };
        if let Some((byte, line)) = from {
            rows.seek(byte, line)?;
        }
        Ok(rows)
    }

    /// The place behind the last row: a byte and a line.
    pub(super) fn place(&self) -> (u64, u64) {
        let position = self.reader.position();
        (position.byte(), position.line())
    }

    /// The next row and the place behind it; none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<(Row<'_>, (u64, u64))>> {
        let (byte, line) = self.place();
        self.budget.set(self.max_row_bytes + BUFFER_BYTES);
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => {
                let (line, place) = (self.record.position().map_or(line, Position::line), self.place());
                let row = if self.record.as_slice().len() > self.max_row_bytes {
                    Row::Bad { line, reason: LossReason::TooLong, problem: "the row is too long" }
                } else {
                    self.columns.row(&self.record, line)
                };
                Ok(Some((row, place)))
            }
            Ok(false) => Ok(None),
            Err(error) => match error.into_kind() {
                // The row did not end within its budget: a quote that is never closed, or a line without end.
                csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                    self.skip_line(byte, line)?;
                    let problem = "the row has no end";
                    Ok(Some((Row::Bad { line, reason: LossReason::TooLong, problem }, self.place())))
                }
                csv::ErrorKind::Io(error) => Err(error),
                other => Err(io::Error::other(format!("{other:?}"))),
            },
        }
    }

    /// Goes on behind the next end of line.
    fn skip_line(&mut self, byte: u64, line: u64) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(byte))?;
        let mut chunk = vec![0; BUFFER_BYTES];
        let mut skipped = byte;
        loop {
            let count = file.read(&mut chunk)?;
            let read = chunk.get(..count).unwrap_or_default();
            // An end of line right at the place belongs to the row before.
            let end = memchr(b'\n', read).filter(|end| skipped + *end as u64 > byte);
            skipped += end.map_or(count, |end| end + 1) as u64;
            if end.is_some() || count == 0 {
                return self.seek(skipped, line + 1);
            }
        }
    }

    fn seek(&mut self, byte: u64, line: u64) -> io::Result<()> {
        let mut position = Position::new();
        position.set_byte(byte).set_line(line);
        self.budget.set(self.max_row_bytes + BUFFER_BYTES);
        // Unlike `seek`, this always forgets a row that was read half-way.
        self.reader.seek_raw(SeekFrom::Start(byte), position).map_err(io::Error::other)
    }
}

fn csv_reader(file: Metered) -> Reader<Metered> {
    ReaderBuilder::new().flexible(true).buffer_capacity(BUFFER_BYTES).from_reader(file)
}

fn header_error(error: csv::Error) -> RowsError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            RowsError::Header("the header has no end".to_owned())
        }
        csv::ErrorKind::Io(error) => RowsError::Io(error),
        other => RowsError::Header(format!("the header can't be read: {other:?}")),
    }
}

impl Columns {
    fn find(headers: &ByteRecord) -> Result<Self, RowsError> {
        let find = |name: &str| {
            let is_it = |header: &[u8]| {
                header.strip_prefix(b"\xef\xbb\xbf").unwrap_or(header).trim_ascii() == name.as_bytes()
            };
            let mut found = headers.iter().enumerate().filter(|(_, header)| is_it(header));
            match (found.next(), found.next()) {
                (Some((index, _)), None) => Ok(index),
                (None, _) => Err(RowsError::Header(format!("the header has no column `{name}`"))),
                (Some(_), Some(_)) => Err(RowsError::Header(format!("the header has two columns `{name}`"))),
            }
        };
        Ok(Self {
            edr_date: find("edr_date")?,
            edr_point: find("edr_point")?,
            description: find("description")?,
            state: find("state")?,
        })
    }

    fn row<'a>(&self, record: &'a ByteRecord, line: u64) -> Row<'a> {
        let bad = |reason, problem| Row::Bad { line, reason, problem };
        let text = |column: usize| record.get(column).map(std::str::from_utf8);
        let (date, point, description, state) =
            (text(self.edr_date), text(self.edr_point), text(self.description), text(self.state));
        let (Some(date), Some(edr_point), Some(description), Some(state)) = (date, point, description, state)
        else {
            return bad(LossReason::Malformed, "the row is cut short");
        };
        let (Ok(date), Ok(edr_point), Ok(description), Ok(state)) = (date, edr_point, description, state)
        else {
            return bad(LossReason::Malformed, "the row is not UTF-8");
        };
        let Ok(at) = UnixMillis::parse(date) else {
            return bad(LossReason::Malformed, "edr_date is no date");
        };
        let Ok(state) = State::parse(state) else {
            return bad(LossReason::UnknownState, "state is neither FAIL nor SUCCESS");
        };
        Row::Event(Event { at, key: FaultKey { edr_point, description }, state })
    }
}

/// A file that gives no more than a row may take.
struct Metered {
    file: File,
    budget: Rc<Cell<usize>>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let budget = self.budget.get();
        if budget == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let room = buffer.len().min(budget);
        let count = self.file.read(buffer.get_mut(..room).unwrap_or_default())?;
        self.budget.set(budget - count);
        Ok(count)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
