//! The subcommands: each takes its configuration and flags, does its work through the library, and prints.

pub mod demo;
pub mod detect;
pub mod keygen;
pub mod progress;
mod read_history;
pub mod report;
pub mod retrain;
pub mod simulate;
