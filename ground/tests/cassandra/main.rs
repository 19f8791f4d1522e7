//! The tables on a real Cassandra.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod conforms;
mod dashboard;
mod faults;
mod queries;
mod replay;
mod schema;
mod secure;
mod server;
mod sharing;

use cabinwatch_ground::tables::*;

#[path = "../../src/tables/conformance.rs"]
mod conformance;
#[path = "../../src/tables/examples.rs"]
mod examples;
