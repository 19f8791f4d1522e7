//! The real programs from end to end: what users type, what they feed in by mistake, and what happens when something
//! is killed.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod api;
mod bad_input;
mod browser;
mod clock;
mod contract;
mod cross;
mod demo;
mod diag;
mod faults;
mod gateway_logs;
mod hdfs;
mod kill;
mod link;
mod mosquitto;
mod notebook;
mod operations;
mod overload;
mod readme;
mod rollout;
mod smtp;
mod storage_faults;
mod stream;
mod walkthrough;
