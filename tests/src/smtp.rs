//! A real mail server as a child process, `tests/parts/smtp/server.py` on aiosmtpd, with a login and a certificate of
//! the test's own. It misbehaves on demand.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::authority::Authority;
use crate::broker::free_port;
use crate::parts;
use crate::process::Process;

/// What `server.py` prints when it listens.
const READY: &str = "listening";

/// The user the server knows, and its password.
pub const LOGIN: (&str, &str) = ("reports", "correct-horse-battery");

/// A server that can be killed and comes back on the same ports with the mails it had.
#[derive(Debug)]
pub struct MailServer {
    folder: PathBuf,
    authority: Authority,
    starttls_port: u16,
    tls_port: u16,
    /// The server itself.
    pub process: Process,
}

impl MailServer {
    /// Starts a server that offers STARTTLS and wants [`LOGIN`], and waits until it accepts connections.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        Self::with(folder, &json!({ "starttls": true, "login": [LOGIN.0, LOGIN.1] }))
    }

    /// Starts a server that encrypts nothing on its first port. It takes mail from everybody, or wants [`LOGIN`] in
    /// the open.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_in_the_open(folder: &Path, with_login: bool) -> Self {
        let login = with_login.then_some([LOGIN.0, LOGIN.1]);
        Self::with(folder, &json!({ "starttls": false, "login": login }))
    }

    fn with(folder: &Path, settings: &Value) -> Self {
        fs::create_dir_all(folder).expect("the folder can be made");
        let authority = Authority::new("mail");
        let identity = authority.issue("localhost");
        let pem = format!("{}{}", identity.key, identity.certificate);
        fs::write(folder.join("server.pem"), pem).expect("the key can be written");
        fs::write(folder.join("settings.json"), settings.to_string()).expect("the settings can be written");
        let (starttls_port, tls_port) = (free_port(), free_port());
        let mut command = Command::new(parts::fetched("venv").join("bin/python"));
        command.arg(parts::own("smtp/server.py")).arg(folder);
        command.arg(starttls_port.to_string()).arg(tls_port.to_string());
        let process = Process::new(command, &folder.join("server.log")).ready_when_it_says(READY);
        let mut server = Self { folder: folder.to_owned(), authority, starttls_port, tls_port, process };
        server.process.start();
        server
    }

    /// `smtp://`, with STARTTLS if it is offered.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://localhost:{}", self.starttls_port)
    }

    /// `smtps://`.
    #[must_use]
    pub fn tls_url(&self) -> String {
        format!("smtps://127.0.0.1:{}", self.tls_port)
    }

    /// The authority whose certificate a client has to trust, as a PEM file.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.authority.certificate_file(&self.folder)
    }

    /// From now on it misbehaves like this; see `server.py`. Nothing: it behaves.
    ///
    /// # Panics
    /// When the file it reads can't be written.
    pub fn misbehave(&self, faults: &Value) {
        let unfinished = self.folder.join("faults.unfinished");
        fs::write(&unfinished, faults.to_string()).expect("the faults can be written");
        fs::rename(&unfinished, self.folder.join("faults.json")).expect("the faults can be renamed");
    }

    /// It behaves again.
    pub fn behave(&self) {
        self.misbehave(&json!([]));
    }

    /// The mails it has, as a reader that is none of ours understands them.
    ///
    /// # Panics
    /// When it wrote what is no JSON.
    #[must_use]
    pub fn mails(&self) -> Vec<Value> {
        let mut paths: Vec<PathBuf> = fs::read_dir(self.folder.join("mails"))
            .expect("the server makes the folder")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .collect();
        paths.sort();
        let read = |path: PathBuf| fs::read_to_string(path).expect("the mail can be read");
        paths.into_iter().map(|path| serde_json::from_str(&read(path)).expect("JSON")).collect()
    }

    /// How often each recipient got each mail: (Message-ID, recipient) and the count.
    ///
    /// # Panics
    /// As [`Self::mails`].
    #[must_use]
    pub fn deliveries(&self) -> BTreeMap<(String, String), u32> {
        let mut deliveries = BTreeMap::new();
        for mail in self.mails() {
            let id = mail["message_id"].as_str().expect("a Message-ID");
            for recipient in mail["recipients"].as_array().expect("recipients") {
                let recipient = recipient.as_str().expect("an address").to_owned();
                *deliveries.entry((id.to_owned(), recipient)).or_default() += 1;
            }
        }
        deliveries
    }
}
