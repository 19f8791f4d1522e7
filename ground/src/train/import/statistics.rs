//! zscore_stats.csv as today's pipeline leaves it: one file, or a folder of part files as Spark writes it.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::model::Limits;
use cabinwatch_shared::zscore::KeyStatistics;

use super::csv_dialect::{Malformed, Record, parse};

const COLUMNS: [&str; 3] = ["fault_key", "mean_rate", "std_rate"];
/// Between a point and its description.
const SEPARATOR: &str = " | ";
/// Rates have two decimals, so rates that differ have a deviation far above this. What lies below is what is left of
/// adding up equal rates in floating point.
const NO_DEVIATION: f64 = 1e-9;
/// Larger than the file of as many keys as the ground takes.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Why the statistics could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum StatisticsError {
    /// A file or folder that can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file beyond every limit.
    #[error("{}: the file is larger than {} MiB", .0.display(), MAX_FILE_BYTES >> 20)]
    TooLarge(PathBuf),
    /// A folder without part files.
    #[error("{}: the folder holds no part-*.csv file; unpack them if they are compressed", .0.display())]
    NoParts(PathBuf),
    /// Not one key in all files.
    #[error("{}: there is no fault key", .0.display())]
    NoKeys(PathBuf),
    /// A line that can't be taken.
    #[error("{}:{line}: {reason}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
}

/// One row of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct StatisticsRow {
    /// The points and descriptions it may mean; at least one. `A | B | c` is the description `B | c` at the point `A`,
    /// or `c` at `A | B`: the text does not say which, so it stands for both.
    pub keys: Vec<(String, String)>,
    /// Its figures.
    pub statistics: KeyStatistics,
}

/// Reads `zscore_stats.csv`. Every pair of point and description stands in one row at most.
///
/// # Errors
/// Names the file and the line that can't be taken.
pub fn read_statistics(path: &Path) -> Result<Vec<StatisticsRow>, StatisticsError> {
    let mut rows = Vec::new();
    let mut places: HashMap<(String, String), (PathBuf, u64)> = HashMap::new();
    for file in files(path)? {
        let error = |line, reason| StatisticsError::Line { file: file.clone(), line, reason };
        for (line, row) in read_file(&file)? {
            for key in &row.keys {
                if let Some((first, at)) = places.insert(key.clone(), (file.clone(), line)) {
                    let reason = format!(
                        "the fault key `{} | {}` stands in {}:{at} already",
                        key.0,
                        key.1,
                        first.display()
                    );
                    return Err(error(line, reason));
                }
            }
            if places.len() > Limits::GROUND.keys as usize {
                return Err(error(line, format!("there are more than {} fault keys", Limits::GROUND.keys)));
            }
            rows.push(row);
        }
    }
    if rows.is_empty() { Err(StatisticsError::NoKeys(path.to_owned())) } else { Ok(rows) }
}

/// The file itself, or the part files of a folder in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, StatisticsError> {
    let failed = |source| StatisticsError::Read { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut parts = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        // Spark's checksums are called .part-*.csv.crc, its mark of success _SUCCESS.
        if name.to_str().is_some_and(|name| name.starts_with("part-") && name.ends_with(".csv")) {
            parts.push(entry.path());
        }
    }
    parts.sort();
    if parts.is_empty() { Err(StatisticsError::NoParts(path.to_owned())) } else { Ok(parts) }
}

