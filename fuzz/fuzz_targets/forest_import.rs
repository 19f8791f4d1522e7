//! An exported forest of scikit-learn's; what is taken must open as a forest and score.
#![no_main]

use cabinwatch_ground::train::import::read_forest;
use cabinwatch_shared::forest::Forest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    if let Ok(imported) = read_forest(json) {
        let parts = &imported.parts;
        let (forest, _) = Forest::open(parts.shape, &parts.bytes).expect("an imported forest opens");
        let _ = forest.score(&[50.0]);
    }
});
