//! A datagram of the event socket.
#![no_main]

use cabinwatch_agent::sources::json;
use cabinwatch_shared::time::UnixMillis;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    if let (_, Ok(event)) = json::parse(datagram, UnixMillis(0)) {
        assert!(!event.event().key.edr_point.is_empty());
    }
});
