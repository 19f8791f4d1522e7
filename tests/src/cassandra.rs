//! A real Apache Cassandra as a child process: one node on loopback, whose writes survive `kill -9`.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::authority::Authority;
use crate::broker::free_port;
use crate::parts;
use crate::process::Process;

/// It says so just before it listens.
const READY: &str = "Starting listening for CQL clients";

/// It says so once it knows [`FIRST_USER`], some time after it listens.
const READY_FOR_USERS: &str = "Created default superuser role";

/// The user that every new server with passwords has, and its password.
pub const FIRST_USER: (&str, &str) = ("cassandra", "cassandra");

/// A server that can be killed, frozen and started again on the same data and port.
#[derive(Debug)]
pub struct Cassandra {
    port: u16,
    /// The server itself.
    pub process: Process,
}

/// Whether a table that was just made survives `kill -9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NewTables {
    /// It does, as in a real deployment.
    Survive,
    /// It does not, and with it goes what was written to it; making one takes a seventh of the time.
    AreForgotten,
}

impl Cassandra {
    /// Starts a server that lets everybody in, and waits until it accepts clients.
    ///
    /// # Panics
    /// When it does not, or its programs have not been fetched.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        Self::with(folder, None, NewTables::Survive)
    }

    /// Starts a server for tests that make many tables and never kill it: it makes them seven times as fast.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_forgetful(folder: &Path) -> Self {
        Self::with(folder, None, NewTables::AreForgotten)
    }

    /// Starts a server that speaks TLS only, as `localhost` and `127.0.0.1`, with clients that have a certificate of the
    /// authority, and knows [`FIRST_USER`].
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_secure(folder: &Path, authority: &Authority) -> Self {
        Self::with(folder, Some(authority), NewTables::Survive)
    }

    fn with(folder: &Path, authority: Option<&Authority>, new_tables: NewTables) -> Self {
        fs::create_dir_all(folder.join("tmp")).expect("the folder can be made");
        let port = free_port();
        let mut settings = part("cassandra.yaml");
        if let Some(authority) = authority {
            settings.push_str(&part("secure.yaml"));
            let identity = authority.issue("localhost");
            let pem = format!("{}{}{}", identity.key, identity.certificate, authority.certificate());
            fs::write(folder.join("server.pem"), pem).expect("the key can be written");
        }
        for (place, value) in [
            ("@FOLDER@", folder.display().to_string()),
            ("@CQL_PORT@", port.to_string()),
            ("@STORAGE_PORT@", free_port().to_string()),
            ("@SSL_STORAGE_PORT@", free_port().to_string()),
        ] {
            settings = settings.replace(place, &value);
        }
        fs::write(folder.join("cassandra.yaml"), settings).expect("the configuration can be written");
        let process = Process::new(command(folder, new_tables), &folder.join("cassandra.log"));
        let ready = if authority.is_some() { READY_FOR_USERS } else { READY };
        let process = process.ready_when_it_says(ready).ready_when_it_listens(port);
        let mut cassandra = Self { port, process };
        cassandra.process.start();
        cassandra
    }

    /// The port for clients, on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The address of a keyspace, as the configurations want it.
    #[must_use]
    pub fn url(&self, keyspace: &str) -> String {
        format!("cassandra://127.0.0.1:{}/{keyspace}", self.port)
    }
}

fn command(folder: &Path, new_tables: NewTables) -> Command {
    let programs = parts::fetched("cassandra/lib");
    let jamm = fs::read_dir(&programs)
        .expect("the programs can be listed")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("jamm-")))
        .expect("jamm is among the programs");
    let folder = folder.display();
    let mut options = OsString::from("@");
    options.push(parts::own("cassandra/java.options"));
    let mut command = Command::new("java");
    if new_tables == NewTables::AreForgotten {
        command.arg("-Dcassandra.test.flush_local_schema_changes=false");
    }
    command
        .arg(options)
        .arg(format!("-javaagent:{}", jamm.display()))
        .arg(format!("-Djava.io.tmpdir={folder}/tmp"))
        .arg(format!("-Dcassandra.config=file://{folder}/cassandra.yaml"))
        .arg(format!("-Dcassandra.storagedir={folder}"))
        .arg(format!("-Dcassandra.logdir={folder}"))
        .arg(format!("-Dlogback.configurationFile={}", parts::own("cassandra/logback.xml").display()))
        .arg("-cp")
        .arg(format!("{}/*", programs.display()))
        .arg("org.apache.cassandra.service.CassandraDaemon");
    command
}

fn part(name: &str) -> String {
    let path = parts::own("cassandra").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
