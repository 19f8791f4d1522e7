//! A rule file.
#![no_main]

use cabinwatch_agent::rules::RuleSet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("cabinwatch-fuzz-rules-{}.toml", std::process::id()));
    std::fs::write(&path, bytes).expect("the temporary folder can be written");
    let _ = RuleSet::load(&[path]);
});
