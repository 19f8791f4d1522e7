//! A ground with a fault to report, and its settings.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use cabinwatch_tests::edr;
use cabinwatch_tests::program::{Ended, ground};
use cabinwatch_tests::smtp::{LOGIN, MailServer};
use serde_json::Value;
use tempfile::TempDir;

const DAY: &str = "2026-11-20";

/// To, Cc and Bcc.
pub const RECIPIENTS: [&str; 3] = ["ops@airline.example", "night@airline.example", "audit@airline.example"];

/// EDR files and a model, made once for all tests.
static PREPARED: OnceLock<TempDir> = OnceLock::new();

/// A ground of a test's own.
pub struct Desk {
    folder: TempDir,
    mail: BTreeMap<&'static str, String>,
}

impl Desk {
    /// Settings fit for the server: STARTTLS, its authority, its login.
    pub fn new(server: &MailServer) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        copy(prepared(), folder.path());
        fs::write(folder.path().join("password"), format!("{}\n", LOGIN.1))
            .expect("the password can be written");
        let mut desk = Self { folder, mail: BTreeMap::new() };
        let (password, ca) =
            (desk.path("password").display().to_string(), server.ca_file().display().to_string());
        desk.set("url", &server.url()).set("from", "Cabinwatch <cabinwatch@airline.example>");
        desk.set("user", LOGIN.0).set("password_file", &password).set("ca_file", &ca);
        for (setting, address) in ["to", "cc", "bcc"].into_iter().zip(RECIPIENTS) {
            desk.mail.insert(setting, format!("[\"{address}\"]"));
        }
        desk.number("retry_seconds", 0);
        desk.patient();
        desk
    }

    /// Sets `mail.SETTING` to a text.
    pub fn set(&mut self, setting: &'static str, value: &str) -> &mut Self {
        self.mail.insert(setting, format!("\"{value}\""));
        self
    }

    /// Sets `mail.SETTING` to a number.
    pub fn number(&mut self, setting: &'static str, value: u32) -> &mut Self {
        self.mail.insert(setting, value.to_string());
        self
    }

    /// Waits for answers longer than a busy machine takes to give them.
    pub fn patient(&mut self) {
        self.number("timeout_seconds", 60).number("accept_seconds", 60);
    }

    /// Does not wait for what will not come.
    pub fn impatient(&mut self) {
        self.number("timeout_seconds", 2).number("accept_seconds", 2);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of the mails that wait: by default beside the tables.
    pub fn spool(&self) -> PathBuf {
        self.path("mail-spool")
    }

    /// A command of the ground with these settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let settings: String = self.mail.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        let config = format!(
            "[history]\nurl = \"file://{0}/edr\"\n[model]\ndir = \"{0}/model\"\n\
             [tables]\nurl = \"sqlite://{0}/tables.db\"\n[mail]\n{settings}",
            self.folder.path().display()
        );
        // Not written anew under the eyes of a process that reads it.
        if fs::read_to_string(self.path("ground.toml")).ok().as_ref() != Some(&config) {
            fs::write(self.path("ground.toml"), config).expect("the configuration can be written");
        }
        let mut command = ground([]);
        command.args(arguments).arg("--config").arg(self.path("ground.toml"));
        command
    }

    /// `detect`, in which a fault breaks out.
    pub fn detect_command(&self) -> Command {
        self.command(&["detect", "--json", "--now", &format!("{DAY}T14:06:00Z")])
    }

    /// `detect`; what it says of the mail.
    pub fn detect(&self) -> Value {
        json(&Ended::well(&mut self.detect_command()))["mail"].clone()
    }

    /// `report` over a period that ends so many minutes past two; every minute is a report of its own.
    pub fn report_command(&self, minute: u32) -> Command {
        let until = format!("{DAY}T{:02}:{:02}:00Z", 14 + minute / 60, minute % 60);
        self.command(&["report", "--json", "--since", &format!("{DAY}T14:00:00Z"), "--until", &until])
    }

    /// The same, run to its end.
    pub fn report(&self, minute: u32) -> Value {
        json(&Ended::well(&mut self.report_command(minute)))
    }

    /// `report send`, which must send everything.
    pub fn send(&self, more: &[&str]) -> Value {
        json(&Ended::well(self.command(&["report", "send", "--json"]).args(more)))
    }

    /// The mails that wait.
    pub fn queue(&self) -> Vec<Value> {
        let listed = json(&Ended::well(&mut self.command(&["report", "queue", "--json"])));
        listed["mails"].as_array().expect("a list").clone()
    }

    /// The states of the mails that wait.
    pub fn states(&self) -> Vec<String> {
        self.queue().iter().map(|mail| mail["state"].as_str().expect("a state").to_owned()).collect()
    }

    /// A table as CSV.
    pub fn table(&self, name: &str) -> String {
        Ended::well(&mut self.command(&["tables", "--table", name, "--format", "csv"]))
    }
}

/// What a command has printed.
pub fn json(printed: &str) -> Value {
    serde_json::from_str(printed).unwrap_or_else(|error| panic!("{error} in {printed}"))
}

fn prepared() -> &'static Path {
    let prepared = PREPARED.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let (history, model) = (folder.path().join("edr"), folder.path().join("model"));
        for hour in 5..13 {
            edr::write(&history, &format!("261120_{:02}0000", hour + 1), edr::calm_hour(DAY, hour));
        }
        let mut retrain = ground(["retrain", "--days", "30"]);
        retrain.arg("--history").arg(format!("file://{}", history.display())).arg("--model-dir").arg(model);
        Ended::well(&mut retrain);
        let mut rows = edr::HEADER.to_owned();
        edr::append(&mut rows, DAY, 14, 0, ("DHCP", "no address available"), 90, 10);
        edr::append(&mut rows, DAY, 14, 0, ("AUTH", "EAP timeout"), 60, 40);
        edr::write(&history, "261120_140500", rows);
        folder
    });
    prepared.path()
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).expect("a folder");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
