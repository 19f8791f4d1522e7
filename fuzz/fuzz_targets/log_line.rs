//! Log lines of the gateway's daemons, by the shipped rules.
#![no_main]

use std::sync::{Arc, LazyLock};

use cabinwatch_agent::rules::{Hints, Interpreter, RuleSet};
use cabinwatch_shared::time::UnixMillis;
use libfuzzer_sys::fuzz_target;

static RULES: LazyLock<Arc<RuleSet>> =
    LazyLock::new(|| Arc::new(RuleSet::shipped().expect("the shipped rules are good")));

fuzz_target!(|text: &str| {
    let mut interpreter = Interpreter::new(Arc::clone(&RULES), Hints::default());
    for line in text.lines() {
        interpreter.interpret(line, UnixMillis(1_795_248_604_747), &mut |event| {
            assert!(!event.key.edr_point.is_empty());
        });
    }
});
