//! The window archive: every stored row as CSV, one file a day of windows and run of the process.
//!
//! Rows are on disk before their frames are committed, so each is there at least once. A crash in between leaves a
//! row twice, and may leave the last line of a file cut short: readers drop such a line and rows they have seen.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use cabinwatch_shared::time::UnixSeconds;

use crate::tables::ScoredWindow;

/// The first line of each file.
const HEADER: [&str; 8] =
    ["tail", "start_time", "length_seconds", "edr_point", "description", "fail", "success", "model_version"];
/// Most files open at once; a backlog spans a handful of days.
const MAX_OPEN: usize = 16;
const DAY: i64 = 86_400;

/// Why the archive could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the window archive {}: {source}", path.display())]
pub struct ArchiveError {
    path: PathBuf,
    source: io::Error,
}

/// Day files in one folder.
#[derive(Debug)]
pub(super) struct Archive {
    dir: PathBuf,
    run: String,
    files: BTreeMap<i64, DayFile>,
}

#[derive(Debug)]
struct DayFile {
    path: PathBuf,
    file: File,
    /// Bytes that are known to be whole lines on disk.
    good: u64,
}

impl Archive {
    /// Opens the archive in a folder, which is made if it is not there.
    pub fn open(dir: &Path) -> Result<Self, ArchiveError> {
        std::fs::create_dir_all(dir).map_err(|source| ArchiveError { path: dir.to_owned(), source })?;
        // The process number tells runs apart that start in the same nanosecond.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let run = format!("{:x}-{:x}", since_epoch.as_nanos(), std::process::id());
        Ok(Self { dir: dir.to_owned(), run, files: BTreeMap::new() })
    }

    /// Appends the windows' rows and waits until they are on disk.
    pub fn append(&mut self, windows: &[ScoredWindow]) -> Result<(), ArchiveError> {
        let mut days: BTreeMap<i64, Vec<u8>> = BTreeMap::new();
        for window in windows.iter().filter(|window| !window.rows.is_empty()) {
            let day = days.entry(window.window.start().0.div_euclid(DAY)).or_default();
            write_rows(window, day).map_err(|source| ArchiveError { path: self.dir.clone(), source })?;
        }
        for (day, lines) in days {
            self.append_to(day, &lines)?;
        }
        Ok(())
    }

    fn append_to(&mut self, day: i64, lines: &[u8]) -> Result<(), ArchiveError> {
        if !self.files.contains_key(&day) {
            if self.files.len() >= MAX_OPEN {
                self.files.pop_first();
            }
            let file = self.create(day)?;
            self.files.insert(day, file);
        }
        match self.files.get_mut(&day) {
            Some(file) => file.append(lines),
            None => Ok(()),
        }
    }

    fn create(&self, day: i64) -> Result<DayFile, ArchiveError> {
        let date = UnixSeconds(day * DAY).to_string();
        let date = date.split_once('T').map_or(date.as_str(), |(date, _)| date);
        let path = self.dir.join(format!("windows-{date}-{}.csv", self.run));
        let open = || -> io::Result<(File, u64)> {
            let file = OpenOptions::new().append(true).create(true).open(&path)?;
            // The file's name must survive as well as its lines.
            File::open(&self.dir)?.sync_all()?;
            let good = file.metadata()?.len();
            Ok((file, good))
        };
        let (file, good) = open().map_err(|source| ArchiveError { path: path.clone(), source })?;
        let mut day_file = DayFile { path, file, good };
        if good == 0 {
            day_file.append(format!("{}\n", HEADER.join(",")).as_bytes())?;
        }
        Ok(day_file)
    }
}

impl DayFile {
    fn append(&mut self, lines: &[u8]) -> Result<(), ArchiveError> {
        let written = self.file.write_all(lines).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.good += lines.len() as u64;
                Ok(())
            }
            Err(source) => {
                // Half a line must not stand in front of the next attempt's. If even that fails, readers cope.
                let _ = self.file.set_len(self.good);
                Err(ArchiveError { path: self.path.clone(), source })
            }
        }
    }
}

fn write_rows(window: &ScoredWindow, out: &mut Vec<u8>) -> io::Result<()> {
    let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(out);
    let start = window.window.start().to_string();
    let length = window.window.length().as_seconds().to_string();
    let model = window.model.0.to_string();
    for row in &window.rows {
        let (fail, success) = (row.counts.fail.to_string(), row.counts.success.to_string());
        csv.write_record([
            window.tail.as_str(),
            &start,
            &length,
            &row.edr_point,
            &row.description,
            &fail,
            &success,
            &model,
        ])?;
    }
    csv.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::examples;

    fn files(dir: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = std::fs::read_dir(dir)
            .expect("a folder")
            .map(|entry| {
                let path = entry.expect("an entry").path();
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                (name, std::fs::read_to_string(&path).expect("text"))
            })
            .collect();
        files.sort();
        files
    }

    #[test]
    fn rows_lie_in_the_file_of_their_windows_day() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut archive = Archive::open(dir.path()).expect("opened");
        let (first, second) = (examples::window("TC-JJA", 0), examples::window("TC-JJA", DAY));
        archive.append(&[first, second]).expect("written");
        archive.append(&[examples::window("TC-JJB", 300)]).expect("written");
        let files = files(dir.path());
        assert_eq!(files.len(), 2);
        assert!(files[0].0.starts_with("windows-1970-01-01-"), "{}", files[0].0);
        let expected = "tail,start_time,length_seconds,edr_point,description,fail,success,model_version\n\
             TC-JJA,1970-01-01T00:00:00Z,300,DHCP,\"no address, none\",9,1,3\n\
             TC-JJA,1970-01-01T00:00:00Z,300,DNS,refused,1,99,3\n\
             TC-JJB,1970-01-01T00:05:00Z,300,DHCP,\"no address, none\",9,1,3\n\
             TC-JJB,1970-01-01T00:05:00Z,300,DNS,refused,1,99,3\n";
        assert_eq!(files[0].1, expected);
    }

    #[test]
    fn each_run_writes_files_of_its_own() {
        let dir = tempfile::tempdir().expect("a folder");
        for _ in 0..2 {
            let mut archive = Archive::open(dir.path()).expect("opened");
            archive.append(&[examples::window("TC-JJA", 0)]).expect("written");
        }
        assert_eq!(files(dir.path()).len(), 2);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = Archive::open(&file.path().join("archive")).expect_err("refused").to_string();
        assert!(error.contains(&file.path().display().to_string()), "{error}");
    }
}
