//! `cabinwatch-ground demo` as a child process, to look at while it runs.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::broker::free_port;
use crate::process::Process;
use crate::program::{ground, without_settings};
use crate::scorers::KEY_VARIABLE;
use crate::wait::eventually;

/// Far above what the demo takes; only a hang reaches it.
const LIMIT: Duration = Duration::from_secs(400);

/// A broker, ingest and three aircraft. Two of them have a fault each, in the second half of the flight.
#[derive(Debug)]
pub struct Demo {
    out: PathBuf,
    process: Process,
}

impl Demo {
    /// The faults that the demo injects: point and description.
    pub const FAULTS: [(&str, &str); 2] = [("DHCP", "no answer to discover"), ("PORTAL", "page not served")];

    /// Starts one that takes about this long, and waits until it has said where its dashboard is.
    #[must_use]
    pub fn start(folder: &Path, seconds: u32) -> Self {
        let out = folder.join("demo");
        // A port that the system gives would not be ours any more when the demo has ended.
        let listen = free_port().to_string();
        let mut command = ground(["demo", "--for", &format!("{seconds}s"), "--listen", &listen, "--out"]);
        command.arg(&out);
        let mut process = Process::new(command, &folder.join("demo.log")).ready_when_it_says("(key: ");
        process.start();
        Self { out, process }
    }

    /// What a person reads off its output: where the dashboard answers, and the key.
    ///
    /// # Panics
    /// When it does not say that.
    #[must_use]
    pub fn dashboard(&self) -> (SocketAddr, String) {
        let said = self.process.said();
        let line = said.lines().find_map(|line| line.strip_prefix("Dashboard  http://"));
        let (address, key) = line.and_then(|line| line.split_once("/fleet  (key: ")).expect("an address");
        let key = key.strip_suffix(')').expect("a key");
        (address.parse().expect("an address"), key.to_owned())
    }

    /// The command by which it says, at its end, that its dashboard can be seen again.
    ///
    /// # Panics
    /// When it says none.
    #[must_use]
    pub fn dashboard_again(&self) -> Command {
        let said = self.process.said();
        let typed = said.lines().find(|line| line.trim_start().starts_with(KEY_VARIABLE));
        let mut bash = Command::new("bash");
        bash.args(["-c", typed.expect("a command to type")]);
        without_settings(bash)
    }

    /// Its database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.out.join("tables.db")
    }

    /// Waits until the first windows are in the tables.
    ///
    /// # Panics
    /// When none come, or the demo ends.
    pub fn wait_for_windows(&mut self) {
        let database = self.database();
        eventually("the demo's first windows", LIMIT, || {
            self.process.assert_runs();
            let tables = Connection::open_with_flags(&database, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
            let stored: i64 =
                tables.query_row("SELECT count(*) FROM window_index", [], |row| row.get(0)).ok()?;
            (stored > 0).then_some(())
        });
    }

    /// Nothing happens in it until [`Self::go_on`].
    pub fn pause(&self) {
        self.process.freeze();
    }

    /// What was due meanwhile happens at once.
    pub fn go_on(&self) {
        self.process.thaw();
    }

    /// Waits for its end; its summary and its mail.
    ///
    /// # Panics
    /// When it does not end well.
    #[must_use]
    pub fn finish(&mut self) -> (Value, PathBuf) {
        self.process.finish(LIMIT);
        let summary = fs::read_to_string(self.out.join("summary.json")).expect("the demo leaves a summary");
        let summary = serde_json::from_str(&summary).expect("the summary is JSON");
        let mails = fs::read_dir(self.out.join("mail")).expect("the demo leaves mail");
        let mail = mails
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|end| end == "eml"));
        (summary, mail.expect("a mail"))
    }
}
