//! The subcommands. Each writes what it has to say to the writer it is given.

pub mod rules_test;
