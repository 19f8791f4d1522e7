//! What the aircraft and the ground agree on, and nothing else: events and the windows they fall into,
//! the detectors that score a window, the signed model bundle, and the bytes on the wire.
//!
//! The crate needs neither `std` nor an allocator: the agent scores on memory it already holds, and the
//! ground calls the very same code, so that a verdict does not depend on where it was reached.
//!
//! | module | what |
//! | --- | --- |
//! | [`time`] | instants, and how an `edr_date` is read |
//! | [`event`] | one observation of a passenger's journey |
//! | [`fault_key`], [`tail`] | the identities rows are keyed by |
//! | [`window`], [`rate`] | tumbling windows, counts and rates with their exact rounding |
//! | [`zscore`], [`forest`] | the detectors |
//! | [`verdict`] | what the detectors say of one row |
//! | [`model`] | the signed bundle that carries statistics and forest |
//! | [`wire`] | frames, messages and acknowledgements |
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod bytes;
pub mod event;
pub mod fault_key;
pub mod forest;
pub mod model;
pub mod rate;
pub mod tail;
pub mod time;
pub mod verdict;
pub mod window;
pub mod wire;
pub mod zscore;
