//! The attached CSV: the confirmed anomalies, with exactly the columns of the tables.

use super::ReportError;
use super::digest::Digest;
use crate::tables::TableRow;

/// Its name in the mail.
pub(super) const FILE_NAME: &str = "anomalies.csv";
/// Most rows; 50,000 are about 10 MB, the most that mail servers commonly take.
pub(super) const MAX_ROWS: usize = 50_000;

/// The attachment, and how many rows had to be left out.
pub(super) struct Attachment {
    /// UTF-8, comma-separated, with a header.
    pub csv: Vec<u8>,
    /// Rows beyond [`MAX_ROWS`]: those of the faults with the lowest z scores.
    pub left_out: u64,
}

/// Writes the confirmed rows in the order of the tables: by start, tail, point and description.
pub(super) fn write(digest: &Digest) -> Result<Attachment, ReportError> {
    let mut rows: Vec<&TableRow> = digest.confirmed().take(MAX_ROWS).collect();
    let left_out = digest.alarms.confirmed.saturating_sub(rows.len() as u64);
    rows.sort_by(|left, right| {
        (left.start, &left.tail, left.key()).cmp(&(right.start, &right.tail, right.key()))
    });
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(TableRow::COLUMNS)?;
    for row in rows {
        writer.write_record(row.cells().iter().map(ToString::to_string))?;
    }
    let csv = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(Attachment { csv, left_out })
}
