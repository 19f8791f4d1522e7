//! The room the database has.

use std::fs;
use std::path::Path;

use nix::sys::statvfs::{FsFlags, statvfs};
use serde::Serialize;

use crate::config::{Config, StoreConfig};
use crate::pipeline::KEYS_IN_FILE;

/// What SQLite needs besides the tables that have limits of their own: its log of 2 MiB, checkpoints and models, and pages
/// that are not full.
const OVERHEAD_BYTES: u64 = 4 << 20;
/// The keys of the log, with their index, if each is as long as it may be.
const KEYS_BYTES: u64 = KEYS_IN_FILE * 600;

/// The file system that the database lies on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Bytes the agent may still use.
    pub free_bytes: u64,
    /// Files it may still make; none where the file system has no such limit.
    pub free_inodes: Option<u64>,
    /// Whether nothing can be written.
    pub read_only: bool,
    /// Bytes of the database and what lies beside it.
    pub database_bytes: u64,
    /// How large they may become by the limits of the configuration.
    pub most_database_bytes: u64,
}

impl Disk {
    /// None where the kernel does not tell.
    pub(super) fn of(config: &Config) -> Option<Self> {
        let folder = config.store.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let found = statvfs(folder).ok()?;
        // The kernel's types differ by processor; this one holds them all.
        let clamp = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
        let free = u128::from(found.blocks_available()) * u128::from(found.fragment_size());
        Some(Self {
            free_bytes: clamp(free),
            free_inodes: (found.files() > 0).then(|| clamp(found.files_available().into())),
            read_only: found.flags().contains(FsFlags::ST_RDONLY),
            database_bytes: bytes_beside(folder, &config.store.path),
            most_database_bytes: most_bytes(&config.store),
        })
    }

    /// Bytes that the database may still grow by and that are not there.
    pub(super) fn missing_bytes(&self) -> u64 {
        self.most_database_bytes.saturating_sub(self.database_bytes).saturating_sub(self.free_bytes)
    }
}

fn most_bytes(store: &StoreConfig) -> u64 {
    [store.windows_max_bytes, store.outbox_max_bytes, store.reserve_bytes, KEYS_BYTES, OVERHEAD_BYTES]
        .into_iter()
        .fold(store.events_max_bytes, u64::saturating_add)
}

/// The database, its log, and one that was set aside.
fn bytes_beside(folder: &Path, database: &Path) -> u64 {
    let Some(name) = database.file_name() else { return 0 };
    let ours =
        |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(name.as_encoded_bytes());
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().filter(ours);
    entries.filter_map(|entry| entry.metadata().ok()).map(|found| found.len()).sum()
}
