//! A program on the gateway that must not lose an event: it numbers what it sends, and sends again what the agent
//! has not said it stored. The protocol is in `docs/sources.md`.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Events that may be on their way at a time.
const IN_FLIGHT: usize = 128;
/// How long to wait for an answer before everything unstored is sent again.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long an agent may be gone. A test kills one for a moment; only one that never answers again reaches this.
const SILENCE_LIMIT: Duration = Duration::from_secs(180);

/// One event to send.
#[derive(Clone, Debug)]
pub struct Event {
    /// `edr_date`, as text.
    pub at: String,
    /// `edr_point`.
    pub point: String,
    /// `description`.
    pub description: String,
    /// `FAIL` or `SUCCESS`.
    pub state: &'static str,
}

/// A producer with a name and numbers of its own.
#[derive(Debug)]
pub struct Producer {
    name: String,
    agent: PathBuf,
    socket: UnixDatagram,
    next: u64,
    /// What no answer has named yet, by its number.
    unstored: BTreeMap<u64, Vec<u8>>,
    resent: u64,
    last_answer: Instant,
}

impl Producer {
    /// A producer whose answers arrive on a socket of its own in `folder`.
    ///
    /// # Panics
    /// When that socket cannot be made.
    #[must_use]
    pub fn new(name: &str, folder: &Path, agent: &Path) -> Self {
        let socket = UnixDatagram::bind(folder.join(format!("{name}.sock"))).expect("a socket can be made");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        Self {
            name: name.to_owned(),
            agent: agent.to_owned(),
            socket,
            next: 1,
            unstored: BTreeMap::new(),
            resent: 0,
            last_answer: Instant::now(),
        }
    }

    /// Sends one event. Waits while too many are on their way; returns when there is room for more.
    pub fn send(&mut self, event: &Event) {
        let (seq, producer) = (self.next, &self.name);
        let datagram = json!({
            "edr_date": event.at, "edr_point": event.point, "description": event.description,
            "state": event.state, "producer": producer, "seq": seq,
        });
        let datagram = datagram.to_string().into_bytes();
        self.next += 1;
        self.try_send(&datagram);
        self.unstored.insert(seq, datagram);
        while self.unstored.len() >= IN_FLIGHT {
            self.listen();
        }
    }

    /// Waits until the agent has stored everything.
    pub fn finish(&mut self) {
        while !self.unstored.is_empty() {
            self.listen();
        }
    }

    /// How many events were sent.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.next - 1
    }

    /// How many datagrams were sent more than once.
    #[must_use]
    pub const fn resent(&self) -> u64 {
        self.resent
    }

    /// Takes one answer, or sends everything again when none comes.
    fn listen(&mut self) {
        let mut buffer = [0; 512];
        match self.socket.recv(&mut buffer) {
            Ok(length) => {
                self.last_answer = Instant::now();
                self.settle(&buffer[..length]);
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                let silence = self.last_answer.elapsed();
                assert!(silence < SILENCE_LIMIT, "no answer from {} for {silence:?}", self.agent.display());
                self.resent += self.unstored.len() as u64;
                for datagram in self.unstored.values() {
                    self.try_send(datagram);
                }
            }
            // The next call listens again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => panic!("the producer's socket broke: {error}"),
        }
    }

    fn settle(&mut self, answer: &[u8]) {
        let answer: Value = serde_json::from_slice(answer).expect("the agent answers in JSON");
        assert_eq!(answer["producer"], self.name.as_str(), "an answer for someone else");
        let number =
            |name: &str| answer[name].as_u64().unwrap_or_else(|| panic!("no number `{name}` in {answer}"));
        let (first, last) = (number("first"), number("stored"));
        assert!(last < self.next, "the agent says it stored {last}, but only {} were sent", self.next - 1);
        // Only these: a number below them may have been lost in the socket with an agent that died.
        self.unstored.retain(|seq, _| !(first..=last).contains(seq));
    }

    /// A datagram may be lost: the agent may be dead, or its queue full. Then it is sent again later.
    fn try_send(&self, datagram: &[u8]) {
        if self.socket.send_to(datagram, &self.agent).is_err() {
            thread::sleep(Duration::from_millis(5));
        }
    }
}
