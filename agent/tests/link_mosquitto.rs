//! The link against a real broker: mosquitto, on a port the system picks, with a configuration of the test's own.
#![allow(clippy::expect_used, clippy::panic, reason = "a failed test has nobody to report to but its reader")]

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use cabinwatch_agent::config::{Config, LinkMode};
use cabinwatch_agent::link::{self, LinkHandle};
use cabinwatch_agent::pipeline::Input;
use cabinwatch_agent::store::{Change, Store};
use cabinwatch_shared::model::{Cohort, KeyIndex, ModelVersion};
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::Alarms;
use cabinwatch_shared::wire::{
    Committed, Encoding, Envelope, FrameSeq, Frames, KnownRow, KnownRows, LinkState, LossFrame, LossReason,
    StreamId, Topic, WindowFrame,
};
use rumqttc::{Broker, Client, Event, Incoming, MqttOptions, PublishOptions, QoS};

const DEADLINE: Duration = Duration::from_secs(40);
const NOW: UnixSeconds = UnixSeconds(1_795_248_600);

/// A broker of the test's own. Dropping it kills it.
struct Mosquitto {
    folder: PathBuf,
    port: u16,
    child: Child,
}

impl Mosquitto {
    fn start(folder: &Path, settings: &str) -> Self {
        let probe = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = probe.local_addr().expect("an address").port();
        drop(probe);
        let config = format!("listener {port} 127.0.0.1\npersistence false\n{settings}\n");
        fs::write(folder.join("mosquitto.conf"), config).expect("written");
        let mut broker = Self { folder: folder.to_owned(), port, child: spawn(folder) };
        broker.wait_ready();
        broker
    }

    fn open(folder: &Path) -> Self {
        Self::start(folder, "allow_anonymous true")
    }

    fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    fn restart(&mut self) {
        self.kill();
        self.revive();
    }

    fn revive(&mut self) {
        self.child = spawn(&self.folder);
        self.wait_ready();
    }

    fn wait_ready(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                let log = fs::read_to_string(self.folder.join("mosquitto.log")).unwrap_or_default();
                panic!("mosquitto ended with {status}:\n{log}");
            }
            assert!(Instant::now() < deadline, "mosquitto does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path) -> Child {
    let log = fs::File::create(folder.join("mosquitto.log")).expect("a log");
    let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    Command::new(program.unwrap_or("mosquitto"))
        .arg("-c")
        .arg(folder.join("mosquitto.conf"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("mosquitto is not installed; run `make setup`, which installs what the tests need")
}

/// What the ground would see: everything below the aircraft's tail.
struct Ground {
    client: Client,
    events: Receiver<(String, Vec<u8>)>,
}

impl Ground {
    fn new(options: MqttOptions) -> Self {
        let (client, mut connection) = Client::builder(options).capacity(10).build();
        let (queue, events) = sync_channel(10_000);
        let subscriber = client.clone();
        std::thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                        let _ = subscriber.try_subscribe("cabinwatch/v1/#", QoS::AtLeastOnce);
                    }
                    Ok(Event::Incoming(Incoming::Publish(publish))) => {
                        let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                        if queue.send((topic, publish.payload.to_vec())).is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    Err(_) if queue_is_closed(&queue) => return,
                    Err(_) => std::thread::sleep(Duration::from_millis(50)),
                }
            }
        });
        Self { client, events }
    }

    fn at(broker: &Mosquitto) -> Self {
        let mut options = MqttOptions::new("ground", Broker::tcp("127.0.0.1", broker.port));
        options.set_max_packet_size(Some(4 << 20));
        Self::new(options)
    }

    fn publish(&self, topic: &Topic<'_>, payload: Vec<u8>) {
        let options = PublishOptions::new(QoS::AtLeastOnce).retained();
        self.client.publish(topic.to_string(), payload, options).expect("published");
    }

    fn commit(&self, stream: StreamId, seq: u64) {
        let mut payload = Vec::new();
        Committed { stream, seq: FrameSeq(seq) }.write(&mut payload).expect("encodes");
        self.publish(&Topic::Ack(&tail()), payload);
    }

    /// The next payload of a topic that ends so.
    fn next(&self, end: &str) -> Vec<u8> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let (topic, payload) =
                self.events.recv_timeout(left).unwrap_or_else(|_| panic!("nothing on {end}"));
            if topic.ends_with(end) {
                return payload;
            }
        }
    }

    fn until_state(&self, wanted: impl Fn(&LinkState) -> bool) {
        while !wanted(&LinkState::parse(&self.next("up/status")).expect("a status")) {}
    }

    /// Reads messages until all these frames have come.
    fn until_frames(&self, numbers: std::ops::RangeInclusive<u64>) -> Vec<usize> {
        let mut missing: Vec<u64> = numbers.collect();
        let mut sizes = Vec::new();
        while !missing.is_empty() {
            let frames = frames(&self.next("up/frames"));
            sizes.push(frames.len());
            missing.retain(|number| !frames.contains(number));
        }
        sizes
    }
}

