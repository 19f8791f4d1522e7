//! What the end-to-end tests stand on: starting the real programs, killing them, waiting for what they do, and
//! reading what they leave behind.
//!
//! Everything a test starts lives in its own temporary folder and listens on free ports of loopback, so tests run side
//! by side.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot be set up has failed")]

pub mod aircraft;
pub mod authority;
pub mod broker;
pub mod browser;
pub mod cassandra;
pub mod cql;
pub mod demo;
pub mod disk;
pub mod edr;
pub mod event_line;
pub mod faulty_disk;
pub mod fleet;
pub mod flight;
pub mod flight_day;
pub mod ground;
pub mod hdfs;
pub mod link_budget;
pub mod markdown;
pub mod metrics;
pub mod mosquitto;
pub mod mqtt;
pub mod mqtt_meter;
pub mod parts;
pub mod process;
pub mod producer;
pub mod program;
pub mod relay;
pub mod remote;
pub mod satellite;
pub mod scorers;
pub mod smtp;
pub mod traffic;
pub mod wait;