fn read_file(file: &Path) -> Result<Vec<(u64, StatisticsRow)>, StatisticsError> {
    let failed = |source| StatisticsError::Read { path: file.to_owned(), source };
    if fs::metadata(file).map_err(failed)?.len() > MAX_FILE_BYTES {
        return Err(StatisticsError::TooLarge(file.to_owned()));
    }
    let bytes = fs::read(file).map_err(failed)?;
    let at = |line, reason| StatisticsError::Line { file: file.to_owned(), line, reason };
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        at(1 + before.iter().filter(|byte| **byte == b'\n').count() as u64, "it is not UTF-8".to_owned())
    })?;
    let records = parse(text.trim_start_matches('\u{feff}'))
        .map_err(|Malformed { line, reason }| at(line, reason.to_owned()))?;
    let mut records = records.into_iter();
    // Spark leaves an empty file where a partition has no row.
    let Some(header) = records.next() else { return Ok(Vec::new()) };
    let columns = columns(&header).map_err(|reason| at(header.line, reason))?;
    let row = |record: Record| {
        let line = record.line;
        let row = statistics_row(&record, header.fields.len(), columns).map_err(|reason| at(line, reason))?;
        Ok((line, row))
    };
    records.map(row).collect()
}

/// Where the three columns are; others are left alone.
fn columns(header: &Record) -> Result<[usize; 3], String> {
    let mut places = [0; 3];
    for (place, name) in places.iter_mut().zip(COLUMNS) {
        let mut found = header.fields.iter().enumerate().filter(|(_, field)| field.trim() == name);
        *place = match (found.next(), found.next()) {
            (Some((place, _)), None) => place,
            (None, _) => {
                return Err(format!("the header has no column `{name}`; expected {}", COLUMNS.join(",")));
            }
            (Some(_), Some(_)) => return Err(format!("the header has the column `{name}` twice")),
        };
    }
    Ok(places)
}

fn statistics_row(record: &Record, width: usize, columns: [usize; 3]) -> Result<StatisticsRow, String> {
    if record.fields.len() != width {
        return Err(format!("it has {} fields, the header has {width}", record.fields.len()));
    }
    let [key, mean, deviation] = columns.map(|column| record.fields.get(column).map_or("", String::as_str));
    let mean_rate = number(mean).filter(|mean| (0.0..=100.0).contains(mean));
    let mean_rate =
        mean_rate.ok_or_else(|| format!("mean_rate is `{mean}`; expected a rate in percent, 0 to 100"))?;
    let std_rate = match deviation.trim() {
        // pandas and Spark 3.1 leave it empty where there is one row, older ones write no number.
        "" => None,
        text if ["nan", "null"].contains(&text.to_ascii_lowercase().as_str()) => None,
        text => Some(
            number(text)
                .filter(|deviation| *deviation >= 0.0)
                .ok_or_else(|| format!("std_rate is `{text}`; expected a number from 0, or nothing"))?,
        ),
    };
    let std_rate = std_rate.map(|deviation| if deviation < NO_DEVIATION { 0.0 } else { deviation });
    let keys = pairs(key);
    if keys.is_empty() {
        return Err(format!("the fault key `{key}` has no `{SEPARATOR}` between point and description"));
    }
    // The file does not say how many rows there were: one without a deviation, else two at least.
    let samples = if std_rate.is_some() { 2 } else { 1 };
    Ok(StatisticsRow { keys, statistics: KeyStatistics { samples, mean_rate, std_rate } })
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// Every point and description that print as this text.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |point: &str, description: &str| (point.to_owned(), description.to_owned());
    let found: Vec<_> = text
        .match_indices('|')
        .filter_map(|(at, _)| {
            let (point, description) = (text[..at].strip_suffix(' ')?, text[at + 1..].strip_prefix(' ')?);
            Some(pair(point, description))
        })
        .collect();
    if !found.is_empty() {
        return found;
    }
    // Spark trims what it writes, and with it half of the separator where one side is empty.
    let without_description = text.strip_suffix(" |").map(|point| pair(point, ""));
    let without_point = text.strip_prefix("| ").map(|description| pair("", description));
    without_description.or(without_point).into_iter().collect()
}

impl StatisticsRow {
    /// The row's keys.
    pub fn fault_keys(&self) -> impl Iterator<Item = FaultKey<'_>> {
        self.keys.iter().map(|(edr_point, description)| FaultKey { edr_point, description })
    }
}

#[cfg(test)]
mod tests;