fn queue_is_closed(queue: &std::sync::mpsc::SyncSender<(String, Vec<u8>)>) -> bool {
    queue.send(("probe".to_owned(), Vec::new())).is_err()
}

/// The numbers of the frames in a message; each must decode.
fn frames(payload: &[u8]) -> Vec<u64> {
    let envelope = Envelope::parse(payload).expect("an envelope");
    let content = match envelope.encoding {
        Encoding::Plain => envelope.content.to_vec(),
        Encoding::Deflate { inflated } => {
            miniz_oxide::inflate::decompress_to_vec_with_limit(envelope.content, inflated as usize)
                .expect("deflated")
        }
    };
    let (_, frames) = Frames::parse(&content).expect("a head");
    frames
        .map(|frame| {
            let frame = frame.expect("whole");
            frame.decode().expect("a frame");
            frame.seq.0
        })
        .collect()
}

fn tail() -> cabinwatch_shared::tail::Tail {
    "TC-JJA".parse().expect("a tail")
}

/// An outbox with a link on it, and the engine's end of the queue.
struct Agent {
    store: Store,
    stream: StreamId,
    written: u64,
    link: Option<LinkHandle>,
    engine: Receiver<Input>,
    stop: Arc<AtomicBool>,
}

impl Agent {
    fn start(folder: &Path, port: u16, backlog: u64, configure: impl FnOnce(&mut Config)) -> Self {
        let database = folder.join("agent.db");
        let (store, _) = Store::open(&database, NOW).expect("a database");
        let bounds = store.bounds().expect("bounds");
        let mut config = Config { tail: "TC-JJA".to_owned(), ..Config::default() };
        config.link.broker = format!("mqtt://127.0.0.1:{port}");
        config.link.drain_bytes_per_second = 1 << 20;
        config.link.backoff_min_millis = 20;
        config.link.backoff_max_millis = 200;
        configure(&mut config);
        let (queue, engine) = sync_channel(64);
        let stop = Arc::new(AtomicBool::new(false));
        let mut agent = Self {
            store,
            stream: bounds.stream,
            written: bounds.newest.0,
            link: None,
            engine,
            stop: Arc::clone(&stop),
        };
        agent.write(backlog);
        agent.link = Some(link::start(&config, database, queue, stop).expect("started"));
        agent
    }

    /// Appends so many frames and wakes the link.
    fn write(&mut self, count: u64) {
        let frame = cabinwatch_shared::wire::Frame::Loss(LossFrame {
            reason: LossReason::Late,
            count: 1,
            since: NOW,
            until: NOW,
        });
        self.append(&frame, count);
    }

    /// Appends a window in which this key alarms.
    fn write_alarm(&mut self, key: u32) {
        let row = KnownRow { key: KeyIndex(key), fail: 9, alarms: Alarms { z: true, forest: true } };
        let window = WindowFrame {
            start: NOW,
            length: 300,
            model: ModelVersion(1),
            points: heapless::Vec::new(),
            known: KnownRows::pack([row]).expect("in order"),
            spelled: heapless::Vec::new(),
        };
        self.append(&cabinwatch_shared::wire::Frame::Window(window), 1);
    }

    fn append(&mut self, frame: &cabinwatch_shared::wire::Frame<'_>, count: u64) {
        let mut bytes = Vec::new();
        frame.write(&mut bytes).expect("encodes");
        let frames = vec![bytes; count as usize];
        self.store.write(&Change { frames, ..Change::at(NOW) }).expect("written");
        self.written += count;
        if let Some(link) = &self.link {
            link.wake();
        }
    }

    fn next_input(&self) -> Input {
        self.engine.recv_timeout(DEADLINE).expect("an input in time")
    }

    fn until_committed(&self, seq: u64) {
        loop {
            if let Input::Committed(word) = self.next_input() {
                assert_eq!(word.stream, self.stream);
                if word.seq == FrameSeq(seq) {
                    return;
                }
            }
        }
    }

    fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.stop.store(true, Ordering::Relaxed);
        self.link.take().expect("running").join();
        began.elapsed()
    }
}

fn is_online(state: &LinkState) -> bool {
    matches!(state, LinkState::Online(_))
}

