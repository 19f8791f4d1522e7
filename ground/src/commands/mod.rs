//! The subcommands: each takes its configuration and flags, does its work through the library, and prints.

pub mod archive;
pub mod broker;
pub mod broker_config;
pub mod check_config;
pub mod demo;
pub mod detect;
mod duration;
pub mod ingest;
pub mod keygen;
pub mod logging;
pub mod model;
pub mod output;
pub mod progress;
pub mod promote;
pub mod publish;
mod read_history;
pub mod release;
pub mod report;
pub mod retrain;
pub mod retrain_telemetry;
pub mod serve;
mod shell;
pub mod simulate;
pub mod stream;
pub mod tables;
