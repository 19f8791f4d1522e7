//! EDR files on HDFS.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use cabinwatch_archive::{Reader, Storage, StorageError};

use super::{History, HistoryError, HistoryFile, Listing};

/// Files that are under way at once: opening one takes several answers of HDFS, whatever its size. Each holds a few
/// megabytes at most.
const UNDER_WAY: usize = 8;

pub(super) struct Remote {
    storage: Storage,
    prefix: String,
    ahead: Mutex<Ahead>,
}

/// What is read before it is asked for.
#[derive(Default)]
struct Ahead {
    /// Files to begin, in this order.
    next: VecDeque<String>,
    begun: HashMap<String, Reader>,
}

impl Remote {
    pub(super) fn new(storage: Storage, prefix: &str) -> Self {
        Self { storage, prefix: prefix.to_owned(), ahead: Mutex::default() }
    }

    fn with_ahead<T>(&self, act: impl FnOnce(&mut Ahead) -> T) -> T {
        // Nothing in it can be half done.
        act(&mut self.ahead.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ahead {
    fn begin(&mut self, storage: &Storage) -> Result<(), StorageError> {
        while self.begun.len() < UNDER_WAY {
            let Some(name) = self.next.pop_front() else { break };
            let reader = storage.read(&name)?;
            self.begun.insert(name, reader);
        }
        Ok(())
    }

    fn take(&mut self, storage: &Storage, name: &str) -> Result<Reader, StorageError> {
        let reader = match self.begun.remove(name) {
            Some(reader) => reader,
            None => {
                self.next.retain(|next| next != name);
                storage.read(name)?
            }
        };
        self.begin(storage)?;
        Ok(reader)
    }
}

impl History for Remote {
    fn list(&self) -> Result<Listing, HistoryError> {
        let failed = |error| HistoryError::List {
            folder: self.storage.url().to_owned(),
            source: io::Error::other::<StorageError>(error),
        };
        let files = self.storage.files().map_err(failed)?;
        Ok(Listing::of(files.iter().map(|file| file.name.as_str()), &self.prefix))
    }

    fn open(&self, file: &HistoryFile) -> Result<Box<dyn Read + Send>, HistoryError> {
        let reader = self.with_ahead(|ahead| ahead.take(&self.storage, &file.name));
        reader
            .map(|reader| Box::new(reader) as Box<dyn Read + Send>)
            .map_err(|error| HistoryError::Read { file: file.name.clone(), source: io::Error::other(error) })
    }

    fn will_open(&self, files: &[HistoryFile]) {
        self.with_ahead(|ahead| {
            ahead.next = files.iter().map(|file| file.name.clone()).collect();
            // What fails here fails again, and is reported, when the file is opened.
            let _ = ahead.begin(&self.storage);
        });
    }

    fn describe(&self) -> String {
        format!("{}_YYMMDD_HHMMSS*.csv in {}", self.prefix, self.storage.url())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use cabinwatch_shared::window::WindowLength;

    use super::super::{ReadOptions, aggregate, open};
    use super::*;

    /// The same code reads a local folder when it is told to, so everything but HDFS itself is tested here.
    #[test]
    fn files_from_afar_give_what_local_ones_give() {
        let folder = tempfile::tempdir().expect("a folder");
        for minute in 0..40 {
            let text = format!(
                "edr_date,edr_point,description,state\n{}",
                format!("2026-11-21 08:{minute:02}:00,AUTH,x,FAIL\n").repeat(minute + 1)
            );
            fs::write(folder.path().join(format!("e_261121_08{minute:02}00.csv")), text).expect("written");
        }
        let url = format!("file://{}", folder.path().display());
        let limit = Duration::from_secs(10);
        let local = open(&url, "e", limit).expect("opened");
        let remote = Remote::new(Storage::open(&url, limit).expect("opened"), "e");
        let listing = remote.list().expect("listed");
        assert_eq!(listing, local.list().expect("listed"));
        let options = ReadOptions { window: WindowLength::FIVE_MINUTES, max_line_bytes: 1000, strict: true };
        let read =
            |history: &dyn History| aggregate(history, &listing.files, &options, &|| ()).expect("counted");
        assert_eq!(read(&remote), read(&*local));
        assert!(remote.with_ahead(|ahead| ahead.begun.is_empty() && ahead.next.is_empty()));
    }
}
