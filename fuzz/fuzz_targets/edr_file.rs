//! An EDR file, lenient and strict.
#![no_main]

use std::io::{Cursor, Read};

use cabinwatch_ground::history::{History, HistoryError, HistoryFile, Listing, ReadOptions, aggregate};
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::window::WindowLength;
use libfuzzer_sys::fuzz_target;

/// A folder of one file.
struct OneFile(Vec<u8>);

impl History for OneFile {
    fn list(&self) -> Result<Listing, HistoryError> {
        Ok(Listing { files: vec![file()], ..Listing::default() })
    }

    fn open(&self, _: &HistoryFile) -> Result<Box<dyn Read + Send>, HistoryError> {
        Ok(Box::new(Cursor::new(self.0.clone())))
    }

    fn describe(&self) -> String {
        "random bytes".to_owned()
    }
}

fn file() -> HistoryFile {
    HistoryFile { name: "edr_260101_000000.csv".to_owned(), cut: UnixSeconds(1_767_225_600) }
}

fuzz_target!(|bytes: &[u8]| {
    let folder = OneFile(bytes.to_vec());
    for strict in [false, true] {
        let options = ReadOptions { window: WindowLength::FIVE_MINUTES, max_line_bytes: 1000, strict };
        let _ = aggregate(&folder, &[file()], &options, &|| ());
    }
});
