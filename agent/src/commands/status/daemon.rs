//! Whether the agent runs, and what it says of itself.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;

use crate::config::Config;
use crate::service::LiveFacts;

/// Whether the agent runs on this database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Daemon {
    /// It does.
    Runs {
        /// The process.
        pid: u32,
        /// What it has last written; none where it writes nothing.
        live: Option<LiveFacts>,
    },
    /// It does not.
    Down,
    /// The kernel does not tell.
    Unknown,
}

impl Daemon {
    /// Asks the kernel.
    pub(crate) fn of(config: &Config) -> Self {
        let mut lock = config.store.path.clone().into_os_string();
        lock.push(".lock");
        let Ok(locks) = fs::read_to_string("/proc/locks") else { return Self::Unknown };
        match holder(&locks, Path::new(&lock)) {
            Some(pid) => Self::Runs { pid, live: LiveFacts::read(&config.service.live_file, pid) },
            None => Self::Down,
        }
    }

    pub(super) fn live(&self) -> Option<&LiveFacts> {
        match self {
            Self::Runs { live, .. } => live.as_ref(),
            Self::Down | Self::Unknown => None,
        }
    }
}

/// The process that has locked a file. The kernel's table is read rather than the lock tried: an agent that starts in
/// that moment would think that another one runs.
///
/// The table names a file by device and inode. The device is left out, because overlay file systems report another one.
fn holder(locks: &str, file: &Path) -> Option<u32> {
    let inode = fs::metadata(file).ok()?.ino().to_string();
    locks.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, place, ..] = words[..] else { return None };
        let pid = pid.parse().ok()?;
        (place.rsplit(':').next()? == inode).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_tells_who_has_locked_a_file() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let inode = file.as_file().metadata().expect("its number").ino();
        let table = format!(
            "1: POSIX  ADVISORY  WRITE 7 fe:00:{inode} 0 EOF\n\
             2: -> FLOCK  ADVISORY  WRITE 8 fe:00:{inode} 0 EOF\n\
             3: FLOCK  ADVISORY  WRITE 9 fe:00:1{inode} 0 EOF\n\
             4: FLOCK  ADVISORY  WRITE 10 fe:00:{inode} 0 EOF\n"
        );
        assert_eq!(holder(&table, file.path()), Some(10));
        assert_eq!(holder("", file.path()), None);
        assert_eq!(holder(&table, Path::new("/nowhere")), None);
    }
}
