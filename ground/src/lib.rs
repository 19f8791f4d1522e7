//! The ground service.
//!
//! Two ways lead into the same [`tables`]: [`ingest`] takes the aircraft's frames from MQTT, and [`detect`] reads
//! EDR files from [`history`]. [`train`] makes the models both are scored with, [`rollout`] sees how they do on
//! aircraft, [`report`] mails what was confirmed, [`dashboard`] shows it live, [`simulate`] makes a fleet with known
//! faults, and [`demo`] runs all of it on one machine. [`telemetry`] is the other system: it scores network telemetry
//! that clients, [`stream`] among them, send to [`api`].
#![forbid(unsafe_code)]

pub mod api;
pub mod broker;
pub mod commands;
pub mod config;
pub mod dashboard;
pub mod demo;
pub mod detect;
mod durable;
pub mod history;
pub mod http;
pub mod ingest;
pub mod operations;
mod readable;
pub mod report;
pub mod rollout;
pub mod simulate;
pub mod stream;
pub mod tables;
pub mod telemetry;
pub mod train;
