//! The rows of a telemetry CSV as events to send.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use serde::Serialize;

use super::StreamError;

/// Longest row in bytes; more is no row, but a quote that is never closed.
const MAX_ROW_BYTES: u64 = 1 << 20;
/// What the CSV reader reads ahead.
const BUFFER_BYTES: usize = 1 << 16;

/// A row, as the API takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Row<'a> {
    pub timestamp: &'a str,
    pub process_path: &'a str,
    pub process_hash: &'a str,
    pub source_ip: &'a str,
    pub dest_ip: &'a str,
    pub dest_domain: Option<&'a str>,
    pub dest_port: i64,
    pub bytes_sent: i64,
    pub bytes_recv: i64,
    pub protocol: &'a str,
    pub dns_query: Option<&'a str>,
    pub parent_process: Option<&'a str>,
    pub user_context: Option<&'a str>,
}

/// Why a row can't be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// A column that every event has is empty.
    Missing(&'static str),
    /// A column that holds whole numbers holds something else.
    NoNumber(&'static str),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(column) => write!(f, "{column} is empty"),
            Self::NoNumber(column) => write!(f, "{column} is no whole number"),
        }
    }
}

/// Where each column is.
struct Columns([Option<usize>; NAMES.len()]);

/// Every event has these; then those that may be missing.
const REQUIRED: usize = 9;
const NAMES: [&str; 13] = [
    "timestamp",
    "process_path",
    "process_hash",
    "source_ip",
    "dest_ip",
    "dest_port",
    "bytes_sent",
    "bytes_recv",
    "protocol",
    "dest_domain",
    "dns_query",
    "parent_process",
    "user_context",
];

impl Columns {
    fn of(header: &StringRecord, path: &Path) -> Result<Self, StreamError> {
        let mut places = [None; NAMES.len()];
        for (number, (place, column)) in places.iter_mut().zip(NAMES).enumerate() {
            *place = header.iter().position(|name| name.trim_start_matches('\u{feff}').trim() == column);
            if place.is_none() && number < REQUIRED {
                return Err(StreamError::NoColumn { path: path.to_owned(), column });
            }
        }
        Ok(Self(places))
    }

    fn row<'a>(&self, record: &'a StringRecord) -> Result<Row<'a>, Unusable> {
        let cell = |column: usize| -> Option<&'a str> {
            let place = (*self.0.get(column)?)?;
            record.get(place).filter(|text| !text.is_empty())
        };
        let name = |column: usize| NAMES.get(column).copied().unwrap_or_default();
        let text = |column| cell(column).ok_or(Unusable::Missing(name(column)));
        let number = |column| whole(text(column)?).ok_or(Unusable::NoNumber(name(column)));
        Ok(Row {
            timestamp: text(0)?,
            process_path: text(1)?,
            process_hash: text(2)?,
            source_ip: text(3)?,
            dest_ip: text(4)?,
            dest_port: number(5)?,
            bytes_sent: number(6)?,
            bytes_recv: number(7)?,
            protocol: text(8)?,
            dest_domain: cell(9),
            dns_query: cell(10),
            parent_process: cell(11),
            user_context: cell(12),
        })
    }
}

/// A whole number, also as pandas writes it in a column that has gaps: `443.0`.
fn whole(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = match text.split_once('.') {
        Some((digits, fraction)) if fraction.bytes().all(|digit| digit == b'0') => digits,
        Some(_) => return None,
        None => text,
    };
    digits.parse().ok()
}

/// What of a row is read at most: a budget that each row gets anew.
struct Limited {
    file: File,
    left: u64,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let message = format!("a row is longer than {MAX_ROW_BYTES} bytes; is a quote never closed?");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let read = self.file.read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

/// The line a row begins on, and what it holds.
type NumberedRow<'a> = (u64, Result<Row<'a>, Unusable>);

/// A telemetry CSV, row by row.
pub(super) struct Rows {
    path: PathBuf,
    reader: csv::Reader<Limited>,
    columns: Columns,
    record: StringRecord,
}

impl Rows {
    /// Opens it and reads its header.
    pub fn open(path: &Path) -> Result<Self, StreamError> {
        let failed = |source| StreamError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(Limited { file, left: MAX_ROW_BYTES });
        let header = reader.headers().map_err(|error| failed(error.into()))?;
        let columns = Columns::of(header, path)?;
        Ok(Self { path: path.to_owned(), reader, columns, record: StringRecord::new() })
    }

