//! Events as producers write them, for what measures many of them.

use std::fmt::{Display, Write as _};

const FAULTS: [(&str, &str); 8] = [
    ("DHCP", "no address available"),
    ("DNS", "lookup timed out"),
    ("WIFI", "wrong passphrase"),
    ("AUTH", "client rejected"),
    ("PORTAL", "page not served"),
    ("SATLINK", "no carrier"),
    ("RADIUS", "auth refused"),
    ("IFE", "no answer from server"),
];

/// Writes the event of this number in place of what the line held. One in fifty is a failure.
pub fn write_event(line: &mut String, number: u64, edr_date: impl Display) {
    let (point, description) = FAULTS[(number.wrapping_mul(2_654_435_761) >> 29) as usize % FAULTS.len()];
    let state = if number.is_multiple_of(50) { "FAIL" } else { "SUCCESS" };
    line.clear();
    // Writing to a String cannot fail.
    let _ = write!(
        line,
        r#"{{"edr_date":"{edr_date}","edr_point":"{point}","description":"{description}","state":"{state}"}}"#
    );
}
