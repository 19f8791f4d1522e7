//! Reads the rows to train on, one after the other, whatever the file's size.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::history::RejectReason;
use crate::history::records::{Next, Record, Records};
use crate::telemetry::features::{FEATURES, Features, Sums};
use crate::telemetry::integer;
use crate::telemetry::model::MAX_PROTOCOLS;
use crate::telemetry::read::MAX_TEXT;

/// Longest row in bytes.
const MAX_ROW_BYTES: usize = 1 << 20;
/// The columns that are needed, in the order of [`Columns`].
const NEEDED: [&str; 6] = ["source_ip", "dest_ip", "dest_port", "bytes_sent", "bytes_recv", "protocol"];
/// What pandas takes for "nothing is there".
const NOTHING: [&str; 19] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
    "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
];

/// Why a CSV cannot be trained on.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// Cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A header without what is needed.
    #[error("{}: {reason}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A row that is wrong.
    #[error("{}, line {line}: {reason}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
}

/// What a dropped row lacks; the first of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// `source_ip`
    SourceIp,
    /// `dest_ip`
    DestIp,
    /// `dest_port`
    DestPort,
    /// `protocol`
    Protocol,
    /// `bytes_sent` or `bytes_recv`
    Bytes,
}

/// How many rows were dropped, by what they lack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Rows without `source_ip`.
    pub source_ip: u64,
    /// Rows without `dest_ip`.
    pub dest_ip: u64,
    /// Rows without `dest_port`.
    pub dest_port: u64,
    /// Rows without `protocol`.
    pub protocol: u64,
    /// Rows without `bytes_sent` or `bytes_recv`.
    pub bytes: u64,
}

impl Dropped {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.source_ip + self.dest_ip + self.dest_port + self.protocol + self.bytes
    }

    const fn count(&mut self, missing: Missing) {
        *match missing {
            Missing::SourceIp => &mut self.source_ip,
            Missing::DestIp => &mut self.dest_ip,
            Missing::DestPort => &mut self.dest_port,
            Missing::Protocol => &mut self.protocol,
            Missing::Bytes => &mut self.bytes,
        } += 1;
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source_ip, dest_ip, dest_port, protocol, bytes } = self;
        write!(f, "{} dropped", self.total())?;
        if self.total() > 0 {
            write!(
                f,
                " ({source_ip} without source_ip, {dest_ip} without dest_ip, {dest_port} without dest_port, \
                 {protocol} without protocol, {bytes} without byte counts)"
            )?;
        }
        Ok(())
    }
}

/// The rows of a CSV, as far as training needs them.
#[derive(Clone, Debug, Default)]
pub struct TrainingSet {
    rows: Vec<Row>,
    /// In the order they were first seen.
    protocols: Vec<Box<str>>,
    sums: [Sums; 3],
    dropped: Dropped,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    /// Port, bytes sent, bytes received.
    numbers: [i64; 3],
    /// Its place among the protocols as they were first seen.
    protocol: u32,
}

impl TrainingSet {
    /// How many rows there are.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows.len() as u64
    }

    /// How many rows were dropped.
    #[must_use]
    pub const fn dropped(&self) -> Dropped {
        self.dropped
    }

    pub(super) const fn sums(&self) -> [Sums; 3] {
        self.sums
    }

    pub(super) fn sorted_protocols(&self) -> Vec<Box<str>> {
        let mut sorted = self.protocols.clone();
        sorted.sort_unstable();
        sorted
    }

    /// The rows as the forest sees them.
    pub(super) fn feature_rows(&self, features: &Features) -> impl Iterator<Item = [f32; FEATURES]> {
        let places: Vec<Option<usize>> =
            self.protocols.iter().map(|name| features.protocols.binary_search(name).ok()).collect();
        self.rows.iter().map(move |row| {
            features.row_of(row.numbers, places.get(row.protocol as usize).copied().flatten())
        })
    }
}

/// Reads a file. `read` is told how many bytes were read so far.
///
/// # Errors
/// When the file cannot be read, or a row cannot be understood.
pub fn read_csv(path: &Path, read: &mut dyn FnMut(u64)) -> Result<TrainingSet, CsvError> {
    let file = File::open(path).map_err(|source| CsvError::Read { path: path.to_owned(), source })?;
    read_rows(file, path, read)
}

