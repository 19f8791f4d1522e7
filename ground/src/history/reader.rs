//! Reads files one after another on one thread.

use std::io::{self, Read};

use super::columns::Columns;
use super::count::Counter;
use super::records::{Next, Records};
use super::summary::{Rejected, SetAside};
use super::{History, HistoryError, HistoryFile, ReadOptions};

/// One thread's reader; its buffers serve all its files.
pub(super) struct Reader<'a> {
    history: &'a dyn History,
    options: ReadOptions,
    records: Records<Box<dyn Read + Send>>,
    pub(super) counter: Counter,
}

impl<'a> Reader<'a> {
    pub(super) fn new(history: &'a dyn History, options: ReadOptions) -> Self {
        let records = Records::new(Box::new(io::empty()) as Box<dyn Read + Send>, options.max_line_bytes);
        Self { history, options, records, counter: Counter::new(options.window) }
    }

    /// Counts the rows of one file.
    pub(super) fn read(&mut self, file: &HistoryFile) -> Result<(), HistoryError> {
        self.records.restart(self.history.open(file)?);
        let failed = |source| HistoryError::Read { file: file.name.clone(), source };
        match self.header().map_err(failed)? {
            Ok(columns) => self.rows(file, &columns)?,
            Err(reason) => {
                let aside = SetAside { file: file.name.clone(), reason };
                if self.options.strict {
                    return Err(HistoryError::StrictFile(aside));
                }
                self.counter.summary.set_aside.push(aside);
            }
        }
        self.counter.summary.files += 1;
        self.counter.summary.bytes += self.records.bytes();
        Ok(())
    }

    fn header(&mut self) -> io::Result<Result<Columns, String>> {
        self.records.skip_byte_order_mark()?;
        Ok(match self.records.next()? {
            Next::Record(header, _) => Columns::find(&header),
            Next::Bad(reason, line) => Err(format!("its header, line {line}, cannot be read: {reason}")),
            Next::End => Err("it is empty, without even a header".to_owned()),
        })
    }

    fn rows(&mut self, file: &HistoryFile, columns: &Columns) -> Result<(), HistoryError> {
        loop {
            let next = self.records.next();
            let next = next.map_err(|source| HistoryError::Read { file: file.name.clone(), source })?;
            let (outcome, line) = match next {
                Next::End => return Ok(()),
                Next::Record(row, line) => (self.counter.take(columns, &row), line),
                Next::Bad(reason, line) => (Err(reason), line),
            };
            self.counter.summary.rows += 1;
            if let Err(reason) = outcome {
                let rejected = Rejected { file: file.name.clone(), line, reason };
                if self.options.strict {
                    return Err(HistoryError::StrictRow(rejected));
                }
                self.counter.summary.reject(rejected);
            }
            // For each row: a single file may be larger than memory.
            self.counter.check_keys()?;
        }
    }
}
