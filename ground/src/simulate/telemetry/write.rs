//! Telemetry as a CSV file, and which of its rows are odd as another.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use cabinwatch_shared::time::UnixMillis;

use super::super::SimulateError;
use super::{Odd, Telemetry, TelemetryPlan, TelemetryRow};

/// The columns, in the order that today's users have them.
pub const COLUMNS: [&str; 13] = [
    "timestamp",
    "process_path",
    "process_hash",
    "source_ip",
    "dest_ip",
    "dest_domain",
    "dest_port",
    "bytes_sent",
    "bytes_recv",
    "protocol",
    "dns_query",
    "parent_process",
    "user_context",
];

/// Which files to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryFiles {
    /// The telemetry.
    pub data: PathBuf,
    /// Which of its rows are odd, counted from 1 as the data's first row, and what they are.
    pub labels: PathBuf,
}

/// Writes telemetry and labels; their folders are made where they are not there. `after_row` is called after each row.
/// Returns how many rows are odd.
///
/// # Errors
/// When a file cannot be written.
pub fn write_telemetry(
    plan: TelemetryPlan,
    files: &TelemetryFiles,
    mut after_row: impl FnMut(),
) -> Result<u64, SimulateError> {
    let mut data = Table::create(&files.data, &COLUMNS)?;
    let mut labels = Table::create(&files.labels, &["row", "kind"])?;
    let mut odd_rows = 0;
    for (number, row) in (1_u64..).zip(Telemetry::new(plan)) {
        data.write(&cells(&row))?;
        if let Some(odd) = row.odd {
            labels.write(&[number.to_string(), Odd::as_str(odd).to_owned()])?;
            odd_rows += 1;
        }
        after_row();
    }
    data.finish()?;
    labels.finish()?;
    Ok(odd_rows)
}

fn cells(row: &TelemetryRow) -> [String; COLUMNS.len()] {
    let flow = &row.flow;
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    [
        instant(row.at),
        flow.program.path.to_owned(),
        flow.program.hash(),
        flow.source.to_string(),
        flow.destination.to_string(),
        text(flow.domain),
        flow.port.to_string(),
        flow.sent.to_string(),
        flow.received.to_string(),
        flow.protocol.to_owned(),
        flow.dns_query.clone().unwrap_or_default(),
        text(flow.program.parent),
        text(flow.program.user),
    ]
}

/// Always with milliseconds: readers that guess a column's format want one for all rows.
fn instant(at: UnixMillis) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(timestamp) => format!("{timestamp:.3}"),
        Err(_) => at.to_string(),
    }
}

/// A CSV file under way.
struct Table {
    path: PathBuf,
    writer: csv::Writer<BufWriter<File>>,
}

impl Table {
    fn create(path: &Path, header: &[&str]) -> Result<Self, SimulateError> {
        let create = || {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            File::create(path)
        };
        let file = create().map_err(|source| SimulateError::Write { path: path.to_owned(), source })?;
        let writer = csv::Writer::from_writer(BufWriter::with_capacity(1 << 16, file));
        let mut table = Self { path: path.to_owned(), writer };
        table.write(header)?;
        Ok(table)
    }

    fn write(&mut self, cells: &[impl AsRef<[u8]>]) -> Result<(), SimulateError> {
        let written = self.writer.write_record(cells).map_err(io::Error::from);
        written.map_err(|source| self.failed(source))
    }

    fn finish(mut self) -> Result<(), SimulateError> {
        self.writer.flush().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> SimulateError {
        SimulateError::Write { path: self.path.clone(), source }
    }
}
