//! A dump of scikit-learn's trees; what is taken must open as a forest and score.
#![no_main]

use cabinwatch_ground::train::import_sklearn_json;
use cabinwatch_shared::forest::Forest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok((parts, _)) = import_sklearn_json(text) {
        let (forest, _) = Forest::open(parts.shape, &parts.bytes).expect("an imported forest opens");
        let _ = forest.score(&[50.0]);
    }
});