    /// The next row and the line it begins on; none at the end.
    pub fn next(&mut self) -> Result<Option<NumberedRow<'_>>, StreamError> {
        self.reader.get_mut().left = MAX_ROW_BYTES;
        let line = self.reader.position().line();
        match self.reader.read_record(&mut self.record) {
            Ok(true) => {
                let line = self.record.position().map_or(line, csv::Position::line);
                Ok(Some((line, self.columns.row(&self.record))))
            }
            Ok(false) => Ok(None),
            Err(error) => {
                let source = io::Error::other(format!("line {line}: {}", io::Error::from(error)));
                Err(StreamError::Read { path: self.path.clone(), source })
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins anew.
    pub fn rewind(&mut self) -> Result<(), StreamError> {
        *self = Self::open(&self.path)?;
        Ok(())
    }
}

/// What a whole file holds.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Rows that can be sent.
    pub usable: u64,
    /// Rows that can't.
    pub unusable: u64,
    /// The first of those, and what is wrong with it.
    pub first_unusable: Option<String>,
    /// One bit for each port that a row names.
    ports: Box<[u64]>,
}

const PORTS: usize = 1 << 16;

impl Survey {
    /// Reads the file from end to end.
    ///
    /// # Errors
    /// When it can't be read or holds no row that can be sent.
    pub fn of(path: &Path) -> Result<Self, StreamError> {
        let ports = vec![0; PORTS / 64].into_boxed_slice();
        let mut survey = Self { usable: 0, unusable: 0, first_unusable: None, ports };
        let mut rows = Rows::open(path)?;
        while let Some((line, row)) = rows.next()? {
            match row {
                Ok(row) => survey.count(&row),
                Err(why) => {
                    survey.unusable += 1;
                    survey.first_unusable.get_or_insert_with(|| format!("line {line}: {why}"));
                }
            }
        }
        if survey.usable == 0 {
            let (rows, why) = (survey.unusable, survey.first_unusable);
            return Err(StreamError::NoRows { path: path.to_owned(), rows, why });
        }
        Ok(survey)
    }

    fn count(&mut self, row: &Row<'_>) {
        self.usable += 1;
        let Ok(port) = u16::try_from(row.dest_port) else { return };
        if let Some(bits) = self.ports.get_mut(usize::from(port / 64)) {
            *bits |= 1 << (port % 64);
        }
    }

    /// The ports from 1 on that no row names.
    pub(super) fn unexpected_ports(&self) -> Vec<u16> {
        let named = |port: &u16| {
            self.ports.get(usize::from(port / 64)).is_some_and(|bits| bits >> (port % 64) & 1 == 1)
        };
        (1..=u16::MAX).filter(|port| !named(port)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "timestamp,process_path,process_hash,source_ip,dest_ip,dest_port,bytes_sent,bytes_recv,protocol,extra,dns_query\n";

    fn file(rows: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), format!("\u{feff}{HEADER}{rows}")).expect("written");
        file
    }

    #[test]
    fn rows_become_events_whose_optional_columns_may_be_empty_or_not_there() {
        let file = file(
            "t,p,h,10.0.0.1,10.0.0.2,443.0,1,2,TCP,x,\n\"t,\"\"2\",p,h,s,d, 53 ,1,2,UDP,x,example.com\n",
        );
        let mut rows = Rows::open(file.path()).expect("a header");
        let (line, first) = rows.next().expect("read").expect("a row");
        let first = first.expect("usable");
        assert_eq!((line, first.dest_port, first.dns_query, first.user_context), (2, 443, None, None));
        let json = serde_json::to_value(&first).expect("JSON");
        assert!(json["dest_domain"].is_null() && json.get("extra").is_none(), "{json}");
        let (line, second) = rows.next().expect("read").expect("a row");
        let second = second.expect("usable");
        assert_eq!((line, second.timestamp, second.dest_port), (3, "t,\"2", 53));
        assert_eq!(second.dns_query, Some("example.com"));
        assert!(rows.next().expect("read").is_none());
        rows.rewind().expect("again");
        assert!(rows.next().expect("read").is_some());
    }

    #[test]
    fn a_survey_counts_what_cannot_be_sent_and_names_the_first() {
        let file = file("t,p,h,s,d,443,1,2,TCP\nt,p,h,s,d,443,1.5,2,TCP\nt,p,h,,d,443,1,2,TCP\nt,p\n");
        let survey = Survey::of(file.path()).expect("one row is good");
        assert_eq!((survey.usable, survey.unusable), (1, 3));
        assert_eq!(survey.first_unusable.as_deref(), Some("line 3: bytes_sent is no whole number"));
        let unexpected = survey.unexpected_ports();
        assert_eq!((unexpected.len(), unexpected.contains(&443), unexpected[0]), (65_534, false, 1));
    }

    #[test]
    fn files_without_a_column_or_a_good_row_say_so() {
        let empty = Survey::of(file("t,p,h,s,d,x,1,2,TCP\n").path()).expect_err("no row").to_string();
        assert!(empty.contains("none of its 1 rows") && empty.contains("line 2: dest_port"), "{empty}");
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "timestamp,dest_port\n").expect("written");
        let error = Survey::of(file.path()).expect_err("columns are missing").to_string();
        assert!(error.contains("no column `process_path`"), "{error}");
    }

    #[test]
    fn a_quote_that_is_never_closed_ends_at_the_limit_of_a_row() {
        let file = file(&format!("t,p,h,s,d,443,1,2,TCP\n\"{}", "x\n".repeat(1 << 20)));
        let error = Survey::of(file.path()).expect_err("too long").to_string();
        assert!(error.contains("line 3") && error.contains("quote"), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_rows_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let file = file("");
            let mut all = HEADER.as_bytes().to_vec();
            all.extend(bytes);
            fs::write(file.path(), all).expect("written");
            if let Ok(survey) = Survey::of(file.path()) {
                prop_assert!(survey.usable > 0);
            }
        }

        #[test]
        fn whole_numbers_are_read_as_they_are_written(number: i64, zeros in 0_usize..4) {
            prop_assert_eq!(whole(&number.to_string()), Some(number));
            prop_assert_eq!(whole(&format!("{number}.{}", "0".repeat(zeros))), Some(number));
            prop_assert_eq!(whole(&format!("{number}.5")), None);
        }
    }
}
