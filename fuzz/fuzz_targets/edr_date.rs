//! The text of an `edr_date`.
#![no_main]

use cabinwatch_shared::time::UnixMillis;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(at) = UnixMillis::parse(text) {
        let _ = at.seconds();
    }
});
