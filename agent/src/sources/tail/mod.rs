//! Follows a log file over rotation and restart, by looking at it four times a second.
//!
//! A file is known by its inode and by a hash of its first bytes: the inode survives renaming, the hash notices that
//! an inode or a name now means another file. The cursor never moves into a line, so a line that is still being
//! written is read again from its start after a restart.

mod family;
mod place;

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cabinwatch_shared::wire::LossReason;

use self::place::{Fingerprint, Place};
use super::clock::now;
use super::lines::LineSplitter;
use super::log_lines::{SharedInterpreter, take_line};
use super::outlet::{Fault, Outlet};
use super::{Cursor, EventBatch};

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A daemon may write on into a file that was renamed until it is told to reopen its log.
const STRAGGLERS: Duration = Duration::from_secs(2);
const CHUNK_BYTES: usize = 64 << 10;

/// The name of a tail's cursor.
pub(super) fn cursor_name(path: &Path) -> String {
    format!("tail:{}", path.display())
}

/// One followed file.
pub(super) struct Tail<'a> {
    path: PathBuf,
    max_line_bytes: usize,
    stragglers: Duration,
    interpreter: &'a SharedInterpreter,
    outlet: &'a Outlet,
    open: Option<OpenFile>,
    /// Where an earlier run, or the attempt before a fault, has got to.
    resume: Option<Place>,
    waited_for: bool,
}

struct OpenFile {
    file: File,
    inode: u64,
    /// Where to read next; the splitter holds what lies between it and the last whole line.
    read: u64,
    /// The end of the last whole line.
    taken: u64,
    fingerprint: Fingerprint,
    splitter: LineSplitter,
    quiet_since: Instant,
}

impl OpenFile {
    fn place(&self) -> Place {
        Place { inode: self.inode, offset: self.taken, fingerprint: self.fingerprint }
    }
}

