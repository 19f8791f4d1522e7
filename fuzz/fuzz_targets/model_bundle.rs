//! A model bundle: taking it apart, following its hand-overs, and, as if its signature were good, opening and using its
//! body.
#![no_main]

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::model::{Limits, MAX_HAND_OVERS, Model, SignedBundle};
use cabinwatch_shared::rate::Counts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(signed) = SignedBundle::parse(bytes, &Limits::AGENT) {
        let steps: Vec<_> = signed.hand_overs().collect();
        assert!(steps.len() <= MAX_HAND_OVERS);
        // A line without a gap, which ends with the signer.
        assert!(steps.windows(2).all(|pair| pair[0].to == pair[1].from));
        assert!(steps.last().is_none_or(|last| last.to == signed.signer()));
        // Random bytes never carry a good signature, whichever key on the way is trusted.
        for key in steps.iter().map(|step| step.from).chain([signed.signer()]) {
            assert!(signed.verify(&[key]).is_err());
        }
    }
    // So the body is tried without one.
    if let Ok(model) = Model::open(bytes, &Limits::AGENT) {
        let key = FaultKey { edr_point: "DHCP", description: "no address available" };
        let _ = model.score(key, Counts { fail: 1, success: 2 });
        let _ = model.self_test();
    }
});
