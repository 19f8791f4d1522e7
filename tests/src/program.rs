//! The built programs as child processes.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::eventually;

/// Long enough for the slowest machine to end a program in order.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// A program built by cargo in the same profile as this test: it lies beside the folder of the test's own executable.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let own = env::current_exe().expect("a running test has an executable");
    let folder = own.ancestors().nth(2).expect("cargo puts tests two folders deep");
    let path = folder.join(name);
    assert!(path.exists(), "{} is not built; run `cargo build --workspace --bins` first", path.display());
    path
}

/// `cabinwatch-agent` with these arguments, its environment free of settings from outside.
#[must_use]
pub fn agent<const N: usize>(arguments: [&str; N]) -> Command {
    command("cabinwatch-agent", &arguments)
}

/// `cabinwatch-ground` with these arguments, its environment free of settings from outside.
#[must_use]
pub fn ground<const N: usize>(arguments: [&str; N]) -> Command {
    command("cabinwatch-ground", &arguments)
}

fn command(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(built(name));
    command.args(arguments).stdin(Stdio::null());
    for (variable, _) in env::vars_os() {
        if variable.to_string_lossy().starts_with("CABINWATCH_") {
            command.env_remove(variable);
        }
    }
    command
}

/// What a program that has ended said, and how it ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// 0 for success; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// Runs a program to its end.
    ///
    /// # Panics
    /// When it cannot be started, or panics.
    pub fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().expect("the program starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let ended = Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) };
        assert!(!ended.all().contains("panicked"), "a panic in {command:?}:\n{}", ended.all());
        ended
    }

    /// Runs a program that must succeed; its standard output.
    ///
    /// # Panics
    /// When it fails.
    pub fn well(command: &mut Command) -> String {
        let ended = Self::of(command);
        assert_eq!(ended.code, Some(0), "{command:?} failed:\n{}", ended.all());
        ended.stdout
    }

    /// Runs a program that must fail with this exit code; everything it said.
    ///
    /// # Panics
    /// When it ends otherwise.
    pub fn badly(command: &mut Command, code: i32) -> String {
        let ended = Self::of(command);
        assert_eq!(ended.code, Some(code), "{command:?} ended otherwise:\n{}", ended.all());
        ended.all()
    }

    /// Standard output and standard error.
    #[must_use]
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// A program that runs until it is stopped or killed. Its output goes to a file; dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a program. Its output is appended to `log`, so that a log holds all lives of one program.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("the log can be written");
        let copy = file.try_clone().expect("the log can be written twice");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(copy).spawn();
        Self { child: child.expect("the program starts"), log: log.to_owned() }
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Panics
    /// When it had ended before by itself.
    pub fn kill(mut self) {
        self.assert_alive();
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Panics
    /// When it does not end, or panicked in its life.
    pub fn stop(mut self) -> ExitStatus {
        self.assert_alive();
        self.signal(Signal::SIGTERM);
        let status =
            eventually("a program to stop on SIGTERM", STOP_LIMIT, || self.child.try_wait().ok().flatten());
        let said = self.said();
        assert!(!said.contains("panicked"), "a panic in {}:\n{said}", self.log.display());
        status
    }

    /// Stops it in its tracks, its connections open, until [`Self::thaw`].
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// SIGHUP, on which daemons read their configuration anew.
    pub fn hang_up(&self) {
        self.signal(Signal::SIGHUP);
    }

    /// SIGUSR1, on which mosquitto writes its memory to disk.
    pub fn ask_to_save(&self) {
        self.signal(Signal::SIGUSR1);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("a child can be signalled");
    }

    /// The most memory it has ever had resident, in KiB.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok()).expect("the kernel counts it")
    }

    /// Everything it has said so far, in all its lives.
    #[must_use]
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Fails the test when the program has ended by itself.
    ///
    /// # Panics
    /// Then, with what it said.
    pub fn assert_alive(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a child can be asked") {
            panic!("{} ended by itself with {status}:\n{}", self.log.display(), self.said());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Errors mean that it is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
