//! The subcommands. Each writes what it has to say to the writer it is given.

pub mod record;
pub mod rules_test;
