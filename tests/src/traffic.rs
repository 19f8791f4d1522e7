//! Traffic that tells every event from every other, and what the ground must show of it in the end.
//!
//! Every failure that is sent has a description of its own within its window: one that was lost is a missing row, one
//! that was counted twice is a row that says 2.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use jiff::Timestamp;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::aircraft::Aircraft;
use crate::ground::{FaultId, Stored};
use crate::producer::{Event, Producer};

/// What the windows of an aircraft that sends this traffic must be long, in seconds.
pub const WINDOW_SECONDS: i64 = 60;
const FAILS_A_WINDOW: usize = 150;
const SUCCESSES_A_WINDOW: usize = 40;
const POINTS: [&str; 4] = ["AUTH", "DHCP", "DNS", "PORTAL"];
/// The point of the event that closes the last window.
const END: &str = "END";

/// What producers sent, as the ground must show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oracle {
    failures: BTreeMap<FaultId, i64>,
    successes: BTreeMap<(String, String, String), i64>,
}

impl Oracle {
    fn add(&mut self, tail: &str, start: i64, event: &Event) {
        let (tail, start, point) = (tail.to_owned(), rfc3339(start), event.point.clone());
        if event.state == "FAIL" {
            *self.failures.entry((tail, start, point, event.description.clone())).or_default() += 1;
        } else {
            *self.successes.entry((tail, start, point)).or_default() += 1;
        }
    }

    /// Takes in what another aircraft sent.
    pub fn extend(&mut self, other: Self) {
        self.failures.extend(other.failures);
        self.successes.extend(other.successes);
    }

    /// Whether the newest window of every aircraft is among these rows.
    #[must_use]
    pub fn has_arrived(&self, stored: &Stored) -> bool {
        let mut newest: BTreeMap<&str, &FaultId> = BTreeMap::new();
        for id in self.failures.keys() {
            newest.insert(&id.0, id);
        }
        newest.values().all(|id| stored.failures.contains_key(*id))
    }

    /// How many windows the ground lacks. Those it has must be whole.
    ///
    /// # Panics
    /// When they are not.
    #[must_use]
    pub fn missing_windows(&self, stored: &Stored) -> usize {
        let window = |id: &FaultId| (id.0.clone(), id.1.clone());
        let there: BTreeSet<_> = stored.failures.keys().map(window).collect();
        let all: BTreeSet<_> = self.failures.keys().map(window).collect();
        for (id, count) in self.failures.iter().filter(|(id, _)| there.contains(&window(id))) {
            assert_eq!(stored.failures.get(id), Some(count), "{id:?} of a window that arrived");
        }
        all.difference(&there).count()
    }

    /// How many events the ground lacks. None may be there that was not sent.
    ///
    /// # Panics
    /// When one is.
    #[must_use]
    pub fn missing_events(&self, stored: &Stored) -> i64 {
        let missing = |sent: i64, found: Option<&i64>| {
            let missing = sent - found.copied().unwrap_or(0);
            assert!(missing >= 0, "more than was sent");
            missing
        };
        let failures: i64 =
            self.failures.iter().map(|(id, sent)| missing(*sent, stored.failures.get(id))).sum();
        let successes: i64 =
            self.successes.iter().map(|(id, sent)| missing(*sent, stored.successes.get(id))).sum();
        failures + successes
    }

    /// Compares it with what the ground has: every event once, nothing lost, nothing missing. Whether something may be
    /// set aside, the caller knows.
    ///
    /// # Panics
    /// When they differ.
    pub fn check(&self, stored: &Stored) {
        self.check_after_kills(0, stored);
    }

