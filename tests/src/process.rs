//! One program as a child process that is started, killed and started again: what every part of the tests stands on.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::eventually;

/// Far above what the slowest part takes to start on a busy machine.
const READY_LIMIT: Duration = Duration::from_secs(180);
/// Long enough for the slowest machine to end a program in order.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// A program that is always started by the same command. Its output goes to a file that holds all its lives; dropping
/// it kills it, and fails the test when the program has panicked.
#[derive(Debug)]
pub struct Process {
    command: Command,
    log: PathBuf,
    ready_line: Option<&'static str>,
    ready_port: Option<u16>,
    running: Option<Child>,
}

impl Process {
    /// A program that does not run yet.
    #[must_use]
    pub fn new(command: Command, log: &Path) -> Self {
        Self { command, log: log.to_owned(), ready_line: None, ready_port: None, running: None }
    }

    /// It is up when it has printed this line, or a line with this in it.
    #[must_use]
    pub fn ready_when_it_says(mut self, text: &'static str) -> Self {
        self.ready_line = Some(text);
        self
    }

    /// It is up when it accepts connections on this port of 127.0.0.1.
    #[must_use]
    pub fn ready_when_it_listens(mut self, port: u16) -> Self {
        self.ready_port = Some(port);
        self
    }

    /// Further arguments, from the next start on.
    pub fn add_arguments(&mut self, arguments: &[&str]) {
        self.command.args(arguments);
    }

    /// Starts it, and waits until it is up; where nothing tells that, returns at once.
    ///
    /// # Panics
    /// When it does not come up, or runs already.
    pub fn start(&mut self) {
        Self::start_together(&mut [self]);
    }

    /// Starts several that come up only together.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn start_together(processes: &mut [&mut Self]) {
        let said_before: Vec<_> = processes.iter().map(|process| process.times_said_ready()).collect();
        processes.iter_mut().for_each(|process| process.spawn());
        for (process, said_before) in processes.iter_mut().zip(said_before) {
            process.wait_until_ready(said_before);
        }
    }

    fn spawn(&mut self) {
        assert!(self.running.is_none(), "{} runs already", self.name());
        let file = File::options().create(true).append(true).open(&self.log).expect("the log can be written");
        let copy = file.try_clone().expect("the log can be written twice");
        let child = self.command.stdin(Stdio::null()).stdout(file).stderr(copy).spawn();
        self.running = Some(child.expect("the program starts"));
    }

    fn wait_until_ready(&mut self, said_before: usize) {
        if self.ready_line.is_some() {
            eventually(&format!("{} to say that it is ready", self.name()), READY_LIMIT, || {
                self.assert_runs();
                (self.times_said_ready() > said_before).then_some(())
            });
        }
        if let Some(port) = self.ready_port {
            eventually(&format!("{} to listen", self.name()), READY_LIMIT, || {
                self.assert_runs();
                TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
            });
        }
    }

    fn times_said_ready(&self) -> usize {
        self.ready_line.map_or(0, |line| self.said().matches(line).count())
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Panics
    /// When it does not run, be it that it was not started or that it ended by itself, or panicked in its life.
    pub fn kill(&mut self) {
        self.assert_runs();
        if let Some(mut child) = self.running.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a child can be waited for");
        }
        self.assert_no_panic();
    }

    /// SIGTERM, and waits for an orderly end.
    ///
    /// # Panics
    /// When it does not end, ends with an error, panicked in its life, or does not run.
    pub fn stop(&mut self) {
        let what = format!("{} to heed SIGTERM", self.name());
        eventually(&what, READY_LIMIT, || {
            self.assert_runs();
            self.heeds_a_stop().then_some(())
        });
        self.signal(Signal::SIGTERM);
        self.wait_for_its_end("to stop on SIGTERM", STOP_LIMIT);
    }

    /// Waits until it has ended by itself. `limit` only keeps one that hangs from hanging the tests.
    ///
    /// # Panics
    /// When it does not end, ends with an error, panicked in its life, or was not started.
    pub fn finish(&mut self, limit: Duration) {
        self.wait_for_its_end("to end by itself", limit);
    }

    fn wait_for_its_end(&mut self, what: &str, limit: Duration) {
        let what = format!("{} {what}", self.name());
        let status = eventually(&what, limit, || self.child().try_wait().ok().flatten());
        self.running = None;
        self.assert_no_panic();
        assert!(status.success(), "{} ended with {status}:\n{}", self.name(), self.said());
    }

    /// Whether SIGTERM would not simply end it: a program that has just been started does not listen to it yet. Where the
    /// kernel does not tell, it does.
    fn heeds_a_stop(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        caught.is_none_or(|mask| mask & (1 << (Signal::SIGTERM as u32 - 1)) != 0)
    }

    /// A task that panics need not end the program.
    fn assert_no_panic(&self) {
        let said = self.said();
        assert!(!said.contains("panicked"), "a panic in {}:\n{said}", self.name());
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
        kill(Pid::from_raw(self.id().cast_signed()), signal).expect("a child can be signalled");
    }

    /// The most memory it has ever had resident, in KiB.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok()).expect("the kernel counts it")
    }

    /// Everything it has said so far, in all its lives.
    #[must_use]
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Fails the test when the program does not run.
    ///
    /// # Panics
    /// Then, with what it said.
    pub fn assert_runs(&mut self) {
        if let Some(status) = self.child().try_wait().expect("a child can be asked") {
            panic!("{} ended by itself with {status}:\n{}", self.name(), self.said());
        }
    }

    fn child(&mut self) -> &mut Child {
        let name = self.name();
        self.running.as_mut().unwrap_or_else(|| panic!("{name} was not started"))
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it was not started.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.running.as_ref().unwrap_or_else(|| panic!("{} was not started", self.name())).id()
    }

    /// What it is called in messages: its program and its log.
    fn name(&self) -> String {
        format!("{} ({})", self.command.get_program().display(), self.log.display())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            // Errors mean that it is gone already, which is what is wanted.
            let _ = child.kill();
            let _ = child.wait();
            if !thread::panicking() {
                self.assert_no_panic();
            }
        }
    }
}
