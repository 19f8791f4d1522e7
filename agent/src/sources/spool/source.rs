//! The daemon's end of the spool.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::folder::{self, SpoolFolder};
use crate::sources::clock::now;
use crate::sources::lines::LineSplitter;
use crate::sources::outlet::{BATCH_EVENTS, Fault, Outlet, STOP_CHECK};
use crate::sources::producers::Producers;
use crate::sources::taker::Taker;
use crate::sources::{Cursor, DatedBy};

/// The name of the spool's cursor.
pub(in crate::sources) const CURSOR_NAME: &str = "spool";

const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const CHUNK_BYTES: usize = 16 << 10;

/// How far into which taken file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SpoolPlace {
    id: u64,
    offset: u64,
}

impl SpoolPlace {
    fn cursor(self) -> Cursor {
        let position = [self.id.to_le_bytes(), self.offset.to_le_bytes()].concat();
        Cursor { name: CURSOR_NAME.to_owned(), position }
    }

    fn restore(position: &[u8]) -> Option<Self> {
        let &[id, offset] = position.as_chunks().0 else { return None };
        Some(Self { id: u64::from_le_bytes(id), offset: u64::from_le_bytes(offset) })
    }
}

/// Takes over what `record` has left.
pub(in crate::sources) struct SpoolSource<'a> {
    folder: PathBuf,
    max_line_bytes: usize,
    producers: &'a Mutex<Producers>,
    outlet: &'a Outlet,
    reached: Option<SpoolPlace>,
}

impl<'a> SpoolSource<'a> {
    pub(in crate::sources) fn new(
        folder: &Path,
        max_line_bytes: usize,
        producers: &'a Mutex<Producers>,
        outlet: &'a Outlet,
        cursor: Option<&Vec<u8>>,
    ) -> Self {
        let reached = cursor.and_then(|position| SpoolPlace::restore(position));
        Self { folder: folder.to_owned(), max_line_bytes, producers, outlet, reached }
    }

    /// Looks into the spool every second until the agent stops.
    pub(in crate::sources) fn run(&mut self) -> Result<(), Fault> {
        loop {
            let what = format!("cannot take over the spool {}", self.folder.display());
            match self.next_file().map_err(Fault::io(what))? {
                Some(file) => self.take_file(&file)?,
                None => self.outlet.pause(LOOK_EVERY)?,
            }
        }
    }

    fn next_file(&self) -> io::Result<Option<PathBuf>> {
        if let Some(left) = folder::taken(&self.folder)? {
            return Ok(Some(left));
        }
        if !self.folder.join("pending.jsonl").exists() {
            return Ok(None);
        }
        SpoolFolder::lock(&self.folder, LOCK_PATIENCE).map_err(io::Error::other)?.take_over()
    }

    /// Reads a taken file to its end, waits until it is stored, and deletes it.
    pub(super) fn take_file(&mut self, path: &Path) -> Result<(), Fault> {
        let fault = |what: &str| Fault::io(format!("cannot {what} {}", path.display()));
        let id = folder::taken_id(path).unwrap_or(0);
        let file = File::open(path).map_err(fault("read"))?;
        let start = self.reached.filter(|place| place.id == id).map_or(0, |place| place.offset);
        let (mut read, mut whole) = (start, start);
        let mut splitter = LineSplitter::new(self.max_line_bytes);
        let mut taker = Taker::new(self.outlet, self.producers, DatedBy::Itself);
        loop {
            // Without the lock on the producers: the event socket needs it.
            taker.wait_for_memory()?;
            let mut chunk = vec![0; CHUNK_BYTES];
            let count = file.read_at(&mut chunk, read).map_err(fault("read"))?;
            read += count as u64;
            let mut take = |line: Result<&str, _>| match line {
                Ok("") => {}
                Ok(line) => drop(taker.take(line.as_bytes(), now())),
                Err(reason) => taker.lose(reason),
            };
            whole += match count {
                0 => splitter.finish(&mut take),
                _ => splitter.feed(chunk.get(..count).unwrap_or_default(), &mut take),
            };
            let place = SpoolPlace { id, offset: whole };
            if count == 0 {
                let stored = promise(&mut taker);
                taker.hand_over(Some(place.cursor()))?;
                self.reached = Some(place);
                self.wait_stored(&stored)?;
                return fs::remove_file(path).map_err(fault("delete"));
            }
            if taker.taken() >= BATCH_EVENTS {
                taker.hand_over(Some(place.cursor()))?;
                self.reached = Some(place);
            }
        }
    }

    fn wait_stored(&self, stored: &Receiver<()>) -> Result<(), Fault> {
        loop {
            match stored.recv_timeout(STOP_CHECK) {
                Ok(()) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => self.outlet.check()?,
                Err(RecvTimeoutError::Disconnected) => return Err(Fault::Stopped),
            }
        }
    }
}

/// A signal for when the batch is stored.
fn promise(taker: &mut Taker<'_>) -> Receiver<()> {
    let (signal, stored) = sync_channel(1);
    taker.batch.on_stored = Some(Box::new(move || {
        let _ = signal.try_send(());
    }));
    stored
}
