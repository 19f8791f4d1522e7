//! Where the lines go: standard output, or files of a bounded size.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::ApiConfig;

/// Why there is no audit log.
#[derive(Debug, thiserror::Error)]
#[error("setting `api.audit_file`: cannot write {}: {source}", path.display())]
pub struct AuditError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Where the lines go.
#[derive(Debug)]
pub(super) enum Sink {
    /// Standard output past its lock, which the program may hold for as long as it runs.
    Stdout(File),
    Files(Files),
    /// What a test holds the other end of.
    #[cfg(test)]
    Pipe(io::PipeWriter),
}

/// A file that is renamed when it is full, and those that were.
#[derive(Debug)]
pub(super) struct Files {
    path: PathBuf,
    /// The current one; none after a failure, until the next attempt.
    open: Option<File>,
    bytes: u64,
    max_bytes: u64,
    /// How many there may be, the current one included.
    keep: u32,
}

impl Sink {
    pub(super) fn open(config: &ApiConfig) -> io::Result<Self> {
        let path = &config.audit_file;
        if path.as_os_str().is_empty() {
            return Ok(Self::Stdout(io::stdout().as_fd().try_clone_to_owned()?.into()));
        }
        let max_bytes = u64::from(config.audit_file_mib) << 20;
        let mut files =
            Files { path: path.clone(), open: None, bytes: 0, max_bytes, keep: config.audit_files };
        files.open = Some(files.reopen()?);
        Ok(Self::Files(files))
    }

    /// Writes whole lines.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.write_all(lines),
            Self::Files(files) => files.write(lines),
            #[cfg(test)]
            Self::Pipe(pipe) => pipe.write_all(lines),
        }
    }
}

impl Files {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.bytes > 0 && self.bytes.saturating_add(lines.len() as u64) > self.max_bytes {
            self.turn_over()?;
        }
        let mut file = match self.open.take() {
            Some(file) => file,
            None => self.reopen()?,
        };
        // Where it fails, the file is opened anew the next time, and what was cut short is ended there.
        file.write_all(lines)?;
        self.bytes = self.bytes.saturating_add(lines.len() as u64);
        self.open = Some(file);
        Ok(())
    }

    /// Opens the current file, behind whatever it holds; a line that was cut short is ended.
    fn reopen(&mut self) -> io::Result<File> {
        // Nobody but the service and its group: it says who talks to whom.
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(&self.path)?;
        self.bytes = file.seek(SeekFrom::End(0))?;
        if self.bytes > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
                self.bytes += 1;
            }
        }
        Ok(file)
    }

    /// Renames the files by one, so that the current one's name is free. The oldest goes.
    fn turn_over(&mut self) -> io::Result<()> {
        self.open = None;
        let older = |age: u32| if age == 0 { self.path.clone() } else { numbered(&self.path, age) };
        for age in (0..self.keep.saturating_sub(1)).rev() {
            match fs::rename(older(age), older(age + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.keep <= 1 {
            fs::remove_file(&self.path)?;
        }
        Ok(())
    }
}

fn numbered(path: &Path, age: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{age}"));
    name.into()
}
