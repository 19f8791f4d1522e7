//! The spool's files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, fchown, lchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

/// Most bytes that wait in a spool. With events of a hundred bytes, some forty thousand.
pub const MAX_SPOOL_BYTES: u64 = 4 << 20;

const FILE_MODE: u32 = 0o660;
const LOCK_RETRY: Duration = Duration::from_millis(5);
const PENDING: &str = "pending.jsonl";
const TAKEN_PREFIX: &str = "taken-";
const TAKEN_SUFFIX: &str = ".jsonl";

/// Why the spool can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The system refused.
    #[error("the spool {}: cannot {what}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process holds the lock.
    #[error("the spool {} is locked by another process for longer than {waited:?}", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// The daemon has not emptied it.
    #[error("the spool {} holds {MAX_SPOOL_BYTES} bytes already; start the daemon, which empties it", .0.display())]
    Full(PathBuf),
}

/// The name and number of one event, never given twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketNumber {
    /// The producer's name.
    pub producer: String,
    /// The event's number.
    pub seq: u64,
}

/// The folder, locked. Dropping it unlocks.
#[derive(Debug)]
pub struct SpoolFolder {
    folder: PathBuf,
    lock: Flock<File>,
}

impl SpoolFolder {
    /// Locks the folder, which is made if it is not there.
    ///
    /// # Errors
    /// When the system refuses, or another process keeps the lock for longer than `patience`.
    pub fn lock(folder: &Path, patience: Duration) -> Result<Self, SpoolError> {
        make_folder(folder).map_err(failed("make the folder", folder))?;
        let path = folder.join("lock");
        let mut file = open_or_make(OpenOptions::new().read(true).write(true), &path, folder)
            .map_err(failed("open the lock", &path))?;
        let began = Instant::now();
        loop {
            file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Self { folder: folder.to_owned(), lock }),
                Err((file, Errno::EAGAIN | Errno::EINTR)) => file,
                Err((_, error)) => return Err(failed("lock", &path)(error.into())),
            };
            if began.elapsed() > patience {
                return Err(SpoolError::Locked { path, waited: patience });
            }
            std::thread::sleep(LOCK_RETRY);
        }
    }

    /// Gives the next number.
    ///
    /// The counter lives in the lock file without being synced: a crash of the machine may take it back. So it holds
    /// for one boot only, and a new boot (or a counter that can't be read) begins under a new random name.
    ///
    /// # Errors
    /// When the lock file can't be read or written.
    pub fn next_number(&mut self) -> Result<TicketNumber, SpoolError> {
        let path = self.folder.join("lock");
        let boot = boot_id();
        let mut bytes = [0; 256];
        let length = self.lock.read_at(&mut bytes, 0).map_err(failed("read", &path))?;
        let text = std::str::from_utf8(bytes.get(..length).unwrap_or_default()).unwrap_or_default();
        let fields: Vec<&str> = text.split_whitespace().collect();
        let number = match fields.as_slice() {
            [known, producer, seq, "."] if *known == boot => seq
                .parse::<u64>()
                .ok()
                .map(|seq| TicketNumber { producer: (*producer).to_owned(), seq: seq + 1 }),
            _ => None,
        };
        let number = match number {
            Some(number) => number,
            None => TicketNumber { producer: format!("record-{}", random_id(&path)?), seq: 1 },
        };
        // The dot ends the record: without it the number may have been cut.
        let line = format!("{boot} {} {} .\n", number.producer, number.seq);
        self.lock.set_len(0).map_err(failed("write", &path))?;
        self.lock.write_all_at(line.as_bytes(), 0).map_err(failed("write", &path))?;
        Ok(number)
    }

    /// Appends whole lines and syncs them to the disk.
    ///
    /// # Errors
    /// When the spool is full or the system refuses; then none of the lines counts.
    pub fn append(&mut self, lines: &[u8]) -> Result<(), SpoolError> {
        let path = self.folder.join(PENDING);
        let is_new = !path.exists();
        let file = open_or_make(OpenOptions::new().read(true).append(true), &path, &self.folder);
        let mut file = file.map_err(failed("open", &path))?;
        let length = file.metadata().map_err(failed("open", &path))?.len();
        if length + lines.len() as u64 > MAX_SPOOL_BYTES {
            return Err(SpoolError::Full(self.folder.clone()));
        }
        let written = append_and_sync(&mut file, length, lines);
        if written.is_err() {
            let _ = file.set_len(length);
        }
        written.map_err(failed("write", &path))?;
        if is_new { self.sync().map_err(failed("sync", &path)) } else { Ok(()) }
    }

    /// Takes over what is pending: the path of the taken file, if there is anything.
    pub(super) fn take_over(&mut self) -> io::Result<Option<PathBuf>> {
        let pending = self.folder.join(PENDING);
        if !pending.exists() {
            return Ok(None);
        }
        let id = random_id(&pending).map_err(io::Error::other)?;
        let taken = self.folder.join(format!("{TAKEN_PREFIX}{id}{TAKEN_SUFFIX}"));
        fs::rename(&pending, &taken)?;
        self.sync()?;
        Ok(Some(taken))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

/// The taken file that an earlier run has left, and its id.
pub(super) fn taken(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut found: Vec<PathBuf> = match fs::read_dir(folder) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    found.retain(|path| taken_id(path).is_some());
    found.sort();
    Ok(found.into_iter().next())
}

/// The id in the name of a taken file.
pub(super) fn taken_id(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_prefix(TAKEN_PREFIX)?.strip_suffix(TAKEN_SUFFIX)?;
    u64::from_str_radix(digits, 16).ok()
}

/// A crash may have left half a line at the end; it must not swallow the next one.
fn append_and_sync(file: &mut File, length: u64, lines: &[u8]) -> io::Result<()> {
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    if last != [b'\n'] {
        file.write_all(b"\n")?;
    }
    file.write_all(lines)?;
    file.sync_data()
}

/// A hook that runs as root may be the first to record; the daemon, another user, must be able to take its events over.
/// So what is made here belongs to the owner of the folder it lies in. Nobody but root can or need give it away.
fn given_to_owner_of(folder: &Path, give: impl FnOnce(u32, u32) -> io::Result<()>) -> io::Result<()> {
    let owner = fs::metadata(folder)?;
    match give(owner.uid(), owner.gid()) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    given_to_owner_of(parent, |user, group| lchown(folder, Some(user), Some(group)))?;
    // What is synced into the folder is there after a power cut only if the folder is.
    File::open(parent)?.sync_all()
}

/// Never through a symbolic link: the folder's owner could have root write into, or give away, any file.
fn open_or_make(options: &mut OpenOptions, path: &Path, folder: &Path) -> io::Result<File> {
    options.mode(FILE_MODE).custom_flags(OFlag::O_NOFOLLOW.bits());
    loop {
        match options.create_new(false).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        match options.create_new(true).open(path) {
            // Another process was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(file) => {
                given_to_owner_of(folder, |user, group| fchown(&file, Some(user), Some(group)))?;
                return Ok(file);
            }
        }
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SpoolError + use<> {
    let path = path.to_owned();
    move |source| SpoolError::Io { what, path, source }
}

fn random_id(path: &Path) -> Result<String, SpoolError> {
    let random = getrandom::u64().map_err(|error| failed("name a file in", path)(io::Error::other(error)))?;
    Ok(format!("{random:016x}"))
}

/// Changes with each boot; empty where the kernel does not tell, which only means that all boots look alike.
fn boot_id() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id = id.trim();
    if id.is_empty() { "-".to_owned() } else { id.to_owned() }
}
