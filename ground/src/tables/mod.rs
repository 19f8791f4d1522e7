//! The anomaly tables, and what the ground keeps beside them.

mod row;

pub use row::{ScoredRow, ScoredWindow, Table, UnknownTable, fleet_tail};
