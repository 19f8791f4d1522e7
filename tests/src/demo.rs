//! `cabinwatch-ground demo` as a child process, to look at while it runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::process::Process;
use crate::program::ground;
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

    /// Starts one that takes about this long.
    #[must_use]
    pub fn start(folder: &Path, seconds: u32) -> Self {
        let out = folder.join("demo");
        let mut command = ground(["demo", "--for", &format!("{seconds}s"), "--out"]);
        command.arg(&out);
        let mut process = Process::new(command, &folder.join("demo.log"));
        process.start();
        Self { out, process }
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
        let summary = eventually("the demo to end", LIMIT, || {
            let summary = fs::read_to_string(self.out.join("summary.json")).ok();
            // It writes the summary last. If it has ended without one, this fails with what it said.
            if summary.is_none() {
                self.process.assert_runs();
            }
            serde_json::from_str(&summary?).ok()
        });
        let mails = fs::read_dir(self.out.join("mail")).expect("the demo leaves mail");
        let mail = mails
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|end| end == "eml"));
        (summary, mail.expect("a mail"))
    }
}
