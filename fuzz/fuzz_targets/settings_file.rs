//! A configuration file of either program.
#![no_main]

use cabinwatch_settings::Layers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("cabinwatch-fuzz-settings-{}.toml", std::process::id()));
    std::fs::write(&path, bytes).expect("the temporary folder can be written");
    let agent = cabinwatch_agent::config::Config::default();
    if let Ok(layers) = Layers::over(&agent).and_then(|layers| layers.file(&path)) {
        let _ = layers.load::<cabinwatch_agent::config::Config>();
    }
    let ground = cabinwatch_ground::config::Config::default();
    if let Ok(layers) = Layers::over(&ground).and_then(|layers| layers.file(&path)) {
        let _ = layers.load::<cabinwatch_ground::config::Config>();
    }
});
