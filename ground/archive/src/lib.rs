//! Folders on this machine or on HDFS, and the window archive in Parquet that lies in one.
//!
//! [`Storage`] opens a folder by its URL and bounds every call: a server that is gone is an error within seconds, and
//! names itself. [`windows::WindowArchive`] keeps what ingest has stored, day by day, for training and for whoever
//! reads Parquet. DataFusion, `object_store` and `hdfs-native` are used in this crate only.
//!
//! All functions block. The network lives on a runtime of its own, so they need none around them. What hands out a file or
//! an archive piece by piece ([`Reader`], [`windows::WindowArchive::counts`]) must not be called on a thread that runs
//! another runtime's tasks; use `spawn_blocking` there.
#![forbid(unsafe_code)]

mod bounded;
mod error;
mod reader;
mod runtime;
mod storage;
mod upload;
pub mod windows;

pub use error::StorageError;
pub use reader::Reader;
pub use storage::{Entry, Storage};
