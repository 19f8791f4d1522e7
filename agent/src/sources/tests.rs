//! The sources as the engine sees them: started from a configuration, through the queue.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use cabinwatch_shared::event::State;
use cabinwatch_shared::wire::LossReason;
use proptest::prelude::*;

use super::*;
use crate::config::{Config, ReplayConfig};
use crate::pipeline::Input;

const DEADLINE: Duration = Duration::from_secs(60);

/// Running sources with a stand-in for the engine that stores nothing but counts.
struct Bench {
    folder: tempfile::TempDir,
    config: Config,
    cursors: HashMap<String, Vec<u8>>,
    running: Option<(Receiver<Input>, SourceThreads, Arc<AtomicBool>)>,
    events: Vec<(String, String, State)>,
    losses: BTreeMap<LossReason, u64>,
    unknown_lines: u64,
    /// Whether batches are said to be stored.
    stores: bool,
}

impl Bench {
    fn new(configure: impl FnOnce(&Path, &mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::default();
        config.sources.event_socket = PathBuf::new();
        config.sources.spool = PathBuf::new();
        configure(folder.path(), &mut config);
        let mut bench = Self {
            folder,
            config,
            cursors: HashMap::new(),
            running: None,
            events: Vec::new(),
            losses: BTreeMap::new(),
            unknown_lines: 0,
            stores: true,
        };
        bench.start();
        bench
    }

    fn with_event_socket() -> Self {
        Self::new(|folder, config| config.sources.event_socket = folder.join("events.sock"))
    }

    fn start(&mut self) {
        let (queue, engine) = sync_channel(64);
        let stop = Arc::new(AtomicBool::new(false));
        let threads = start(&self.config, self.cursors.clone(), queue, Arc::default(), Arc::clone(&stop))
            .expect("started");
        self.running = Some((engine, threads, stop));
    }

    /// Stops the sources, as a restart of the agent does; what was in flight is lost with the engine.
    fn stop(&mut self) {
        let (engine, threads, stop) = self.running.take().expect("running");
        stop.store(true, Ordering::Relaxed);
        drop(engine);
        threads.join();
    }

    /// Takes inputs until the condition holds.
    fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !done(self) {
            assert!(Instant::now() < deadline, "{what}: {:?} {:?}", self.events, self.losses);
            let (engine, ..) = self.running.as_ref().expect("running");
            let Ok(Input::Batch(batch)) = engine.recv_timeout(Duration::from_millis(20)) else { continue };
            self.take(batch);
        }
    }

    fn take(&mut self, mut batch: EventBatch) {
        let own = |event: Event<'_>| {
            (event.key.edr_point.to_owned(), event.key.description.to_owned(), event.state)
        };
        self.events.extend(batch.events().map(own));
        for (reason, count) in batch.losses {
            *self.losses.entry(reason).or_default() += count;
        }
        self.unknown_lines += batch.unknown_lines;
        if self.stores {
            self.cursors.extend(batch.cursors.into_iter().map(|cursor| (cursor.name, cursor.position)));
            if let Some(on_stored) = batch.on_stored.take() {
                on_stored();
            }
        }
    }

    fn lost(&self, reason: LossReason) -> u64 {
        self.losses.get(&reason).copied().unwrap_or(0)
    }

    /// A sender that is connected to the event socket, once that is there.
    fn sender(&self) -> UnixDatagram {
        let socket = UnixDatagram::bind(self.folder.path().join("producer.sock")).expect("bound");
        connect(&socket, &self.config.sources.event_socket);
        socket.set_read_timeout(Some(DEADLINE)).expect("set");
        socket
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.stop();
        }
    }
}

fn connect(socket: &UnixDatagram, path: &Path) {
    let deadline = Instant::now() + DEADLINE;
    while let Err(error) = socket.connect(path) {
        assert!(Instant::now() < deadline, "{}: {error}", path.display());
        std::thread::yield_now();
    }
}

fn numbered(seq: u64) -> String {
    format!(
        r#"{{"edr_point":"DHCP","description":"pool empty","state":"FAIL","producer":"hook","seq":{seq}}}"#
    )
}

