//! A real mosquitto as deployments run it: with the configuration that `cabinwatch-ground broker-config` writes for a
//! fleet, TLS, and passwords or certificates.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::authority::Authority;
use crate::broker::{free_port, mosquitto, mosquitto_user};
use crate::mqtt::{Access, Tls};
use crate::process::Process;
use crate::program::{Ended, ground};
use crate::wait::eventually;

/// What it says last of its start.
const RUNS: &str = " running";

const SAVE_LIMIT: Duration = Duration::from_secs(60);

/// How clients prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A password each.
    Passwords,
    /// A certificate each.
    Certificates,
}

/// A broker for a fleet that can be killed, restarted, and made to forget.
#[derive(Debug)]
pub struct FleetBroker {
    identity: Identity,
    folder: PathBuf,
    authority: Authority,
    /// For aircraft, and for the ground.
    ports: (u16, u16),
    /// mosquitto itself.
    pub process: Process,
}

impl FleetBroker {
    /// Writes the configuration for these aircraft, and starts a broker with it.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(folder: &Path, identity: Identity, tails: &[&str]) -> Self {
        let broker = folder.join("broker");
        fs::create_dir_all(broker.join("certs")).expect("the folder can be made");
        fs::create_dir_all(broker.join("data")).expect("the folder can be made");
        let (authority, ports) = (Authority::new("The fleet's authority"), (free_port(), free_port()));
        let process = Process::new(mosquitto(&broker.join("run.conf")), &broker.join("broker.log"));
        // It listens before it can be stopped in an orderly way.
        let process = process.ready_when_it_says(RUNS).ready_when_it_listens(ports.1);
        let mut broker = Self { identity, folder: broker, authority, ports, process };
        let certificates = broker.folder.join("certs");
        let _ = broker.authority.certificate_file(&certificates);
        broker.issue("broker");
        broker.configure(tails);
        broker.process.start();
        broker
    }

    /// Writes the configuration for these aircraft; a running broker does not know of it yet.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn configure(&self, tails: &[&str]) {
        let list = self.folder.join("tails.txt");
        fs::write(&list, tails.join("\n")).expect("the list can be written");
        let identity = match self.identity {
            Identity::Passwords => "passwords",
            Identity::Certificates => "certificates",
        };
        let mut command = ground(["broker-config", "--identity", identity, "--tails"]);
        command.arg(list).arg("--out").arg(&self.folder).arg("--data").arg(self.folder.join("data"));
        command.arg("--listen").arg(format!("127.0.0.1:{}", self.ports.0));
        command.arg("--ground-listen").arg(format!("127.0.0.1:{}", self.ports.1));
        Ended::well(&mut command);
        let mut settings = fs::read_to_string(self.folder.join("mosquitto.conf")).expect("it was written");
        settings.push_str(mosquitto_user());
        fs::write(self.folder.join("run.conf"), settings).expect("the configuration can be written");
        if self.identity == Identity::Certificates {
            tails.iter().chain(&["ingest", "publish"]).for_each(|name| self.issue(name));
        }
    }

    /// Issues a certificate for a name, unless it has one.
    fn issue(&self, name: &str) {
        let [certificate, key] = self.identity_files(name);
        if !certificate.exists() {
            let issued = self.authority.issue(name);
            fs::write(certificate, issued.certificate).expect("the certificate can be written");
            fs::write(key, issued.key).expect("the key can be written");
        }
    }

    /// A name's certificate and its key.
    #[must_use]
    pub fn identity_files(&self, name: &str) -> [PathBuf; 2] {
        ["pem", "key"].map(|extension| self.folder.join("certs").join(format!("{name}.{extension}")))
    }

    /// Replaces a name's certificate by one that has expired.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn let_expire(&self, name: &str) {
        let [certificate, key] = self.identity_files(name);
        let issued = self.authority.issue_expired(name);
        fs::write(certificate, issued.certificate).expect("the certificate can be written");
        fs::write(key, issued.key).expect("the key can be written");
    }

    /// Replaces all certificates by those of the script that we give to people without an authority.
    ///
    /// # Panics
    /// When the script fails.
    pub fn issue_by_script(&self) {
        let certificates = self.folder.join("certs");
        fs::remove_dir_all(&certificates).expect("they can be deleted");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/mosquitto/certificates.sh");
        let mut command = Command::new(script);
        Ended::well(command.arg(certificates).arg("localhost,127.0.0.1").arg(self.folder.join("tails.txt")));
    }

    /// The authority everyone trusts.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("certs/ca.pem")
    }

    /// A name's password, installed where its owner keeps it.
    ///
    /// # Panics
    /// When none was made.
    #[must_use]
    pub fn password_file(&self, name: &str) -> PathBuf {
        let installed = self.folder.join(format!("{name}.password"));
        fs::copy(self.folder.join("passwords").join(name), &installed).expect("a password was made");
        installed
    }

    /// Where aircraft connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mqtts://localhost:{}", self.ports.0)
    }

    /// The port of that.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.ports.0
    }

    /// Where the ground connects.
    #[must_use]
    pub fn ground_url(&self) -> String {
        format!("mqtts://localhost:{}", self.ports.1)
    }

    /// TOML with the keys of `[link]` or `[broker]` that let this name in.
    #[must_use]
    pub fn access(&self, name: &str) -> String {
        let mut keys = format!("ca_file = \"{}\"\n", self.ca_file().display());
        // Writing to a String cannot fail.
        let _ = match self.identity {
            Identity::Passwords => {
                let file = self.password_file(name);
                writeln!(keys, "user = \"{name}\"\npassword_file = \"{}\"", file.display())
            }
            Identity::Certificates => {
                let [certificate, key] = self.identity_files(name);
                let (certificate, key) = (certificate.display(), key.display());
                writeln!(keys, "client_certificate = \"{certificate}\"\nclient_key = \"{key}\"")
            }
        };
        keys
    }

    /// The same for a client by hand, on the aircraft's port.
    ///
    /// # Panics
    /// When there is no password of that name.
    #[must_use]
    pub fn access_by_hand(&self, name: &str, client_id: &str) -> Access {
        let login = (self.identity == Identity::Passwords).then(|| {
            let password = fs::read_to_string(self.password_file(name)).expect("a password");
            (name.to_owned(), password.trim_end().to_owned())
        });
        let identity = (self.identity == Identity::Certificates).then(|| self.identity_files(name).into());
        let tls = Some(Tls { ca: self.ca_file(), identity });
        Access { port: self.ports.0, client_id: client_id.to_owned(), login, tls }
    }

    /// Makes a running broker save what it must remember, and waits until it is there.
    pub fn save(&self) {
        // It writes a new file beside the old one, and puts it in its place.
        let saved = || fs::metadata(self.memory()).ok().map(|file| file.ino());
        let before = saved();
        self.process.ask_to_save();
        eventually("the broker to save", SAVE_LIMIT, || saved().filter(|now| Some(*now) != before));
    }

    fn memory(&self) -> PathBuf {
        self.folder.join("data/mosquitto.db")
    }

    /// Deletes what a broker that does not run has remembered; whether there was anything.
    ///
    /// # Panics
    /// When it can't be deleted.
    pub fn forget(&self) -> bool {
        let remembered = self.memory().exists();
        if remembered {
            fs::remove_file(self.memory()).expect("it can be deleted");
        }
        remembered
    }
}
