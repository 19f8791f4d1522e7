//! The window archive: every window that is stored, as Parquet by day.
//!
//! Rows are there to stay before their frames are committed, so each is there at least once; readers of the archive
//! see it once. `docs/archive.md` tells more.

use std::time::Duration;

use cabinwatch_archive::StorageError;
use cabinwatch_archive::windows::{Head, Rows, WindowArchive};

use crate::tables::ScoredWindow;

/// Why the archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The configured URL.
    #[error("ingest.archive: {0}")]
    Url(StorageError),
    /// It cannot be written.
    #[error("cannot write the window archive: {0}")]
    Write(StorageError),
}

/// The archive that the configuration names.
#[derive(Debug)]
pub(super) struct Archive(WindowArchive);

impl Archive {
    /// Opens the archive; none for no URL. A server that is away is no error yet: it is waited for when there is
    /// something to write.
    pub fn open(url: &str, limit: Duration) -> Result<Option<Self>, ArchiveError> {
        if url.is_empty() {
            return Ok(None);
        }
        WindowArchive::open(url, limit).map(|archive| Some(Self(archive))).map_err(ArchiveError::Url)
    }

    /// Writes the windows and waits until they are there to stay.
    pub fn append(&self, windows: &[ScoredWindow]) -> Result<(), ArchiveError> {
        let mut rows = Rows::default();
        for scored in windows {
            let head = Head {
                tail: scored.tail.clone(),
                window: scored.window,
                model: scored.model,
                version: scored.version.0,
            };
            let failures = scored.rows.iter().map(|row| (row.key(), row.counts));
            let points = scored.points.iter().map(|(point, success)| (point.as_str(), *success));
            rows.push(&head, failures, points);
        }
        self.0.append(rows).map_err(ArchiveError::Write)
    }
}

#[cfg(test)]
mod tests {
    use cabinwatch_archive::windows::{Counted, Period};
    use cabinwatch_shared::time::UnixSeconds;

    use super::*;
    use crate::tables::examples;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn failures_and_the_successes_of_all_points_come_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let url = format!("file://{}", dir.path().join("archive").display());
        let archive = Archive::open(&url, LIMIT).expect("opened").expect("a URL");
        archive.append(&[examples::window("TC-JJA", 0), examples::window("TC-JJB", 300)]).expect("written");
        let (mut fails, mut successes) = (Vec::new(), Vec::new());
        let period = Period { from: UnixSeconds(0), until: UnixSeconds(86_400) };
        let days = archive.0.days().expect("listed");
        let take = |count: cabinwatch_archive::windows::Count<'_>| match count.of {
            Counted::Failures(key, fail) => fails.push((count.start.0, key.description.to_owned(), fail)),
            Counted::Successes(point, success) => successes.push((count.start.0, point.to_owned(), success)),
        };
        archive.0.counts(&days, period, take, || ()).expect("read");
        fails.sort();
        successes.sort();
        let fail = |start, text: &str, fail| (start, text.to_owned(), fail);
        let both = |start| [fail(start, "no address, none", 9), fail(start, "refused", 1)];
        assert_eq!(fails, [both(0), both(300)].concat());
        let points = |start| [fail(start, "DHCP", 1), fail(start, "DNS", 99), fail(start, "PORTAL", 7)];
        assert_eq!(successes, [points(0), points(300)].concat());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let url = format!("file://{}", file.path().join("archive").display());
        let archive = Archive::open(&url, LIMIT).expect("opened").expect("a URL");
        let error = archive.append(&[examples::window("TC-JJA", 0)]).expect_err("refused").to_string();
        assert!(error.contains(&file.path().display().to_string()), "{error}");
    }

    #[test]
    fn no_url_means_no_archive_and_a_wrong_one_says_what_to_write() {
        assert!(Archive::open("", LIMIT).expect("nothing to open").is_none());
        let error = Archive::open("s3://bucket", LIMIT).expect_err("refused").to_string();
        assert!(error.starts_with("ingest.archive:") && error.contains("hdfs://host:port/dir"), "{error}");
    }
}
