//! A satellite line between an aircraft and this machine: a network namespace behind `tests/parts/link/satellite.py`,
//! which delays, limits, loses and counts every IP packet. Needs root.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;

/// What a line is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// There and back, in milliseconds.
    pub rtt_ms: u32,
    /// Rate each way, in kbit/s; 0 for no limit.
    pub kbit: u32,
    /// Packets that get lost each way, in percent.
    pub loss_percent: u32,
}

impl Line {
    /// As good as a cable.
    pub const GOOD: Self = Self { rtt_ms: 0, kbit: 0, loss_percent: 0 };
    /// Geostationary, narrow and bad.
    pub const POOR: Self = Self { rtt_ms: 1000, kbit: 64, loss_percent: 5 };
}

/// What went one way. Lost packets count, as they do on a bill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Way {
    /// IP packets.
    pub packets: u64,
    /// Their bytes, headers included.
    pub bytes: u64,
    /// What TCP carried in them.
    pub payload: u64,
    /// How much of that TCP had sent before.
    pub again: u64,
    /// Packets that open a connection, also those that are sent again.
    pub syns: u64,
    /// Connections that this side has opened, or accepted.
    pub opened: u64,
    /// Connections that this side has ended.
    pub ended: u64,
    /// Packets lost by chance.
    pub lost: u64,
    /// Packets that found the queue full.
    pub overflowed: u64,
    /// Packets sent into a line that was down.
    pub swallowed: u64,
}

/// What went both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Traffic {
    /// From the aircraft.
    pub up: Way,
    /// To the aircraft.
    pub down: Way,
}

impl Traffic {
    /// Bytes of IP packets, both ways.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.up.bytes + self.down.bytes
    }

    /// What TCP carried, both ways, each byte once.
    #[must_use]
    pub const fn carried(&self) -> u64 {
        self.up.payload + self.down.payload - self.up.again - self.down.again
    }
}

#[derive(Deserialize)]
struct Ready {
    namespace: String,
    ground: Ipv4Addr,
}

/// The line. Dropping it takes the namespace away.
#[derive(Debug)]
pub struct Satellite {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    namespace: String,
    ground: Ipv4Addr,
}

impl Satellite {
    /// Launches one. Packets are lost by chance, but with one seed always the same.
    ///
    /// # Panics
    /// Without root, or where the kernel has no tun devices.
    #[must_use]
    pub fn launch(line: Line, seed: u64) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/parts/link/satellite.py");
        let mut child = Command::new("python3")
            .arg(script)
            .args(["--rtt-ms", &line.rtt_ms.to_string(), "--kbit", &line.kbit.to_string()])
            .args(["--loss", &line.loss_percent.to_string(), "--seed", &seed.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let commands = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut said = String::new();
        answers.read_line(&mut said).expect("the satellite speaks");
        let ready: Ready = serde_json::from_str(&said)
            .expect("there is no satellite line; it needs root, iproute2 and /dev/net/tun (see above)");
        Self { child, commands, answers, namespace: ready.namespace, ground: ready.ground }
    }

    /// This machine's address, as the aircraft sees it. In the aircraft, `localhost` is this.
    #[must_use]
    pub const fn ground(&self) -> Ipv4Addr {
        self.ground
    }

    /// The same command, on the aircraft.
    #[must_use]
    pub fn aboard(&self, command: &Command) -> Command {
        let mut aboard = Command::new("ip");
        aboard.args(["netns", "exec", &self.namespace]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => aboard.env(name, value),
                None => aboard.env_remove(name),
            };
        }
        aboard.stdin(Stdio::null());
        aboard
    }

    /// The namespace's name.
    #[must_use]
    pub fn namespace(&self) -> &OsStr {
        OsStr::new(&self.namespace)
    }

    /// The line swallows everything from now on, and says so to nobody.
    pub fn go_down(&mut self) {
        self.command("down");
    }

    /// The line is back.
    pub fn come_up(&mut self) {
        self.command("up");
    }

    /// The line is another one.
    pub fn become_like(&mut self, line: Line) {
        self.command(&format!("line {} {} {}", line.rtt_ms, line.kbit, line.loss_percent));
    }

    /// What went over it since the last [`Self::reset`].
    ///
    /// # Panics
    /// When the satellite does not say so.
    pub fn traffic(&mut self) -> Traffic {
        let answer = self.command("counts");
        serde_json::from_str(&answer).expect("the satellite counts")
    }

    /// Counts from 0 again.
    pub fn reset(&mut self) {
        self.command("reset");
    }

    fn command(&mut self, command: &str) -> String {
        let commands = self.commands.as_mut().expect("it listens until it is dropped");
        writeln!(commands, "{command}").expect("the satellite listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the satellite answers");
        answer
    }
}

impl Drop for Satellite {
    fn drop(&mut self) {
        // The end of its input ends it, and it cleans up after itself.
        self.commands = None;
        let _ = self.child.wait();
    }
}
