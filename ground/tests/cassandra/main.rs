//! The tables on a real Cassandra.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod tables;
