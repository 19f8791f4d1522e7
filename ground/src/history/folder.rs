//! EDR files in a local folder.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;

use super::{History, HistoryError, HistoryFile, Listing};

pub(super) struct Folder {
    path: PathBuf,
    prefix: String,
}

impl Folder {
    pub(super) fn new(path: PathBuf, prefix: &str) -> Self {
        Self { path, prefix: prefix.to_owned() }
    }
}

impl History for Folder {
    fn list(&self) -> Result<Listing, HistoryError> {
        let failed = |source| HistoryError::List { folder: self.path.display().to_string(), source };
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // Not the entry's own type: a link to a file is a file.
            if fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir()) {
                continue;
            }
            // A name that is not UTF-8 follows no pattern of ours, with its odd bytes or without.
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        Ok(Listing::of(names.iter().map(String::as_str), &self.prefix))
    }

    fn open(&self, file: &HistoryFile) -> Result<Box<dyn Read + Send>, HistoryError> {
        let path = self.path.join(&file.name);
        match File::open(&path) {
            Ok(open) => Ok(Box::new(open)),
            Err(source) => Err(HistoryError::Read { file: path.display().to_string(), source }),
        }
    }

    fn describe(&self) -> String {
        format!("{}_YYMMDD_HHMMSS*.csv in {}", self.prefix, self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_folder_lists_its_files_oldest_first_and_counts_the_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = [
            "e_261121_081000_b.csv",
            "e_261121_081000_a.csv",
            "e_261120_235959.csv",
            "e_269921_000000.csv",
            "x",
        ];
        names.iter().for_each(|name| fs::write(folder.path().join(name), "").expect("written"));
        fs::create_dir(folder.path().join("e_261121_090000.csv")).expect("a folder");
        let listing = Folder::new(folder.path().to_owned(), "e").list().expect("a listing");
        let listed: Vec<_> = listing.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(listed, ["e_261120_235959.csv", "e_261121_081000_a.csv", "e_261121_081000_b.csv"]);
        assert_eq!(listing.other_files, 1);
        assert_eq!(listing.bad_names.len(), 1);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = Folder::new(PathBuf::from("/no/such/folder"), "e").list().expect_err("refused");
        assert!(error.to_string().contains("/no/such/folder"), "{error}");
    }

    #[test]
    fn urls_that_name_no_folder_say_what_to_write() {
        for (url, says) in [
            ("", "--history"),
            ("/data/edr", "file:///data/edr"),
            ("s3://bucket/edr", "`s3` is not supported"),
            ("file://elsewhere/edr", "no local path"),
        ] {
            let error = super::super::open(url, "e", Duration::from_secs(1)).err().expect("refused");
            assert!(error.is_usage() && error.to_string().contains(says), "{url}: {error}");
        }
    }
}
