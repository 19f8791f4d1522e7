//! A small ext4 file system that a test can fill, break and mount again. It needs root.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::statvfs::statvfs;

use crate::program::Ended;
use crate::wait::eventually;

/// Far above what it takes to fill so small a disk.
const FILL_LIMIT: Duration = Duration::from_secs(60);

/// A file system of its own in an image file, mounted in a folder.
#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
    folder: PathBuf,
}

impl Disk {
    /// Makes and mounts one below `folder`, of this size and with so many inodes.
    ///
    /// # Panics
    /// When that is not possible: most often because it takes root.
    #[must_use]
    pub fn new(folder: &Path, bytes: u64, inodes: u32) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "this test mounts file systems: run it as root");
        let disk = Self { image: folder.join("disk.img"), folder: folder.join("disk") };
        fs::create_dir_all(&disk.folder).expect("a folder");
        File::create(&disk.image).and_then(|file| file.set_len(bytes)).expect("an image");
        let mut make = Command::new("mkfs.ext4");
        make.args(["-q", "-b", "4096", "-m", "0", "-J", "size=4", "-N", &inodes.to_string()])
            .arg(&disk.image);
        Ended::well(&mut make);
        disk.mount();
        disk
    }

    fn mount(&self) {
        let mut mount = Command::new("mount");
        Ended::well(mount.args(["-o", "loop,errors=remount-ro"]).arg(&self.image).arg(&self.folder));
    }

    /// Where it is mounted.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Somebody else fills it to the last byte.
    ///
    /// # Panics
    /// When there is still room.
    pub fn fill(&self) {
        let junk = vec![0x5a; 4096];
        let mut file = File::options().create(true).append(true).open(self.junk()).expect("a file");
        eventually("the disk to be full", FILL_LIMIT, || {
            while file.write_all(&junk).is_ok() {}
            // A failed sync is what a full disk may answer.
            let _ = file.sync_all();
            // Meanwhile somebody may have freed a block.
            self.is_full().then_some(())
        });
    }

    /// Takes away what filled it.
    ///
    /// # Panics
    /// When it can't.
    pub fn make_room(&self) {
        fs::remove_file(self.junk()).expect("removed");
    }

    fn junk(&self) -> PathBuf {
        self.folder.join("junk")
    }

    /// Somebody else makes files until no more can be made.
    pub fn use_up_inodes(&self) {
        let mut number = 0;
        while File::create(self.folder.join(format!("file-{number}"))).is_ok() {
            number += 1;
        }
    }

    /// Whether no block is free.
    ///
    /// # Panics
    /// When the kernel does not tell.
    #[must_use]
    pub fn is_full(&self) -> bool {
        statvfs(&self.folder).expect("it is mounted").blocks_available() == 0
    }

    /// The kernel finds the file system damaged, and from then on nothing can be written to it.
    ///
    /// # Panics
    /// When the kernel has no such switch.
    pub fn find_damage(&self) {
        let mut device = Command::new("findmnt");
        let device = Ended::well(device.args(["-no", "SOURCE"]).arg(&self.folder));
        let name = device.trim().trim_start_matches("/dev/");
        fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "1").expect("the kernel is told");
        File::create(self.folder.join("probe")).expect_err("it is read-only");
    }

    /// What an engineer does, or a boot: checks the file system and mounts it again. Nothing may use it.
    ///
    /// # Panics
    /// When that fails.
    pub fn repair(&self) {
        Ended::well(Command::new("umount").arg(&self.folder));
        let mended = Ended::of(Command::new("e2fsck").args(["-p", "-f"]).arg(&self.image));
        assert!(mended.code.is_some_and(|code| code <= 1), "{}", mended.all());
        self.mount();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // An error means that it is mounted no more, which is what is wanted.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}
