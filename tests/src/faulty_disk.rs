//! A disk that fails now and then, for one agent: a library that is preloaded (`tests/parts/faulty-disk`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::aircraft::Aircraft;
use crate::process::Process;
use crate::program::Ended;

/// What fails: so many in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Writes.
    pub writes: u32,
    /// Syncs.
    pub syncs: u32,
    /// Reads.
    pub reads: u32,
    /// The error, as the kernel numbers it.
    pub error: u32,
}

/// `EIO`.
pub const EIO: u32 = 5;
/// `ENOSPC`.
pub const ENOSPC: u32 = 28;
/// `EROFS`.
pub const EROFS: u32 = 30;

/// The files of an aircraft's database on such a disk.
#[derive(Debug)]
pub struct FaultyDisk {
    control: PathBuf,
}

impl FaultyDisk {
    /// Has the agent run on it from its next start on; nothing fails yet.
    ///
    /// # Panics
    /// When the library can't be built.
    #[must_use]
    pub fn under(aircraft: &mut Aircraft) -> Self {
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("parts").join("faulty-disk").join("faulty_disk.c");
        let library = aircraft.folder().join("faulty_disk.so");
        Ended::well(Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source));
        let disk = Self { control: aircraft.folder().join("faults") };
        disk.set(Faults::default());
        let mut command = aircraft.command("run");
        command
            .env("LD_PRELOAD", &library)
            .env("FAULTY_DISK_CONTROL", &disk.control)
            .env("FAULTY_DISK_FILES", aircraft.database());
        aircraft.agent = Process::new(command, &aircraft.folder().join("agent.log"));
        disk
    }

    /// From now on.
    ///
    /// # Panics
    /// When the agent can't be told.
    pub fn set(&self, faults: Faults) {
        let Faults { writes, syncs, reads, error } = faults;
        let bytes: Vec<u8> = [writes, syncs, reads, error].into_iter().flat_map(u32::to_ne_bytes).collect();
        // Never truncated: the agent has it mapped.
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&self.control);
        std::io::Write::write_all(&mut file.expect("the faults can be set"), &bytes).expect("written");
    }
}
