//! EDR files as users have them, small and simple. `tests/parity` makes the nasty ones.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The header of today's files.
pub const HEADER: &str = "edr_date,edr_point,description,state\n";

/// Writes an EDR file named after the time it was cut at, `YYMMDD_HHMMSS`.
///
/// # Panics
/// When it cannot be written.
pub fn write(folder: &Path, cut: &str, content: impl AsRef<[u8]>) -> PathBuf {
    fs::create_dir_all(folder).expect("the folder can be made");
    let path = folder.join(format!("thy_wifi_edr_{cut}.csv"));
    fs::write(&path, content).expect("the file can be written");
    path
}

/// One hour of rows, twelve windows: at two points a failure rate that goes up and down a little, window by window.
/// `date` is `YYYY-MM-DD`.
#[must_use]
pub fn calm_hour(date: &str, hour: u32) -> String {
    let mut rows = HEADER.to_owned();
    for window in 0..12 {
        for (point, description) in [("DHCP", "no address available"), ("AUTH", "EAP timeout")] {
            append(&mut rows, date, hour, window, (point, description), 1 + window % 3, 30 + window % 5);
        }
    }
    rows
}

/// Appends one window's attempts at one key, one a second.
pub fn append(
    rows: &mut String,
    date: &str,
    hour: u32,
    window: u32,
    key: (&str, &str),
    fails: u32,
    successes: u32,
) {
    for second in 0..fails + successes {
        let state = if second < fails { "FAIL" } else { "SUCCESS" };
        let (minute, second) = (window * 5 + second / 60, second % 60);
        // Writing to a String cannot fail.
        let _ = writeln!(rows, "{date} {hour:02}:{minute:02}:{second:02},{},{},{state}", key.0, key.1);
    }
}
