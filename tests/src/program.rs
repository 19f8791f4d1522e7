//! The built programs, and running them to their end.

use std::env;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Far above what any command takes: one that hangs is a failure, and not a test run that never ends.
const END_LIMIT: Duration = Duration::from_secs(600);

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
    command.args(arguments);
    without_settings(command)
}

/// The command with an environment free of settings from outside, and nothing to read.
#[must_use]
pub fn without_settings(mut command: Command) -> Command {
    command.stdin(Stdio::null());
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
    /// When it cannot be started, or panics, or does not end.
    pub fn of(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let Output { status, stdout, stderr } = output_in_time(child.expect("the program starts"));
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

/// What a program says until it ends; past the limit it is killed, which no caller takes for a good end.
fn output_in_time(child: Child) -> Output {
    let pid = Pid::from_raw(child.id().cast_signed());
    let (ended, watched) = channel::<()>();
    let watchdog = thread::spawn(move || {
        if watched.recv_timeout(END_LIMIT) == Err(RecvTimeoutError::Timeout) {
            // An error means that it has ended just now.
            let _ = kill(pid, Signal::SIGKILL);
        }
    });
    let output = child.wait_with_output().expect("the program's output can be read");
    drop(ended);
    watchdog.join().expect("the watchdog ends well");
    output
}