    /// The same where agents were killed so often: the ground knows of each time, and what their producers sent again
    /// is there all the same.
    ///
    /// # Panics
    /// When they differ.
    pub fn check_after_kills(&self, kills: i64, stored: &Stored) {
        let counted = |id: &FaultId| stored.failures.get(id).copied().unwrap_or(0);
        let wrong: Vec<_> = self
            .failures
            .iter()
            .map(|(id, count)| (id, *count, counted(id)))
            .filter(|(_, expected, found)| expected != found)
            .collect();
        assert!(
            wrong.is_empty(),
            "{} events counted wrong (id, sent, counted): {:?}",
            wrong.len(),
            &wrong[..wrong.len().min(5)]
        );
        assert_eq!(stored.failures.len(), self.failures.len(), "rows that nobody sent");
        let mut successes = stored.successes.clone();
        successes.retain(|(_, _, point), _| point != END);
        assert_eq!(successes, self.successes);
        let mut losses = stored.losses.clone();
        assert_eq!(
            losses.remove("unclean_end").unwrap_or(0),
            kills,
            "agents that ended without being stopped"
        );
        assert_eq!(losses, BTreeMap::new());
        assert_eq!(stored.gaps, 0, "there are gaps");
        println!("{} rows, all as sent", stored.failures.len());
    }
}

/// Two producers of one aircraft that send until told to stop.
#[derive(Debug)]
pub struct Traffic {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Oracle>,
}

impl Traffic {
    /// Begins to send to the aircraft's event socket.
    #[must_use]
    pub fn start(aircraft: &Aircraft, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let source = Source {
            tail: aircraft.tail().to_owned(),
            folder: aircraft.folder().to_owned(),
            socket: aircraft.event_socket(),
            seed,
        };
        let stopped = Arc::clone(&stop);
        Self { stop, thread: thread::spawn(move || source.produce(&stopped)) }
    }

    /// Ends after the window at hand, once the agent has stored everything and every window is closed.
    ///
    /// # Panics
    /// When a producer did.
    #[must_use]
    pub fn finish(self) -> Oracle {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the producers end well")
    }
}

struct Source {
    tail: String,
    folder: PathBuf,
    socket: PathBuf,
    seed: u64,
}

impl Source {
    fn produce(&self, stop: &AtomicBool) -> Oracle {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut producers = ["captive", "probe"].map(|name| Producer::new(name, &self.folder, &self.socket));
        let mut oracle = Oracle::default();
        // Five days ago: room for more windows than will be sent, none of them in the future.
        let mut start =
            (Timestamp::now().as_second() - 5 * 86_400).div_euclid(WINDOW_SECONDS) * WINDOW_SECONDS;
        while !stop.load(Ordering::Relaxed) {
            for event in window_events(start, &mut random) {
                oracle.add(&self.tail, start, &event);
                producers[random.random_range(0..2)].send(&event);
            }
            producers.iter_mut().for_each(Producer::finish);
            start += WINDOW_SECONDS;
        }
        let (at, point) = (rfc3339(start + 600), END.to_owned());
        producers[0].send(&Event { at, point, description: String::new(), state: "SUCCESS" });
        producers[0].finish();
        let total = |count: fn(&Producer) -> u64| producers.iter().map(count).sum::<u64>();
        println!(
            "{}: {} events, {} datagrams sent again",
            self.tail,
            total(Producer::sent),
            total(Producer::resent)
        );
        oracle
    }
}

/// Seconds since the epoch as RFC 3339, as the tables show a window's start.
fn rfc3339(seconds: i64) -> String {
    Timestamp::from_second(seconds).expect("a time of this century").to_string()
}

fn window_events(start: i64, random: &mut impl Rng) -> Vec<Event> {
    let mut events = Vec::new();
    for number in 0..FAILS_A_WINDOW + SUCCESSES_A_WINDOW {
        let fails = number < FAILS_A_WINDOW;
        events.push(Event {
            at: rfc3339(start + random.random_range(0..WINDOW_SECONDS)),
            point: POINTS[number % POINTS.len()].to_owned(),
            description: if fails { format!("event {number}") } else { String::new() },
            state: if fails { "FAIL" } else { "SUCCESS" },
        });
    }
    events
}
