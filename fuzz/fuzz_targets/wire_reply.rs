//! The ground's acknowledgement and the agent's status; what decodes is written as the same value again.
#![no_main]

use cabinwatch_shared::wire::{Committed, LinkState};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    if let Ok(committed) = Committed::parse(payload) {
        let mut written = Vec::new();
        committed.write(&mut written).expect("a value is written");
        assert_eq!(Committed::parse(&written), Ok(committed));
    }
    if let Ok(state) = LinkState::parse(payload) {
        let mut written = Vec::new();
        state.write(&mut written).expect("a value is written");
        assert_eq!(LinkState::parse(&written), Ok(state));
    }
});
