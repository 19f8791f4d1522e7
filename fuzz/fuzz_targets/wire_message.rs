//! A message from the aircraft: envelope, head, frames, and every row of every frame.
#![no_main]

use cabinwatch_shared::wire::{Envelope, Frame, Frames};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    let content = Envelope::parse(payload).map_or(payload, |envelope| envelope.content);
    let Ok((_, frames)) = Frames::parse(content) else { return };
    for frame in frames {
        let Ok(head) = frame else { break };
        if let Ok(Frame::Window(window)) = head.decode() {
            for row in window.known.iter() {
                let _ = row;
            }
        }
    }
});
