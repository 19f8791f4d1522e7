//! A model bundle: taking it apart, and, as if its signature were good, opening and using its body.
#![no_main]

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::model::{Limits, Model, SignedBundle};
use cabinwatch_shared::rate::Counts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = SignedBundle::parse(bytes, &Limits::AGENT);
    // Random bytes never carry a good signature, so the body is tried without one.
    if let Ok(model) = Model::open(bytes, &Limits::AGENT) {
        let key = FaultKey { edr_point: "DHCP", description: "no address available" };
        let _ = model.score(key, Counts { fail: 1, success: 2 });
        let _ = model.self_test();
    }
});
