//! A running Cassandra, and statements sent past the code under test.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use cabinwatch_ground::config::TablesConfig;
use cabinwatch_ground::tables::{InitStep, Tables, init, open};
use cabinwatch_tests::cassandra::Cassandra;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::deserialize::row::DeserializeRow;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// A server that tests share as long as one of them runs; each has a keyspace of its own.
pub struct Server {
    pub cassandra: Cassandra,
    pub folder: TempDir,
}

impl Server {
    fn start_forgetful() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { cassandra: Cassandra::start_forgetful(folder.path()), folder }
    }

    pub fn shared() -> Arc<Self> {
        static RUNNING: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start_forgetful());
            *running = Arc::downgrade(&server);
            server
        })
    }

    /// A keyspace of its own for a test. A server that is as small as this one bears a few dozen tables, not hundreds.
    pub fn keyspace<'s>(&'s self, name: &'static str) -> Keyspace<'s> {
        Keyspace { server: self, name }
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("cassandra.log")).expect("a log")
    }
}

/// A keyspace that goes with the test.
pub struct Keyspace<'s> {
    server: &'s Server,
    name: &'static str,
}

impl Keyspace<'_> {
    pub fn url(&self) -> String {
        self.server.cassandra.url(self.name)
    }

    /// New tables.
    pub fn made(&self) -> Box<dyn Tables> {
        self.made_with(&TablesConfig::default())
    }

    pub fn made_with(&self, config: &TablesConfig) -> Box<dyn Tables> {
        let steps = init(&self.url(), config).expect("made");
        assert!(steps.iter().all(|step| matches!(step, InitStep::Made(_))), "{steps:?}");
        open(&self.url(), config).expect("opened")
    }

    /// The tables as another process has them.
    pub fn opened(&self) -> Box<dyn Tables> {
        open(&self.url(), &TablesConfig::default()).expect("opened")
    }

    pub fn cql(&self) -> Cql {
        Cql::connect(self.server.cassandra.port(), self.name)
    }
}

impl Drop for Keyspace<'_> {
    fn drop(&mut self) {
        let name = self.name;
        Cql::connect(self.server.cassandra.port(), "system").run(&format!("DROP KEYSPACE IF EXISTS {name}"));
    }
}

/// Statements of the tests' own.
pub struct Cql {
    session: Session,
    runtime: Runtime,
}

impl Cql {
    fn connect(port: u16, keyspace: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let session = runtime.block_on(async {
            let session = SessionBuilder::new().known_node(format!("127.0.0.1:{port}")).build().await;
            let session = session.expect("a session");
            session.use_keyspace(keyspace, true).await.expect("a keyspace");
            session
        });
        Self { session, runtime }
    }

    pub fn run(&self, cql: &str) {
        let done = self.runtime.block_on(self.session.query_unpaged(cql, ()));
        done.unwrap_or_else(|error| panic!("{cql}: {error}"));
    }

    pub fn rows<R>(&self, cql: &str) -> Vec<R>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        let result = self.runtime.block_on(self.session.query_unpaged(cql, ()));
        let result = result.unwrap_or_else(|error| panic!("{cql}: {error}"));
        let rows = result.into_rows_result().expect("rows");
        rows.rows::<R>().expect("of this type").collect::<Result<_, _>>().expect("readable")
    }

    pub fn count(&self, table: &str) -> i64 {
        self.rows::<(i64,)>(&format!("SELECT count(*) FROM {table}"))[0].0
    }
}

/// Writes a file and gives back where.
pub fn file(folder: &Path, name: &str, content: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::write(&path, content).expect("written");
    path
}
