//! A broker, ingest on tables of its own, and an aircraft's end of the link.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use cabinwatch_tests::broker::{free_port, mosquitto};
use rumqttc::{AsyncClient, Event, Incoming, PublishOptions};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::super::*;
use crate::config::{BrokerConfig, IngestConfig, TablesConfig};
use crate::tables::{self, Query};

pub(super) const DEADLINE: Duration = Duration::from_secs(60);

pub(super) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A broker as deployments run it, with its memory on disk.
pub(super) struct Mosquitto {
    dir: TempDir,
    port: u16,
    child: Child,
}

impl Mosquitto {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let settings = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {}/\nuser root\n\
             max_inflight_messages 0\nmax_queued_messages 0\n",
            dir.path().display()
        );
        fs::write(dir.path().join("mosquitto.conf"), settings).expect("written");
        let child = Self::spawn(dir.path(), port);
        Self { dir, port, child }
    }

    fn spawn(dir: &Path, port: u16) -> Child {
        let mut command = mosquitto(&dir.join("mosquitto.conf"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("mosquitto runs (apt package mosquitto)");
        let (start, address) = (Instant::now(), SocketAddr::from(([127, 0, 0, 1], port)));
        while TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < DEADLINE, "mosquitto does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// SIGKILL, and a new start from what was on disk.
    pub fn crash(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("killed");
        self.child = Self::spawn(self.dir.path(), self.port);
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// Ingest in a task, on a database of its own.
pub(super) struct Ground {
    dir: TempDir,
    pub config: Config,
    running: Option<(watch::Sender<bool>, JoinHandle<Summary>)>,
    pub summary: watch::Receiver<Summary>,
    progress: watch::Sender<Summary>,
    pub monitor: Monitor,
}

impl Ground {
    pub fn new(broker: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let config = Config {
            broker: BrokerConfig { url: broker.to_owned(), ..BrokerConfig::default() },
            tables: TablesConfig {
                url: format!("sqlite://{}", dir.path().join("tables.db").display()),
                ..TablesConfig::default()
            },
            ingest: IngestConfig {
                archive: format!("file://{}", dir.path().join("archive").display()),
                ..IngestConfig::default()
            },
            ..Config::default()
        };
        let (progress, summary) = watch::channel(Summary::default());
        Self { dir, config, running: None, summary, progress, monitor: Monitor::default() }
    }

    pub fn database(&self) -> PathBuf {
        self.dir.path().join("tables.db")
    }

    /// Lets every insert into a table fail, until the trigger `full` is dropped.
    pub fn sabotage(&self, table: &str) -> rusqlite::Connection {
        let saboteur = rusqlite::Connection::open(self.database()).expect("opened");
        saboteur.busy_timeout(DEADLINE).expect("set");
        let sabotage =
            format!("CREATE TRIGGER full BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END");
        saboteur.execute_batch(&sabotage).expect("made");
        saboteur
    }

    pub fn tables(&self) -> Box<dyn Tables> {
        tables::open(&self.config.tables.url, &self.config.tables).expect("opened")
    }

    /// Another process on the same tables.
    pub fn another(&self) -> Self {
        let (progress, summary) = watch::channel(Summary::default());
        let dir = tempfile::tempdir().expect("a folder");
        let config = self.config.clone();
        Self { dir, config, running: None, summary, progress, monitor: Monitor::default() }
    }

    /// Starts a member of a group, and waits until it has its share.
    pub async fn join(&mut self, group: &str) {
        self.config.ingest.share = group.to_owned();
        self.start().await;
        eventually("a connection", || (self.summary.borrow().connections > 0).then_some(())).await;
    }

    pub async fn start(&mut self) {
        let (stop, stopped) = watch::channel(false);
        let (config, tables, progress) = (self.config.clone(), self.tables(), self.progress.clone());
        let monitor = self.monitor.clone();
        let task = tokio::spawn(async move {
            run_watched(&config, tables, stopped, &progress, &monitor).await.expect("runs")
        });
        self.running = Some((stop, task));
    }

    pub async fn stop(&mut self) -> Summary {
        let (stop, task) = self.running.take().expect("running");
        stop.send_replace(true);
        task.await.expect("no panic")
    }

    /// Ends it as `kill -9` does: nothing more is stored, sent or said.
    pub async fn kill(&mut self) {
        let (_stop, task) = self.running.take().expect("running");
        task.abort();
        let _ = task.await;
    }

    pub async fn rows(&self, expected: usize) {
        let tables = self.tables();
        let count = || tables.scored_rows(&Query::default()).expect("read").len();
        eventually(&format!("{expected} rows"), || (count() == expected).then_some(())).await;
    }
}

/// An aircraft's end of the link.
pub(super) struct Plane {
    client: AsyncClient,
    pub acks: watch::Receiver<Option<Committed>>,
    driver: JoinHandle<()>,
    pub tail: Tail,
}

impl Plane {
    pub async fn connect(broker: &str, tail: &str) -> Self {
        let tail: Tail = tail.parse().expect("a tail");
        let config = BrokerConfig { url: broker.to_owned(), ..BrokerConfig::default() };
        let options = crate::broker::publisher_options(&config, tail.as_str()).expect("options");
        let (client, mut event_loop) = AsyncClient::builder(options).capacity(64).build();
        let (sender, acks) = watch::channel(None::<Committed>);
        let driver = tokio::spawn(async move {
            loop {
                match event_loop.poll().await {
                    Ok(Event::Incoming(Incoming::Publish(publish))) => {
                        let ack = Committed::parse(&publish.payload).expect("an ack");
                        // As an agent does: the word of a slower process may come late.
                        sender.send_modify(|known| {
                            if known.is_none_or(|known| known.seq < ack.seq) {
                                *known = Some(ack);
                            }
                        });
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        client.subscribe(Topic::Ack(&tail).to_string(), QoS::AtLeastOnce).await.expect("subscribed");
        Self { client, acks, driver, tail }
    }

    /// Publishes a message and waits until the broker has it.
    pub async fn send(&self, payload: Vec<u8>) {
        let topic = Topic::Frames(&self.tail).to_string();
        let sent = self.client.publish_tracked(topic, payload, PublishOptions::at_least_once()).await;
        sent.expect("queued").wait_completion_async().await.expect("the broker has it");
    }

    /// Makes the broker forget what it knows of another aircraft's acknowledgements.
    pub async fn forget_acks(&self, of: &Tail) {
        let options = PublishOptions::at_least_once().retained();
        let sent = self.client.publish_tracked(Topic::Ack(of).to_string(), Vec::new(), options).await;
        sent.expect("queued").wait_completion_async().await.expect("the broker has it");
    }

    pub async fn committed(&self, seq: u64) {
        let found = || self.acks.borrow().filter(|ack| ack.seq.0 == seq).map(|_| ());
        eventually(&format!("commit {seq} of {}", self.tail), found).await;
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
