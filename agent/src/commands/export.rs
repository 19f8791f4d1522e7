//! `export`: the events of the log, in the columns of an EDR file.

use std::io::Write;

use cabinwatch_shared::time::UnixMillis;
use serde::Serialize;

use super::CommandError;
use crate::config::Config;
use crate::store::{KeyNames, LoggedGroup, Reader, StoreError};

/// What `export` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An EDR file, with its header.
    Csv,
    /// One object a line.
    Json,
}

/// Which events: `[since, until)`, either end open where it is not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first instant.
    pub since: Option<UnixMillis>,
    /// The first instant after.
    pub until: Option<UnixMillis>,
}

impl Range {
    fn contains(&self, at: UnixMillis) -> bool {
        self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at < until)
    }
}

#[derive(Serialize)]
struct Record<'a> {
    edr_date: String,
    edr_point: &'a str,
    description: &'a str,
    state: &'static str,
}

/// Writes the events in the order they came in. Returns how many.
///
/// # Errors
/// When the database can't be read or the output not be written.
pub fn run(config: &Config, format: Format, range: Range, out: &mut impl Write) -> Result<u64, CommandError> {
    let path = &config.store.path;
    let mut reader = Reader::open(path).map_err(|source| CommandError::store(path, source))?;
    let mut sink = Sink::new(format, out)?;
    let mut written = 0;
    let result: Result<(), ExportError> = reader.groups(|names, group| {
        written += export_group(names, group, range, &mut sink)?;
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(ExportError::Store(source)) => return Err(CommandError::store(path, source)),
        Err(ExportError::Output(error)) => return Err(error),
    }
    sink.finish()?;
    Ok(written)
}

/// Keeps apart what the database and what the output did.
enum ExportError {
    Store(StoreError),
    Output(CommandError),
}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn export_group(
    names: &mut KeyNames<'_>,
    group: &LoggedGroup<'_>,
    range: Range,
    sink: &mut Sink<impl Write>,
) -> Result<u64, ExportError> {
    let mut written = 0;
    for event in group.group.events() {
        let event = event.map_err(|_| StoreError::garbled("a group of events"))?;
        if !range.contains(event.at) {
            continue;
        }
        let key = names.key(event.key)?;
        let record = Record {
            edr_date: event.at.to_string(),
            edr_point: &key.edr_point,
            description: &key.description,
            state: event.state.as_str(),
        };
        sink.write(&record).map_err(ExportError::Output)?;
        written += 1;
    }
    Ok(written)
}

enum Sink<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Json(W),
}

impl<W: Write> Sink<W> {
    fn new(format: Format, out: W) -> Result<Self, CommandError> {
        match format {
            Format::Json => Ok(Self::Json(out)),
            Format::Csv => {
                // The header stands there even if no event does.
                let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(out);
                csv.write_record(["edr_date", "edr_point", "description", "state"])?;
                Ok(Self::Csv(Box::new(csv)))
            }
        }
    }

    fn write(&mut self, record: &Record<'_>) -> Result<(), CommandError> {
        match self {
            Self::Csv(csv) => csv.serialize(record)?,
            Self::Json(out) => {
                serde_json::to_writer(&mut *out, record)?;
                writeln!(out)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), CommandError> {
        match self {
            Self::Csv(mut csv) => Ok(csv.flush()?),
            Self::Json(mut out) => Ok(out.flush()?),
        }
    }
}