pub(super) fn read_rows(
    source: impl Read,
    path: &Path,
    read: &mut dyn FnMut(u64),
) -> Result<TrainingSet, CsvError> {
    let failed = |source| CsvError::Read { path: path.to_owned(), source };
    let wrong = |line, reason| CsvError::Row { path: path.to_owned(), line, reason };
    let header = |reason| CsvError::Header { path: path.to_owned(), reason };
    let mut records = Records::new(source, MAX_ROW_BYTES);
    records.skip_byte_order_mark().map_err(failed)?;
    let columns = match records.next().map_err(failed)? {
        Next::Record(record, _) => Columns::find(&record).map_err(header)?,
        Next::Bad(reason, line) => return Err(wrong(line, what(reason))),
        Next::End => return Err(header("it is empty: the first line must name the columns".to_owned())),
    };
    let mut rows = Collector::default();
    loop {
        match records.next().map_err(failed)? {
            Next::Record(record, line) => {
                rows.add(&record, &columns).map_err(|reason| wrong(line, reason))?;
            }
            Next::Bad(reason, line) => return Err(wrong(line, what(reason))),
            Next::End => return Ok(rows.set),
        }
        read(records.bytes());
    }
}

fn what(reason: RejectReason) -> String {
    match reason {
        RejectReason::TooLong => format!("the row is longer than {MAX_ROW_BYTES} bytes"),
        other => other.to_string(),
    }
}

/// Where the needed columns stand.
struct Columns {
    places: [usize; NEEDED.len()],
    count: usize,
}

impl Columns {
    fn find(header: &Record<'_>) -> Result<Self, String> {
        let mut places = [0; NEEDED.len()];
        for (place, name) in places.iter_mut().zip(NEEDED) {
            let mut found = (0..header.len()).filter(|&at| header.field(at).trim_ascii() == name.as_bytes());
            *place = match (found.next(), found.next()) {
                (Some(at), None) => at,
                (Some(_), Some(_)) => return Err(format!("its header has the column `{name}` twice")),
                (None, _) => {
                    return Err(format!("its header has no column `{name}`; it needs {}", NEEDED.join(", ")));
                }
            };
        }
        Ok(Self { places, count: header.len() })
    }
}

/// Takes one row after the other.
#[derive(Default)]
struct Collector {
    set: TrainingSet,
    places: HashMap<Box<str>, u32>,
}

impl Collector {
    fn add(&mut self, record: &Record<'_>, columns: &Columns) -> Result<(), String> {
        if record.len() > columns.count {
            return Err("it has more fields than the header".to_owned());
        }
        let mut fields = [""; NEEDED.len()];
        for ((field, place), name) in fields.iter_mut().zip(columns.places).zip(NEEDED) {
            *field =
                std::str::from_utf8(record.field(place)).map_err(|_| format!("`{name}` is not UTF-8"))?;
        }
        let [source, destination, port, sent, received, protocol] = fields;
        let checked = [
            (source, Missing::SourceIp),
            (destination, Missing::DestIp),
            (port, Missing::DestPort),
            (protocol, Missing::Protocol),
            (sent, Missing::Bytes),
            (received, Missing::Bytes),
        ];
        if let Some((_, missing)) = checked.into_iter().find(|(field, _)| NOTHING.contains(field)) {
            self.set.dropped.count(missing);
            return Ok(());
        }
        let numbers =
            [number("dest_port", port)?, number("bytes_sent", sent)?, number("bytes_recv", received)?];
        let protocol = self.protocol(protocol)?;
        for ((sums, number), name) in self.set.sums.iter_mut().zip(numbers).zip(&NEEDED[2..5]) {
            sums.add(number).ok_or_else(|| format!("the sum of the squares of `{name}` leaves 128 bits"))?;
        }
        self.set.rows.push(Row { numbers, protocol });
        Ok(())
    }

    fn protocol(&mut self, name: &str) -> Result<u32, String> {
        if let Some(place) = self.places.get(name) {
            return Ok(*place);
        }
        if self.places.len() >= MAX_PROTOCOLS {
            return Err(format!("this is protocol {}: is `protocol` the right column?", MAX_PROTOCOLS + 1));
        }
        if name.chars().count() > MAX_TEXT {
            return Err(format!("`protocol` is longer than {MAX_TEXT} characters"));
        }
        let place = self.places.len() as u32;
        self.places.insert(name.into(), place);
        self.set.protocols.push(name.into());
        Ok(place)
    }
}

fn number(name: &str, text: &str) -> Result<i64, String> {
    integer::of_text(text)
        .map_err(|_| format!("`{name}` is `{text}`; it must be a whole number of at most 64 bits"))
}
