//! The whole service against real brokers. Each test waits for what must happen, with a deadline far above what it
//! takes.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cabinwatch_shared::verdict::Alarms;
use rumqttc::{AsyncClient, Event, Incoming, PublishOptions};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::config::{BrokerConfig, IngestConfig, TablesConfig};
use crate::ingest::fixture::{known_window, message, model, spelled_window};
use crate::ingest::monitor::Store;
use crate::tables::{self, Query};

const DEADLINE: Duration = Duration::from_secs(60);

async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
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
struct Mosquitto {
    dir: TempDir,
    port: u16,
    child: Child,
}

impl Mosquitto {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
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
        // Debian puts daemons where a user's PATH does not reach.
        let installed = Path::new("/usr/sbin/mosquitto");
        let program = if installed.exists() { installed } else { Path::new("mosquitto") };
        let child = Command::new(program)
            .arg("-c")
            .arg(dir.join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto runs (apt package mosquitto)");
        let (start, address) = (Instant::now(), SocketAddr::from(([127, 0, 0, 1], port)));
        while TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < DEADLINE, "mosquitto does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// SIGKILL, and a new start from what was on disk.
    fn crash(&mut self) {
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
struct Ground {
    dir: TempDir,
    config: Config,
    running: Option<(watch::Sender<bool>, JoinHandle<Summary>)>,
    summary: watch::Receiver<Summary>,
    progress: watch::Sender<Summary>,
    monitor: Monitor,
}

impl Ground {
    fn new(broker: &str) -> Self {
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

    fn database(&self) -> PathBuf {
        self.dir.path().join("tables.db")
    }

    /// Lets every insert into a table fail, until the trigger `full` is dropped.
    fn sabotage(&self, table: &str) -> rusqlite::Connection {
        let saboteur = rusqlite::Connection::open(self.database()).expect("opened");
        saboteur.busy_timeout(DEADLINE).expect("set");
        let sabotage =
            format!("CREATE TRIGGER full BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END");
        saboteur.execute_batch(&sabotage).expect("made");
        saboteur
    }

    fn tables(&self) -> Box<dyn Tables> {
        tables::open(&self.config.tables.url, &self.config.tables).expect("opened")
    }

    /// Another process on the same tables.
    fn another(&self) -> Self {
        let (progress, summary) = watch::channel(Summary::default());
        let dir = tempfile::tempdir().expect("a folder");
        let config = self.config.clone();
        Self { dir, config, running: None, summary, progress, monitor: Monitor::default() }
    }

    /// Starts a member of a group, and waits until it has its share.
    async fn join(&mut self, group: &str) {
        self.config.ingest.share = group.to_owned();
        self.start().await;
        eventually("a connection", || (self.summary.borrow().connections > 0).then_some(())).await;
    }

    async fn start(&mut self) {
        let (stop, stopped) = watch::channel(false);
        let (config, tables, progress) = (self.config.clone(), self.tables(), self.progress.clone());
        let monitor = self.monitor.clone();
        let task = tokio::spawn(async move {
            run_watched(&config, tables, stopped, &progress, &monitor).await.expect("runs")
        });
        self.running = Some((stop, task));
    }

    async fn stop(&mut self) -> Summary {
        let (stop, task) = self.running.take().expect("running");
        stop.send_replace(true);
        task.await.expect("no panic")
    }

    /// Ends it as `kill -9` does: nothing more is stored, sent or said.
    async fn kill(&mut self) {
        let (_stop, task) = self.running.take().expect("running");
        task.abort();
        let _ = task.await;
    }

    async fn rows(&self, expected: usize) {
        let tables = self.tables();
        let count = || tables.scored_rows(&Query::default()).expect("read").len();
        eventually(&format!("{expected} rows"), || (count() == expected).then_some(())).await;
    }
}

/// An aircraft's end of the link.
struct Plane {
    client: AsyncClient,
    acks: watch::Receiver<Option<Committed>>,
    driver: JoinHandle<()>,
    tail: Tail,
}

impl Plane {
    async fn connect(broker: &str, tail: &str) -> Self {
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
    async fn send(&self, payload: Vec<u8>) {
        let topic = Topic::Frames(&self.tail).to_string();
        let sent = self.client.publish_tracked(topic, payload, PublishOptions::at_least_once()).await;
        sent.expect("queued").wait_completion_async().await.expect("the broker has it");
    }

    /// Makes the broker forget what it knows of another aircraft's acknowledgements.
    async fn forget_acks(&self, of: &Tail) {
        let options = PublishOptions::at_least_once().retained();
        let sent = self.client.publish_tracked(Topic::Ack(of).to_string(), Vec::new(), options).await;
        sent.expect("queued").wait_completion_async().await.expect("the broker has it");
    }

    async fn committed(&self, seq: u64) {
        let found = || self.acks.borrow().filter(|ack| ack.seq.0 == seq).map(|_| ());
        eventually(&format!("commit {seq} of {}", self.tail), found).await;
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn frames_reach_the_tables_and_the_aircraft_learns_it(broker: &str) {
    let mut ground = Ground::new(broker);
    ground.tables().put_model(&model(3)).expect("stored");
    ground.start().await;
    let planes = [Plane::connect(broker, "TC-JJA").await, Plane::connect(broker, "TC-JJB").await];
    let both = Alarms { z: true, forest: true };
    for plane in &planes {
        send_until_committed(plane, &known_window(1, 3, both)).await;
        plane.send(message(7, 1, 2, &[spelled_window(2), vec![9, 9], spelled_window(4)])).await;
        plane.committed(4).await;
        plane.send(message(7, 8, 8, &[spelled_window(8)])).await;
        plane.committed(8).await;
    }
    ground.rows(8).await;
    let summary = ground.stop().await;
    assert_eq!((summary.frames, summary.windows, summary.set_aside, summary.gaps), (10, 8, 2, 6));
    let tables = ground.tables();
    assert_eq!(tables.gaps(&Query::default()).expect("read").len(), 2);
    assert_eq!(
        tables.rows(crate::tables::Table::CombinedRepeated, &Query::default()).expect("read").len(),
        2
    );
}

async fn what_comes_while_ingest_is_away_waits_at_the_broker(broker: &str) {
    let mut ground = Ground::new(broker);
    let plane = Plane::connect(broker, "TC-JJA").await;
    ground.start().await;
    send_until_committed(&plane, &spelled_window(1)).await;
    ground.stop().await;
    plane.send(message(7, 1, 2, &[spelled_window(2)])).await;
    ground.start().await;
    plane.committed(2).await;
    ground.kill().await;
    plane.send(message(7, 1, 3, &[spelled_window(3)])).await;
    ground.start().await;
    plane.committed(3).await;
    ground.rows(3).await;
    ground.stop().await;
}

/// Sends frame 1 until it is acknowledged, as an agent does: until ingest has subscribed, the broker keeps nothing.
async fn send_until_committed(plane: &Plane, frame: &[u8]) {
    let start = Instant::now();
    while plane.acks.borrow().is_none() {
        assert!(start.elapsed() < DEADLINE, "no ack");
        plane.send(message(7, 1, 1, &[frame.to_vec()])).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A message as large as may be, from frame 2 on, with 100 windows again and again; and how many frames it has.
fn largest_message() -> (Vec<u8>, u64) {
    let count = (cabinwatch_shared::wire::MAX_MESSAGE_BYTES - 64) / (spelled_window(2).len() + 1);
    let frames: Vec<_> = (0..count as i64).map(|number| spelled_window(2 + number % 100)).collect();
    (message(7, 1, 2, &frames), count as u64)
}

async fn the_largest_message_passes(broker: &str) {
    let mut ground = Ground::new(broker);
    let plane = Plane::connect(broker, "TC-JJA").await;
    ground.start().await;
    send_until_committed(&plane, &spelled_window(1)).await;
    let (message, frames) = largest_message();
    plane.send(message).await;
    plane.committed(1 + frames).await;
    ground.rows(101).await;
    ground.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_frames_reach_the_tables_and_the_aircraft_learns_it() {
    frames_reach_the_tables_and_the_aircraft_learns_it(&Mosquitto::start().url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_keeps_what_comes_while_ingest_is_away() {
    what_comes_while_ingest_is_away_waits_at_the_broker(&Mosquitto::start().url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_passes_the_largest_message() {
    the_largest_message_passes(&Mosquitto::start().url()).await;
}

fn embedded() -> String {
    crate::broker::Embedded::start(SocketAddr::from(([127, 0, 0, 1], 0))).expect("starts").url()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_broker_brings_frames_to_the_tables_and_acks_to_the_aircraft() {
    frames_reach_the_tables_and_the_aircraft_learns_it(&embedded()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_broker_keeps_what_comes_while_ingest_is_away() {
    what_comes_while_ingest_is_away_waits_at_the_broker(&embedded()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_broker_passes_the_largest_message() {
    the_largest_message_passes(&embedded()).await;
}

/// Two members of a group that both have their share; the number of the last frame sent.
async fn both_get_their_share(broker: &str, plane: &Plane) -> ([Ground; 2], u64) {
    let mut one = Ground::new(broker);
    one.config.ingest.group_messages = 4;
    let mut other = one.another();
    one.join("ground").await;
    send_until_committed(plane, &spelled_window(1)).await;
    other.join("ground").await;
    let mut seq = 1;
    while other.summary.borrow().frames == 0 {
        seq += 1;
        plane.send(message(7, 1, seq, &[spelled_window(seq as i64)])).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    plane.committed(seq).await;
    ([one, other], seq)
}

/// No message is sent twice here: what a member that leaves was given and did not store would be missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_leaves_its_group_loses_nothing() {
    let broker = Mosquitto::start();
    let plane = Plane::connect(&broker.url(), "TC-JJA").await;
    let ([mut stays, mut leaves], mut seq) = both_get_their_share(&broker.url(), &plane).await;
    for _ in 0..40 {
        seq += 1;
        plane.send(message(7, 1, seq, &[spelled_window(seq as i64)])).await;
    }
    leaves.stop().await;
    plane.committed(seq).await;
    stays.rows(seq as usize).await;
    stays.stop().await;
}

/// A member's patience with the broker must not keep it from waiting for the tables.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_tables_are_slow_leaves_once_they_have_answered() {
    let broker = Mosquitto::start();
    let plane = Plane::connect(&broker.url(), "TC-JJA").await;
    let mut member = Ground::new(&broker.url());
    member.join("ground").await;
    send_until_committed(&plane, &spelled_window(1)).await;
    let slow = rusqlite::Connection::open(member.database()).expect("opened");
    slow.busy_timeout(DEADLINE).expect("set");
    slow.execute_batch("BEGIN IMMEDIATE").expect("locked");
    plane.send(message(7, 1, 2, &[spelled_window(2)])).await;
    let storing = || match member.monitor.snapshot().store {
        Store::Storing { messages, .. } if messages > 0 => Some(()),
        _ => None,
    };
    eventually("the group in hand", storing).await;
    let release = tokio::spawn(async move {
        // Longer than leaving a group may take, and less than a write waits for the lock.
        tokio::time::sleep(Duration::from_secs(12)).await;
        slow.execute_batch("COMMIT").expect("unlocked");
    });
    tokio::time::timeout(DEADLINE, member.stop()).await.expect("it ends");
    release.await.expect("released");
    plane.committed(2).await;
    member.rows(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_aircraft_is_told_again_how_far_the_ground_is_even_if_messages_come_first() {
    let broker = Mosquitto::start();
    let mut ground = Ground::new(&broker.url());
    let told = Plane::connect(&broker.url(), "TC-JJA").await;
    ground.start().await;
    send_until_committed(&told, &spelled_window(1)).await;
    ground.stop().await;
    let (tail, other) = (told.tail.clone(), Plane::connect(&broker.url(), "TC-JJB").await);
    drop(told);
    other.forget_acks(&tail).await;
    // The broker delivers it as soon as ingest connects, before it has answered anything that ingest asks.
    other.send(largest_message().0).await;
    let told = Plane::connect(&broker.url(), "TC-JJA").await;
    ground.start().await;
    told.committed(1).await;
    ground.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_broker_shares_frames_too() {
    let broker = embedded();
    let plane = Plane::connect(&broker, "TC-JJA").await;
    let (members, seq) = both_get_their_share(&broker, &plane).await;
    members[0].rows(seq as usize).await;
    for mut member in members {
        member.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_crashes_is_connected_to_again() {
    let mut broker = Mosquitto::start();
    let mut ground = Ground::new(&broker.url());
    let plane = Plane::connect(&broker.url(), "TC-JJA").await;
    ground.start().await;
    send_until_committed(&plane, &spelled_window(1)).await;
    broker.crash();
    eventually("a second connection", || (ground.summary.borrow().connections >= 2).then_some(())).await;
    // The broker may have forgotten the session and the aircraft its subscription: both start anew.
    let again = Plane::connect(&broker.url(), "TC-JJB").await;
    send_until_committed(&again, &spelled_window(1)).await;
    ground.rows(2).await;
    assert_eq!(ground.stop().await.gaps, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_while_the_tables_fail_and_all_is_once_they_work() {
    let broker = Mosquitto::start();
    let mut ground = Ground::new(&broker.url());
    let plane = Plane::connect(&broker.url(), "TC-JJA").await;
    ground.start().await;
    send_until_committed(&plane, &spelled_window(1)).await;
    let saboteur = ground.sabotage("window_index");
    plane.send(message(7, 1, 2, &[spelled_window(2)])).await;
    eventually("attempts that fail", || (ground.summary.borrow().retries >= 2).then_some(())).await;
    assert_eq!(plane.acks.borrow().map(|ack| ack.seq.0), Some(1));
    saboteur.execute_batch("DROP TRIGGER full").expect("dropped");
    plane.committed(2).await;
    ground.rows(2).await;
    ground.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_messages_do_not_pile_up_while_the_tables_fail_and_all_are_stored_once_they_work() {
    const MESSAGES: usize = ALWAYS_FIT as usize + 16;
    let broker = Mosquitto::start();
    let mut ground = Ground::new(&broker.url());
    let plane = Plane::connect(&broker.url(), "TC-JJA").await;
    ground.start().await;
    send_until_committed(&plane, &spelled_window(1)).await;
    let saboteur = ground.sabotage("set_aside");
    let receive_maximum = || ground.monitor.snapshot().receive_maximum;
    assert!(receive_maximum() > MESSAGES);
    for number in 0..MESSAGES {
        let mut junk = vec![0xff; crate::broker::MAX_PACKET_BYTES as usize - 100];
        junk[..8].copy_from_slice(&number.to_le_bytes());
        plane.send(junk).await;
    }
    eventually("fewer messages at a time", || (receive_maximum() == usize::from(ALWAYS_FIT)).then_some(()))
        .await;
    saboteur.execute_batch("DROP TRIGGER full").expect("dropped");
    let set_aside = || ground.tables().set_aside(&Query::default()).expect("read").len();
    eventually("all of them", || (set_aside() == MESSAGES).then_some(())).await;
    ground.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_a_broker_that_is_not_there_and_stops_when_told() {
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let mut ground = Ground::new(&format!("mqtt://127.0.0.1:{port}"));
    ground.start().await;
    tokio::task::yield_now().await;
    assert_eq!(ground.stop().await, Summary::default());
}
