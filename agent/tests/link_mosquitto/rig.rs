//! A mosquitto, the ground beyond it, and an agent's link without its engine.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use cabinwatch_agent::config::Config;
use cabinwatch_agent::link::{self, LinkHandle};
use cabinwatch_agent::pipeline::Input;
use cabinwatch_agent::store::{Change, Store};
use cabinwatch_shared::model::{KeyIndex, ModelVersion};
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::Alarms;
use cabinwatch_shared::wire::{
    Committed, Encoding, Envelope, FrameSeq, Frames, KnownRow, KnownRows, LinkState, LossFrame, LossReason,
    StreamId, Topic, WindowFrame,
};
use rumqttc::{Broker, Client, Event, Incoming, MqttOptions, PublishOptions, QoS};

/// Far above what anything takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);
pub(crate) const NOW: UnixSeconds = UnixSeconds(1_795_248_600);

/// Ports below those that the system gives to outgoing connections: a client that calls a broker that is down could
/// otherwise be given its very port.
const PORTS: Range<u16> = 10_000..15_000;
static PORTS_GIVEN: AtomicU16 = AtomicU16::new(0);

/// A port that nothing listens on, and that no other test of this process gets.
pub(crate) fn free_port() -> u16 {
    let count = PORTS.end - PORTS.start;
    // Test processes that run side by side begin far apart.
    let first = (std::process::id() * 7919 % u32::from(count)) as u16;
    (0..count)
        .map(|_| PORTS.start + (first + PORTS_GIVEN.fetch_add(1, Ordering::Relaxed)) % count)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("there is a free port")
}

/// A broker of the test's own. Dropping it kills it.
pub(crate) struct Mosquitto {
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    pub(crate) child: Child,
}

impl Mosquitto {
    pub(crate) fn start(folder: &Path, settings: &str) -> Self {
        let port = free_port();
        let config = format!("listener {port} 127.0.0.1\npersistence false\n{settings}\n");
        fs::write(folder.join("mosquitto.conf"), config).expect("written");
        let mut broker = Self { folder: folder.to_owned(), port, child: spawn(folder) };
        broker.wait_ready();
        broker
    }

    pub(crate) fn open(folder: &Path) -> Self {
        Self::start(folder, "allow_anonymous true")
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        self.revive();
    }

    pub(crate) fn revive(&mut self) {
        self.child = spawn(&self.folder);
        self.wait_ready();
    }

    pub(crate) fn wait_ready(&mut self) {
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

pub(crate) fn spawn(folder: &Path) -> Child {
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
pub(crate) struct Ground {
    pub(crate) client: Client,
    pub(crate) events: Receiver<(String, Vec<u8>)>,
}

impl Ground {
    pub(crate) fn new(options: MqttOptions) -> Self {
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

    pub(crate) fn at(broker: &Mosquitto) -> Self {
        let mut options = MqttOptions::new("ground", Broker::tcp("127.0.0.1", broker.port));
        options.set_max_packet_size(Some(4 << 20));
        Self::new(options)
    }

    pub(crate) fn publish(&self, topic: &Topic<'_>, payload: Vec<u8>) {
        let options = PublishOptions::new(QoS::AtLeastOnce).retained();
        self.client.publish(topic.to_string(), payload, options).expect("published");
    }

    pub(crate) fn commit(&self, stream: StreamId, seq: u64) {
        let mut payload = Vec::new();
        Committed { stream, seq: FrameSeq(seq) }.write(&mut payload).expect("encodes");
        self.publish(&Topic::Ack(&tail()), payload);
    }

    /// The next payload of a topic that ends so.
    pub(crate) fn next(&self, end: &str) -> Vec<u8> {
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

    pub(crate) fn until_state(&self, wanted: impl Fn(&LinkState) -> bool) {
        while !wanted(&LinkState::parse(&self.next("up/status")).expect("a status")) {}
    }

    /// Reads messages until all these frames have come; the frames of each.
    pub(crate) fn until_frames(&self, numbers: RangeInclusive<u64>) -> Vec<Vec<u64>> {
        let mut missing: Vec<u64> = numbers.collect();
        let mut messages = Vec::new();
        while !missing.is_empty() {
            let frames = frames(&self.next("up/frames"));
            missing.retain(|number| !frames.contains(number));
            messages.push(frames);
        }
        messages
    }
}

pub(crate) fn queue_is_closed(queue: &std::sync::mpsc::SyncSender<(String, Vec<u8>)>) -> bool {
    queue.send(("probe".to_owned(), Vec::new())).is_err()
}

/// The numbers of the frames in a message; each must decode.
pub(crate) fn frames(payload: &[u8]) -> Vec<u64> {
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

pub(crate) fn tail() -> cabinwatch_shared::tail::Tail {
    "TC-JJA".parse().expect("a tail")
}

/// An outbox with a link on it, and the engine's end of the queue.
pub(crate) struct Agent {
    pub(crate) store: Store,
    pub(crate) stream: StreamId,
    pub(crate) written: u64,
    pub(crate) link: Option<LinkHandle>,
    pub(crate) engine: Receiver<Input>,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Agent {
    pub(crate) fn start(folder: &Path, port: u16, backlog: u64, configure: impl FnOnce(&mut Config)) -> Self {
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
    pub(crate) fn write(&mut self, count: u64) {
        let frame = cabinwatch_shared::wire::Frame::Loss(LossFrame {
            reason: LossReason::Late,
            count: 1,
            since: NOW,
            until: NOW,
        });
        self.append(&frame, count);
    }

    /// Appends a window in which this key alarms.
    pub(crate) fn write_alarm(&mut self, key: u32) {
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

    pub(crate) fn append(&mut self, frame: &cabinwatch_shared::wire::Frame<'_>, count: u64) {
        let mut bytes = Vec::new();
        frame.write(&mut bytes).expect("encodes");
        let frames = vec![bytes; count as usize];
        self.store.write(&Change { frames, ..Change::at(NOW) }).expect("written");
        self.written += count;
        if let Some(link) = &self.link {
            link.wake();
        }
    }

    pub(crate) fn next_input(&self) -> Input {
        self.engine.recv_timeout(DEADLINE).expect("an input in time")
    }

    pub(crate) fn until_committed(&self, seq: u64) {
        loop {
            if let Input::Committed(word) = self.next_input() {
                assert_eq!(word.stream, self.stream);
                if word.seq == FrameSeq(seq) {
                    return;
                }
            }
        }
    }

    pub(crate) fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.stop.store(true, Ordering::Relaxed);
        self.link.take().expect("running").join();
        began.elapsed()
    }
}

pub(crate) fn is_online(state: &LinkState) -> bool {
    matches!(state, LinkState::Online(_))
}