#[test]
fn backlog_and_live_frames_arrive_and_the_acknowledgement_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    let mut agent = Agent::start(folder.path(), broker.port, 300, |_| {});
    let first = agent.written - 299;
    let status = loop {
        if let LinkState::Online(status) = LinkState::parse(&ground.next("up/status")).expect("a status") {
            break status;
        }
    };
    assert_eq!((status.stream, status.newest), (agent.stream, FrameSeq(agent.written)));
    agent.write(2);
    let live = agent.written - 1..=agent.written;
    assert!(ground.until_frames(live).iter().all(|frames| *frames == 1), "live frames go one by one");
    let sizes = ground.until_frames(first..=agent.written - 2);
    assert!(sizes.iter().any(|frames| *frames > 100), "a backlog goes many frames a message: {sizes:?}");
    ground.commit(agent.stream, agent.written);
    agent.until_committed(agent.written);
    let stats = agent.link.as_ref().expect("running").stats().snapshot();
    assert!(stats.connected && stats.messages >= 3 && stats.bytes > 0, "{stats:?}");
}

#[test]
fn after_the_broker_was_killed_all_that_is_not_committed_arrives_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    let mut agent = Agent::start(folder.path(), broker.port, 50, |_| {});
    let all = agent.written;
    ground.until_frames(1..=all);
    ground.commit(agent.stream, all - 20);
    agent.until_committed(all - 20);
    broker.restart();
    // The broker has forgotten everything, the retained acknowledgement and our session included.
    ground.until_state(is_online);
    ground.until_frames(all - 19..=all);
    broker.kill();
    agent.write(5);
    broker.revive();
    ground.until_frames(all - 19..=all + 5);
}

#[test]
fn frames_that_the_ground_does_not_commit_are_sent_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    let agent = Agent::start(folder.path(), broker.port, 10, |config| config.link.resend_seconds = 1);
    ground.until_frames(1..=agent.written);
    ground.until_frames(1..=agent.written);
    ground.commit(agent.stream, agent.written);
    agent.until_committed(agent.written);
}

#[test]
fn a_retained_acknowledgement_spares_the_backlog_it_covers() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    let first = Agent::start(folder.path(), broker.port, 100, |_| {});
    let (stream, all) = (first.stream, first.written);
    ground.until_frames(1..=all);
    ground.commit(stream, all - 5);
    first.until_committed(all - 5);
    first.stop();
    let second = Agent::start(folder.path(), broker.port, 0, |_| {});
    assert_eq!(frames(&ground.next("up/frames")), (all - 4..=all).collect::<Vec<_>>());
    drop(second);
}

#[test]
fn a_published_model_is_offered_to_the_engine() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    let bundle: Vec<u8> = (0..500_000_u32).map(|byte| byte as u8).collect();
    ground.publish(&Topic::Model(&Cohort::fleet()), bundle.clone());
    let agent = Agent::start(folder.path(), broker.port, 0, |_| {});
    loop {
        if let Input::ModelOffered(offered) = agent.next_input() {
            assert_eq!(offered.bundle, bundle);
            break;
        }
    }
}

const NEXT_CONTACT: u32 = 3600;

fn on_schedule(config: &mut Config) {
    config.link.mode = LinkMode::Scheduled;
    config.link.every_seconds = NEXT_CONTACT;
}

#[test]
fn a_scheduled_contact_ends_when_all_is_committed_and_says_when_the_next_one_is_due() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    let agent = Agent::start(folder.path(), broker.port, 10, on_schedule);
    ground.until_frames(1..=agent.written);
    ground.commit(agent.stream, agent.written);
    ground.until_state(|state| *state == LinkState::Away { seconds: NEXT_CONTACT });
    agent.until_committed(agent.written);
    let stats = agent.link.as_ref().expect("running").stats();
    let deadline = Instant::now() + DEADLINE;
    while stats.snapshot().next_contact.is_none() {
        assert!(Instant::now() < deadline, "{:?}", stats.snapshot());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!stats.snapshot().connected);
    assert!(agent.stop() < Duration::from_secs(4), "the wait for the next contact is cut short");
}

#[test]
fn between_contacts_a_new_alarm_is_a_reason_to_connect_and_the_same_one_again_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    let mut agent = Agent::start(folder.path(), broker.port, 1, on_schedule);
    let contact = |agent: &Agent, frames: std::ops::RangeInclusive<u64>| {
        let sizes = ground.until_frames(frames);
        ground.commit(agent.stream, agent.written);
        ground.until_state(|state| matches!(state, LinkState::Away { .. }));
        agent.until_committed(agent.written);
        sizes
    };
    contact(&agent, 1..=agent.written);
    agent.write_alarm(4);
    contact(&agent, agent.written..=agent.written);
    // No reason to connect: neither a window without an alarm, nor one with the alarm that the ground knows.
    agent.write(1);
    agent.write_alarm(4);
    agent.write_alarm(5);
    let sizes = contact(&agent, agent.written - 2..=agent.written);
    assert_eq!(sizes, [3], "all that gathered comes in one message");
}

