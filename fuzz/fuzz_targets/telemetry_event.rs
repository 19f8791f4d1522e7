//! The body of a telemetry event. What is read must be read again from what it is written as; what is refused must be
//! told in JSON.
#![no_main]

use cabinwatch_ground::telemetry::read_event;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| match read_event(body) {
    Ok(event) => {
        let written = serde_json::to_vec(&event).expect("an event is JSON");
        assert_eq!(read_event(&written).expect("an event"), event);
    }
    Err(problems) => {
        assert!(!problems.is_empty());
        serde_json::to_vec(&problems).expect("problems are JSON");
    }
});