fn reply(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let length = socket.recv(&mut buffer).expect("a reply in time");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// The numbers that replies name, until one names `last`.
fn acknowledged(socket: &UnixDatagram, last: u64) -> Vec<u64> {
    let mut numbers = BTreeSet::new();
    while !numbers.contains(&last) {
        let words: serde_json::Value = serde_json::from_str(&reply(socket)).expect("JSON");
        let number = |name: &str| words[name].as_u64().expect("a number");
        numbers.extend(number("first")..=number("stored"));
    }
    numbers.into_iter().collect()
}

use cabinwatch_shared::event::Event;

#[test]
fn json_events_come_in_by_the_socket_and_bad_ones_are_counted() {
    let mut bench = Bench::with_event_socket();
    let sender = bench.sender();
    for datagram in [
        r#"{"edr_point":"DHCP","description":"pool empty","state":"FAIL"}"#,
        "garbage",
        r#"{"edr_point":"DHCP","description":"x","state":"TIMEOUT"}"#,
        r#"{"edr_point":"DHCP","state":"SUCCESS"}"#,
    ] {
        sender.send(datagram.as_bytes()).expect("sent");
    }
    sender.send(&vec![b'x'; 100_000]).expect("sent");
    bench.until("all are taken", |bench| {
        bench.events.len() + bench.losses.values().sum::<u64>() as usize == 5
    });
    let expected = [
        ("DHCP".to_owned(), "pool empty".to_owned(), State::Fail),
        ("DHCP".to_owned(), String::new(), State::Success),
    ];
    assert_eq!(bench.events, expected);
    let losses = [(LossReason::Malformed, 1), (LossReason::TooLong, 1), (LossReason::UnknownState, 1)];
    assert_eq!(bench.losses, BTreeMap::from(losses));
}

#[test]
fn a_numbered_event_is_acknowledged_once_stored_and_counted_once() {
    let mut bench = Bench::with_event_socket();
    let sender = bench.sender();
    for seq in [1, 2, 2] {
        sender.send(numbered(seq).as_bytes()).expect("sent");
    }
    bench.until("both are taken", |bench| bench.events.len() == 2);
    bench.until("more", |_| true);
    assert_eq!(acknowledged(&sender, 2), [1, 2]);
    bench.stop();
    bench.start();
    std::fs::remove_file(bench.folder.path().join("producer.sock")).expect("removed");
    let sender = bench.sender();
    sender.send(numbered(2).as_bytes()).expect("sent");
    sender.send(numbered(3).as_bytes()).expect("sent");
    bench.until("the new one is taken", |bench| bench.events.len() == 3);
    assert_eq!(acknowledged(&sender, 3), [2, 3]);
}

#[test]
fn a_number_that_never_came_is_not_acknowledged_by_those_after_it() {
    let mut bench = Bench::with_event_socket();
    let sender = bench.sender();
    for seq in [1, 2, 4] {
        sender.send(numbered(seq).as_bytes()).expect("sent");
    }
    bench.until("all are taken", |bench| bench.events.len() == 3);
    assert_eq!(acknowledged(&sender, 4), [1, 2, 4]);
}

#[test]
fn what_was_not_stored_before_a_restart_counts_when_it_is_sent_again() {
    let mut bench = Bench::with_event_socket();
    bench.stores = false;
    let sender = bench.sender();
    sender.send(numbered(1).as_bytes()).expect("sent");
    bench.until("it is taken", |bench| bench.events.len() == 1);
    bench.stop();
    (bench.stores, bench.events) = (true, Vec::new());
    bench.start();
    std::fs::remove_file(bench.folder.path().join("producer.sock")).expect("removed");
    let sender = bench.sender();
    sender.send(numbered(1).as_bytes()).expect("sent");
    bench.until("it is taken again", |bench| bench.events.len() == 1);
    assert_eq!(reply(&sender), r#"{"producer":"hook","first":1,"stored":1}"#);
}

#[test]
fn a_broken_numbered_event_is_acknowledged_so_that_it_comes_no_more() {
    let mut bench = Bench::with_event_socket();
    let sender = bench.sender();
    sender.send(br#"{"producer":"hook","seq":1,"state":7}"#).expect("sent");
    sender.send(br#"{"producer":"hook","seq":1,"state":7}"#).expect("sent");
    sender.send(numbered(2).as_bytes()).expect("sent");
    bench.until("the good one is taken", |bench| bench.events.len() == 1);
    assert_eq!(bench.lost(LossReason::Malformed), 1);
}

#[test]
fn both_forms_of_syslog_come_in_by_both_kinds_of_socket() {
    let probe = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let udp = probe.local_addr().expect("an address");
    drop(probe);
    let mut bench = Bench::new(|folder, config| {
        config.sources.syslog_sockets = vec![folder.join("log.sock")];
        config.sources.syslog_udp = vec![udp.to_string()];
    });
    let nak = |last: u8| format!("DHCPNAK(br0) 10.77.0.{last} 02:00:00:00:01:{last:02x} wrong network \n");
    let rfc5424 =
        |last| format!("<30>1 2026-11-21T08:10:00.000000+00:00 gw dnsmasq-dhcp 185 - - {}", nak(last));
    let rfc3164 = |last| format!("<30>Nov 21 08:10:01 dnsmasq-dhcp[185]: {}", nak(last));
    let unix = UnixDatagram::unbound().expect("made");
    connect(&unix, &bench.config.sources.syslog_sockets[0]);
    unix.send(rfc5424(1).as_bytes()).expect("sent");
    unix.send(rfc3164(2).as_bytes()).expect("sent");
    unix.send(&[0xff; 20]).expect("sent");
    unix.send(&[b'x'; 100_000]).expect("sent");
    let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
    // Until the agent has bound its port, the datagrams are refused.
    bench.until("both are taken", |bench| {
        sender.send_to(rfc5424(3).as_bytes(), udp).expect("sent");
        sender.send_to(rfc3164(4).as_bytes(), udp).expect("sent");
        // What came by UDP alone may be as many; what is lost comes last by the unix socket.
        bench.events.len() >= 4 && bench.losses.values().sum::<u64>() >= 2
    });
    assert!(bench.events.iter().all(|(point, _, state)| point == "DHCP" && *state == State::Fail));
    assert_eq!((bench.lost(LossReason::Malformed), bench.lost(LossReason::TooLong)), (1, 1));
}

#[test]
fn a_known_daemons_unknown_line_is_counted_and_another_programs_is_not() {
    let mut bench = Bench::new(|folder, config| {
        let log = folder.join("gateway.log");
        std::fs::write(
            &log,
            "2026-11-21T08:10:00+00:00 gw dnsmasq[1]: a line that no rule knows\n\
             2026-11-21T08:10:00+00:00 gw cron[1]: whatever\n\
             2026-11-21T08:10:01+00:00 gw dnsmasq-dhcp[1]: DHCPNAK(br0) 10.77.0.9 02:00:00:00:01:09 wrong network\n",
        )
        .expect("written");
        config.sources.tail = vec![log];
    });
    bench.until("the event is taken", |bench| bench.events.len() == 1);
    assert_eq!((bench.unknown_lines, bench.losses.len()), (1, 0));
}

#[test]
fn a_full_queue_makes_the_sender_wait_and_loses_nothing() {
    const COUNT: usize = 60_000;
    let mut bench = Bench::with_event_socket();
    let sender = bench.sender();
    let writer = std::thread::spawn(move || {
        for _ in 0..COUNT {
            sender.send(br#"{"edr_point":"DNS","state":"SUCCESS"}"#).expect("sent");
        }
    });
    bench.until("all are taken", |bench| bench.events.len() == COUNT);
    writer.join().expect("sent all");
    assert!(bench.losses.is_empty());
}

#[test]
fn what_has_been_sent_before_a_stop_is_handed_over() {
    let mut bench = Bench::with_event_socket();
    let sender = bench.sender();
    for _ in 0..30 {
        let batch: Vec<_> = std::iter::repeat_n(br#"{"edr_point":"DNS","state":"SUCCESS"}"#, 5).collect();
        batch.iter().for_each(|event| assert!(sender.send(*event).is_ok()));
        let (engine, threads, stop) = bench.running.take().expect("running");
        stop.store(true, Ordering::Relaxed);
        threads.join();
        let taken: usize =
            engine.iter().map(|input| if let Input::Batch(batch) = input { batch.len() } else { 0 }).sum();
        assert_eq!(taken, batch.len());
        bench.start();
        connect(&sender, &bench.config.sources.event_socket);
    }
}

#[test]
fn what_cannot_work_is_refused_at_the_start_with_the_setting() {
    let refuse = |change: &dyn Fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        let (queue, _engine) = sync_channel(1);
        match start(&config, HashMap::new(), queue, Arc::default(), Arc::default()) {
            Ok(_) => panic!("started"),
            Err(error) => error.to_string(),
        }
    };
    for address in ["0.0.0.0:514", "192.0.2.1:514", "localhost:514", "127.0.0.1"] {
        let error = refuse(&|config| config.sources.syslog_udp = vec![address.to_owned()]);
        assert!(error.contains("sources.syslog_udp") && error.contains(address), "{error}");
    }
    for speed in [-1.0, f64::NAN, f64::INFINITY] {
        let replay = ReplayConfig { path: "/edr".into(), speed };
        let error = refuse(&|config| config.sources.replay = vec![replay.clone()]);
        assert!(error.contains("sources.replay.speed"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn garbage_datagrams_are_all_counted_and_stop_nothing(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..60),
    ) {
        let mut bench = Bench::with_event_socket();
        let sender = bench.sender();
        for datagram in &datagrams {
            sender.send(datagram).expect("sent");
        }
        sender.send(br#"{"edr_point":"DNS","state":"SUCCESS"}"#).expect("sent");
        bench.until("the last one is taken", |bench| bench.events.len() == 1);
        prop_assert_eq!(bench.lost(LossReason::Malformed), datagrams.len() as u64);
    }
}