#[test]
fn a_stopping_agent_says_offline() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    let agent = Agent::start(folder.path(), broker.port, 0, |_| {});
    ground.until_state(is_online);
    assert!(agent.stop() < Duration::from_secs(4), "the farewell is bounded");
    ground.until_state(|state| *state == LinkState::Offline);
}

#[test]
fn an_agent_that_stops_with_its_hands_full_says_offline_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    for _ in 0..20 {
        let mut agent = Agent::start(folder.path(), broker.port, 500, |_| {});
        ground.until_state(is_online);
        agent.write(100);
        agent.stop();
        ground.until_state(|state| *state == LinkState::Offline);
    }
}

#[test]
fn without_a_broker_the_agent_stops_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let probe = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = probe.local_addr().expect("an address").port();
    drop(probe);
    let agent = Agent::start(folder.path(), port, 3, |_| {});
    assert!(agent.stop() < Duration::from_secs(4), "the wait for the next try is cut short");
}

#[test]
fn a_broker_that_never_answers_is_given_up_and_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = mute.local_addr().expect("an address").port();
    let _agent = Agent::start(folder.path(), port, 3, |config| config.link.stuck_seconds = 1);
    let _first = mute.accept().expect("a connection");
    mute.accept().expect("another one");
}

/// A certificate authority of the test's own, and a certificate for 127.0.0.1.
fn make_certificates(folder: &Path) {
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").current_dir(folder).args(arguments).output();
        let output =
            output.expect("openssl is not installed; run `make setup`, which installs what the tests need");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    fs::write(folder.join("names.cnf"), "subjectAltName=IP:127.0.0.1\n").expect("written");
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let mut authority = vec!["req", "-x509", "-days", "2", "-subj", "/CN=Test authority"];
    authority.extend(key);
    authority.extend(["-keyout", "ca.key", "-out", "ca.pem"]);
    openssl(&authority);
    let mut request = vec!["req", "-subj", "/CN=broker"];
    request.extend(key);
    request.extend(["-keyout", "broker.key", "-out", "broker.csr"]);
    openssl(&request);
    openssl(&[
        "x509",
        "-req",
        "-in",
        "broker.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "names.cnf",
        "-out",
        "broker.pem",
    ]);
}

fn guarded_broker(folder: &Path) -> Mosquitto {
    make_certificates(folder);
    let passwords = folder.join("passwords");
    let mut file = fs::File::create(&passwords).expect("made");
    writeln!(file, "TC-JJA:correct horse").expect("written");
    let hashed = Command::new("mosquitto_passwd").arg("-U").arg(&passwords).status();
    assert!(hashed.expect("mosquitto_passwd is not installed; run `make setup`").success());
    let at = |name: &str| folder.join(name).display().to_string();
    // The broker gives up root for a user of its own, who must read these.
    Mosquitto::start(
        folder,
        &format!(
            "user root\nallow_anonymous false\npassword_file {}\ncertfile {}\nkeyfile {}",
            at("passwords"),
            at("broker.pem"),
            at("broker.key")
        ),
    )
}

#[test]
fn tls_and_password_let_the_agent_in_and_a_wrong_password_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = guarded_broker(folder.path());
    fs::write(folder.path().join("password"), "wrong\n").expect("written");
    let password_file = folder.path().join("password");
    let ca_file = folder.path().join("ca.pem");
    let mut agent = Agent::start(folder.path(), broker.port, 3, |config| {
        config.link.broker = format!("mqtts://127.0.0.1:{}", broker.port);
        config.link.user = "TC-JJA".to_owned();
        config.link.password_file = password_file.clone();
        config.link.ca_file = ca_file;
    });
    let connected = |agent: &Agent| agent.link.as_ref().expect("running").stats().snapshot().connected;
    let log = || fs::read_to_string(folder.path().join("mosquitto.log")).unwrap_or_default();
    let deadline = Instant::now() + DEADLINE;
    while !log().contains("not authorised") {
        assert!(!connected(&agent) && Instant::now() < deadline, "{}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
    // The file is read for each connection, so the right password counts as soon as it is there.
    fs::write(&password_file, "correct horse\n").expect("written");
    let deadline = Instant::now() + DEADLINE;
    while !connected(&agent) {
        assert!(Instant::now() < deadline, "{}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
    agent.write(1);
    let deadline = Instant::now() + DEADLINE;
    while agent.link.as_ref().expect("running").stats().snapshot().messages == 0 {
        assert!(Instant::now() < deadline, "nothing sent");
        std::thread::sleep(Duration::from_millis(20));
    }
}