impl<'a> Tail<'a> {
    pub(super) fn new(
        path: &Path,
        max_line_bytes: usize,
        interpreter: &'a SharedInterpreter,
        outlet: &'a Outlet,
        cursor: Option<&Vec<u8>>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            max_line_bytes,
            stragglers: STRAGGLERS,
            interpreter,
            outlet,
            open: None,
            resume: cursor.and_then(|position| Place::from_bytes(position)),
            waited_for: false,
        }
    }

    /// Follows the file until the agent stops.
    pub(super) fn run(&mut self) -> Result<(), Fault> {
        loop {
            if !self.look()? {
                self.outlet.pause(LOOK_EVERY)?;
            }
        }
    }

    /// Takes the next part of the log, if there is one. Whether there was.
    fn look(&mut self) -> Result<bool, Fault> {
        self.outlet.wait_for_memory()?;
        let result = match self.open.take() {
            None => self.open_somewhere(),
            Some(open) => self.go_on(open),
        };
        result.map_err(|step| match step {
            Trouble::Fault(fault) => fault,
            Trouble::Io(error) => Fault::io(format!("cannot follow {}", self.path.display()))(error),
        })
    }

    fn open_somewhere(&mut self) -> Result<bool, Trouble> {
        let members = match family::members(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let found =
            self.resume.and_then(|place| Some((place, members.get(family::find(&members, &place)?)?)));
        if let Some((place, member)) = found {
            self.open = Some(self.open_at(&member.path, place.offset)?);
            self.resume = None;
            return Ok(true);
        }
        let Some(member) = members.last().filter(|member| member.path == self.path) else {
            if !self.waited_for {
                tracing::info!("{} does not exist yet; the agent waits for it", self.path.display());
                self.waited_for = true;
            }
            return Ok(false);
        };
        let open = self.open_at(&member.path, 0)?;
        if self.resume.take().is_some() {
            self.report_gap(&open)?;
        }
        self.open = Some(open);
        Ok(true)
    }

    fn open_at(&self, path: &Path, offset: u64) -> Result<OpenFile, Trouble> {
        let file = File::open(path)?;
        let inode = file.metadata()?.ino();
        let fingerprint = Fingerprint::of(&file, offset)?;
        let splitter = LineSplitter::new(self.max_line_bytes);
        Ok(OpenFile {
            file,
            inode,
            read: offset,
            taken: offset,
            fingerprint,
            splitter,
            quiet_since: Instant::now(),
        })
    }

    /// What followed the last place is gone; how much that was, nobody knows.
    fn report_gap(&self, next: &OpenFile) -> Result<(), Trouble> {
        tracing::warn!(
            "{}: the part after the last line read is gone; it counts as one gap",
            self.path.display()
        );
        let mut batch = EventBatch::default();
        batch.lose(LossReason::FileGap, 1);
        self.hand_over(batch, next)
    }

    fn hand_over(&self, mut batch: EventBatch, open: &OpenFile) -> Result<(), Trouble> {
        batch.cursors.push(Cursor { name: cursor_name(&self.path), position: open.place().to_bytes() });
        Ok(self.outlet.send(&mut batch)?)
    }

    /// Reads on where it is, else sees whether the log goes on elsewhere.
    fn go_on(&mut self, mut open: OpenFile) -> Result<bool, Trouble> {
        // Kept for the next attempt in case anything below fails.
        self.resume = Some(open.place());
        let length = open.file.metadata()?.len();
        if length < open.read || !open.fingerprint.fits(&open.file) {
            return self.truncated();
        }
        let went_on = self.read_chunk(&mut open)? || self.moved_on(&mut open)?;
        self.resume = None;
        self.open.get_or_insert(open);
        Ok(went_on)
    }

    fn read_chunk(&self, open: &mut OpenFile) -> Result<bool, Trouble> {
        let mut chunk = vec![0; CHUNK_BYTES];
        let count = open.file.read_at(&mut chunk, open.read)?;
        if count == 0 {
            return Ok(false);
        }
        open.quiet_since = Instant::now();
        open.read += count as u64;
        let (arrival, mut batch) = (now(), EventBatch::default());
        let whole = open.splitter.feed(chunk.get(..count).unwrap_or_default(), &mut |line| {
            take_line(self.interpreter, line, arrival, &mut batch);
        });
        self.took(open, whole, batch)?;
        Ok(true)
    }

    /// Moves the place behind what was taken, and hands it over.
    fn took(&self, open: &mut OpenFile, bytes: u64, batch: EventBatch) -> Result<(), Trouble> {
        if bytes == 0 {
            return Ok(());
        }
        open.taken += bytes;
        if !open.fingerprint.is_complete() {
            open.fingerprint = Fingerprint::of(&open.file, open.taken)?;
        }
        self.hand_over(batch, open)
    }

    /// At the end of the file: if it was rotated away and nothing straggles in any more, goes to its successor.
    fn moved_on(&mut self, open: &mut OpenFile) -> Result<bool, Trouble> {
        let members = family::members(&self.path)?;
        let is_current = |member: &family::Member| member.path == self.path && member.inode == open.inode;
        let Some(last) = members.last().filter(|member| member.path == self.path) else { return Ok(false) };
        if is_current(last) || open.quiet_since.elapsed() < self.stragglers {
            return Ok(false);
        }
        let here = members.iter().rposition(|member| member.inode == open.inode);
        let next = here.and_then(|here| members.get(here + 1)).unwrap_or(last);
        self.finish_last_line(open)?;
        let next = self.open_at(&next.path, 0)?;
        // Without this, a restart before the next line would look for the old file.
        self.hand_over(EventBatch::default(), &next)?;
        self.open = Some(next);
        Ok(true)
    }

    /// A file that was rotated away gets no more bytes: its last line is whole, with or without its end.
    fn finish_last_line(&self, open: &mut OpenFile) -> Result<(), Trouble> {
        let (arrival, mut batch) = (now(), EventBatch::default());
        let bytes = open.splitter.finish(&mut |line| take_line(self.interpreter, line, arrival, &mut batch));
        self.took(open, bytes, batch)
    }

    /// The file was cut and begins anew. If a copy was made first, the copy has the rest.
    fn truncated(&mut self) -> Result<bool, Trouble> {
        let Some(place) = self.resume else { return Ok(false) };
        let members = family::members(&self.path)?;
        let copy = family::find(&members, &place).and_then(|index| members.get(index));
        let Some(copy) = copy.filter(|member| member.path != self.path) else {
            let open = self.open_at(&self.path, 0)?;
            self.resume = None;
            self.report_gap(&open)?;
            self.open = Some(open);
            return Ok(true);
        };
        let mut open = self.open_at(&copy.path, place.offset)?;
        while self.read_chunk(&mut open)? {}
        self.finish_last_line(&mut open)?;
        let next = self.open_at(&self.path, 0)?;
        self.hand_over(EventBatch::default(), &next)?;
        self.resume = None;
        self.open = Some(next);
        Ok(true)
    }
}

/// What goes wrong on the way; the path is added where it is reported.
enum Trouble {
    Fault(Fault),
    Io(io::Error),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

#[cfg(test)]
mod tests;
