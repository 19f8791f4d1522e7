//! What the running agent tells `status`: the facts that its database does not hold.
//!
//! A file that is replaced as a whole every few seconds, so it lies in memory or there is none: flash wears out. A file
//! rather than a socket, because a process that hangs answers nothing, and what it last said is what helps then.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};
use serde::{Deserialize, Serialize};

use super::UnwritableSince;
use crate::config::Config;
use crate::link::{LinkStats, Trouble};
use crate::pipeline::clock::{Clock, SystemClock};

/// Longest account of what is wrong with the link, in bytes.
const MAX_ERROR_BYTES: usize = 512;
/// What is larger was not written by an agent.
const MAX_FILE_BYTES: u64 = 64 << 10;
/// `RAMFS_MAGIC` of linux/magic.h, which nix does not name.
const RAMFS_MAGIC: FsType = FsType(0x8584_58f6_u32 as _);

/// The facts of one moment. Instants are Unix seconds, except where they count from the machine's boot, which no step of
/// the clock moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveFacts {
    /// The process.
    pub pid: u32,
    /// The program's release.
    pub version: String,
    /// When the process started, in seconds since the boot.
    pub started: u64,
    /// When it wrote this, in seconds since the boot.
    pub written: u64,
    /// Threads that hang.
    pub hanging: Vec<String>,
    /// Since when nothing can be written to the database, in seconds since the boot; none while writing works.
    #[serde(default)]
    pub unwritable_since: Option<u64>,
    /// The link.
    pub link: LiveLink,
}

/// The link at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveLink {
    /// Whether the broker has let us in and the line holds.
    pub connected: bool,
    /// When it last let us in.
    pub last_connected: Option<i64>,
    /// When it last said anything.
    pub last_heard: Option<i64>,
    /// When the next scheduled contact is; none while there is one, or none is scheduled.
    #[serde(default)]
    pub next_contact: Option<i64>,
    /// Messages handed to it since the start.
    pub messages: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Why there is no connection.
    pub trouble: Option<Trouble>,
}

/// The file, as the agent writes it. It goes with the agent.
#[derive(Debug)]
pub struct LiveFile {
    path: PathBuf,
    started: u64,
    link: Arc<LinkStats>,
    unwritable: UnwritableSince,
}

impl LiveFile {
    /// The file that the configuration names; none where it names none, or one that would not lie in memory.
    #[must_use]
    pub fn new(config: &Config, link: Arc<LinkStats>, unwritable: UnwritableSince) -> Option<Self> {
        let path = config.service.live_file.clone();
        let in_memory = path.parent().is_some_and(lies_in_memory);
        if !in_memory && !path.as_os_str().is_empty() {
            tracing::info!(
                "{} would not lie in memory, so it is not written, and `status` does not know the link",
                path.display()
            );
        }
        in_memory.then(|| Self { path, started: seconds_since_boot(), link, unwritable })
    }

    pub(super) fn write(&self, hanging: &[String]) {
        let link = self.link.snapshot();
        let mut trouble = self.link.trouble();
        if let Some(Trouble { error, .. }) = &mut trouble {
            error.truncate(error.floor_char_boundary(MAX_ERROR_BYTES));
        }
        let facts = LiveFacts {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            written: seconds_since_boot(),
            hanging: hanging.to_vec(),
            unwritable_since: self.unwritable.seconds(),
            link: LiveLink {
                connected: link.connected,
                last_connected: link.last_connected,
                next_contact: link.next_contact,
                last_heard: self.link.last_heard(),
                messages: link.messages,
                bytes: link.bytes,
                trouble,
            },
        };
        if let Err(error) = replace(&self.path, &facts) {
            tracing::debug!("cannot write {}: {error}", self.path.display());
        }
    }
}

impl Drop for LiveFile {
    fn drop(&mut self) {
        // One that stays behind is known by the process it names.
        let _ = fs::remove_file(&self.path);
    }
}

impl LiveFacts {
    /// What the process with this number last wrote there; none where it has written nothing.
    #[must_use]
    pub fn read(path: &Path, pid: u32) -> Option<Self> {
        Self::of_any_process(path).filter(|facts| facts.pid == pid)
    }

    /// What some process last wrote there, also one that is gone and could not take it away.
    #[must_use]
    pub fn of_any_process(path: &Path) -> Option<Self> {
        let small = fs::metadata(path).is_ok_and(|found| found.len() <= MAX_FILE_BYTES);
        let text = small.then(|| fs::read(path).ok()).flatten()?;
        serde_json::from_slice(&text).ok()
    }

    /// How old these are.
    #[must_use]
    pub fn age_seconds(&self) -> u64 {
        seconds_since_boot().saturating_sub(self.written)
    }

    /// How long nothing could be written to the database when these were written; none while writing works.
    #[must_use]
    pub fn unwritable_seconds(&self) -> Option<u64> {
        self.unwritable_since.map(|since| self.written.saturating_sub(since))
    }

    /// How long the process has run.
    #[must_use]
    pub fn up_seconds(&self) -> u64 {
        seconds_since_boot().saturating_sub(self.started)
    }
}

fn lies_in_memory(folder: &Path) -> bool {
    statfs(folder).is_ok_and(|found| [TMPFS_MAGIC, RAMFS_MAGIC].contains(&found.filesystem_type()))
}

fn replace(path: &Path, facts: &LiveFacts) -> io::Result<()> {
    let part = path.with_extension("part");
    fs::write(&part, serde_json::to_vec(facts)?)?;
    fs::rename(&part, path)
}

fn seconds_since_boot() -> u64 {
    SystemClock.since_boot().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_memory() -> tempfile::TempDir {
        tempfile::tempdir_in("/dev/shm").expect("a folder in memory")
    }

    fn file(folder: &Path) -> Option<LiveFile> {
        let mut config = Config::default();
        config.service.live_file = folder.join("live.json");
        LiveFile::new(&config, Arc::default(), UnwritableSince::default())
    }

    #[test]
    fn what_is_written_is_read_and_goes_with_the_agent() {
        let folder = in_memory();
        let path = folder.path().join("live.json");
        let live = file(folder.path()).expect("it lies in memory");
        live.write(&["engine".to_owned()]);
        let facts = LiveFacts::read(&path, std::process::id()).expect("written");
        assert_eq!((facts.hanging, facts.link), (vec!["engine".to_owned()], LiveLink::default()));
        assert_eq!(LiveFacts::read(&path, 1), None, "of another process");
        drop(live);
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0);
    }

    #[test]
    fn what_no_agent_wrote_is_no_fact() {
        let folder = in_memory();
        let path = folder.path().join("live.json");
        for text in [Vec::new(), b"{}".to_vec(), vec![b' '; MAX_FILE_BYTES as usize + 1]] {
            fs::write(&path, text).expect("written");
            assert_eq!(LiveFacts::read(&path, std::process::id()), None);
        }
    }

    #[test]
    fn where_files_do_not_lie_in_memory_or_no_folder_is_there_is_no_file() {
        assert!(file(Path::new("/proc/self")).is_none());
        assert!(file(Path::new("/nowhere")).is_none());
    }
}
