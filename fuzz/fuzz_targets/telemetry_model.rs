//! A telemetry model, as if its checksum were good; what is taken must score.
#![no_main]

use cabinwatch_ground::telemetry::{Scorer, read_event};
use libfuzzer_sys::fuzz_target;

const EVENT: &[u8] = br#"{"timestamp":"","process_path":"","process_hash":"","source_ip":"","dest_ip":"","dest_port":443,
    "bytes_sent":1,"bytes_recv":2,"protocol":"TCP"}"#;

fuzz_target!(|content: &[u8]| {
    let mut file = b"CWTM\x01".to_vec();
    file.extend(crc32fast::hash(content).to_le_bytes());
    file.extend(content);
    if let Ok(scorer) = Scorer::from_bytes(&file) {
        let event = read_event(EVENT).expect("an event");
        let scored = scorer.score(&event);
        assert!((-1.0..=1.0).contains(&scored.decision.0));
        let _ = scored.contributions();
    }
});
