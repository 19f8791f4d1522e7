//! What operators see of the ground: whether `ingest` or `serve` is alive and ready, its metrics over HTTP, and the metrics that
//! `detect` and `retrain` leave in a file. `docs/metrics.md` lists all of them.

mod batch;
pub(crate) mod exposition;
mod server;
mod textfile;

pub use batch::{BatchCommand, BatchRun};
pub use server::{Operated, Server};
pub use textfile::TextfileError;

#[cfg(test)]
mod tests;
