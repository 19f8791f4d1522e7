//! Other programs' output: bounded in time and bytes, and missing programs are no failure.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// How long a program may take. Reading a large journal from flash takes seconds.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where programs lie when nobody says.
const USUAL_FOLDERS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It is not installed.
    #[error("there is no program {0} on this machine")]
    Missing(&'static str),
    /// It does not start, or its output can't be read.
    #[error("{0} can't be run: {1}")]
    Failed(&'static str, io::Error),
    /// It takes too long.
    #[error("{0} was ended: it had not answered for {1:?}")]
    Hangs(&'static str, Duration),
    /// It says that it failed.
    #[error("{0} failed: {1}")]
    Refused(&'static str, String),
}

/// Where programs are looked for: the value of `PATH`.
#[derive(Clone, Debug)]
pub struct Tools {
    folders: OsString,
    patience: Duration,
}

impl Tools {
    /// Looks in these folders; in the usual ones where none are named.
    #[must_use]
    pub fn in_folders(folders: Option<OsString>) -> Self {
        let folders = folders.filter(|folders| !folders.is_empty());
        Self { folders: folders.unwrap_or_else(|| USUAL_FOLDERS.into()), patience: PATIENCE }
    }

    /// What a program prints, at most so many bytes of it: then it is ended, and what it has printed is taken.
    ///
    /// # Errors
    /// When it is missing, hangs, or fails.
    pub fn output(
        &self,
        program: &'static str,
        arguments: &[&str],
        most_bytes: usize,
    ) -> Result<Vec<u8>, ToolError> {
        let path = self.find(program).ok_or(ToolError::Missing(program))?;
        let mut command = Command::new(path);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", &self.folders)
            .env("LC_ALL", "C")
            .env("SYSTEMD_COLORS", "0");
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        self.read(child.map_err(|error| ToolError::Failed(program, error))?, program, most_bytes)
    }

    fn find(&self, program: &str) -> Option<PathBuf> {
        let candidates = std::env::split_paths(&self.folders).map(|folder| folder.join(OsStr::new(program)));
        candidates.into_iter().find(|path| {
            path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
    }

    fn read(&self, mut child: Child, program: &'static str, most_bytes: usize) -> Result<Vec<u8>, ToolError> {
        let (done, wait) = sync_channel(1);
        let mut stdout = child.stdout.take();
        thread::spawn(move || {
            let mut output = Vec::new();
            let limit = u64::try_from(most_bytes).unwrap_or(u64::MAX);
            let read = stdout.as_mut().map_or(Ok(0), |pipe| pipe.take(limit).read_to_end(&mut output));
            // Whoever waits may have given up.
            let _ = done.send(read.map(|_| output));
        });
        let read = wait.recv_timeout(self.patience);
        let cut =
            read.as_ref().is_ok_and(|read| read.as_ref().is_ok_and(|output| output.len() >= most_bytes));
        if cut || read.is_err() {
            // It may just have ended by itself.
            let _ = child.kill();
        }
        let mut complaint = String::new();
        if let (false, Some(stderr)) = (read.is_err(), child.stderr.take()) {
            // What is not text is no complaint that helps.
            let _ = stderr.take(400).read_to_string(&mut complaint);
        }
        let ended = child.wait().map_err(|error| ToolError::Failed(program, error))?;
        let output = match read {
            Ok(output) => output.map_err(|error| ToolError::Failed(program, error))?,
            Err(RecvTimeoutError::Timeout) => return Err(ToolError::Hangs(program, self.patience)),
            Err(RecvTimeoutError::Disconnected) => Vec::new(),
        };
        if !cut && !ended.success() {
            let first = complaint.lines().next().unwrap_or("it does not say why").to_owned();
            return Err(ToolError::Refused(program, first));
        }
        Ok(output)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use super::*;

    /// A program that is this shell script. Another process writes it: a file that some process of this one's threads
    /// has just inherited open for writing can't be run.
    pub(in super::super) fn script(folder: &Path, name: &str, text: &str) {
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$2\" && chmod 755 \"$2\"";
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", write, "sh", text]).arg(folder.join(name));
        assert!(shell.status().expect("a shell").success());
    }

    fn run(text: &str, most_bytes: usize) -> Result<Vec<u8>, ToolError> {
        run_within(Duration::from_secs(60), text, most_bytes)
    }

    fn run_within(patience: Duration, text: &str, most_bytes: usize) -> Result<Vec<u8>, ToolError> {
        let folder = tempfile::tempdir().expect("a folder");
        script(folder.path(), "tool", text);
        let mut tools = Tools::in_folders(Some(folder.path().into()));
        tools.patience = patience;
        tools.output("tool", &["x"], most_bytes)
    }

    #[test]
    fn what_it_prints_is_read_up_to_the_limit() {
        assert_eq!(run("echo $1", 100).expect("well"), b"x\n");
        assert_eq!(run("while :; do echo y; done", 6).expect("cut"), b"y\ny\ny\n");
    }

    #[test]
    fn one_that_is_missing_hangs_or_fails_is_told() {
        let none = Tools::in_folders(Some("/nowhere".into())).output("tool", &[], 1);
        assert_eq!(none.expect_err("missing").to_string(), "there is no program tool on this machine");
        let hanging = run_within(Duration::from_millis(500), "exec /bin/sleep 60", 1);
        assert!(matches!(hanging, Err(ToolError::Hangs(..))));
        let refused = run("echo 'no such unit' >&2; exit 3", 1).expect_err("failed").to_string();
        assert_eq!(refused, "tool failed: no such unit");
    }
}
