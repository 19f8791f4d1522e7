//! One aircraft behind a satellite line, its broker and its ground; and bad days for it to live through.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::aircraft::Aircraft;
use crate::ground::Ground;
use crate::mosquitto::{FleetBroker, Identity};
use crate::producer::{Event, Producer};
use crate::relay::Relay;
use crate::satellite::{Line, Satellite, Traffic};
use crate::wait::eventually;

/// The aircraft.
pub const TAIL: &str = "TC-SAT";
/// Far above what anything takes; only a hang reaches it.
pub const LIMIT: Duration = Duration::from_secs(240);
/// What a day's backlog may take on the poor line.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(60);
const WINDOW_SECONDS: i64 = 300;

/// The ground, its broker, and one aircraft behind a satellite.
#[derive(Debug)]
pub struct Remote {
    // Dropped in this order.
    /// Aboard.
    pub aircraft: Aircraft,
    /// Its ground.
    pub ground: Ground,
    /// All connections go through it.
    pub relay: Relay,
    /// The line.
    pub satellite: Satellite,
    /// On the ground.
    pub broker: FleetBroker,
    /// The broker's, as the aircraft sees it.
    pub url: String,
}

impl Remote {
    /// Starts all but the aircraft and the ground.
    ///
    /// # Panics
    /// Without root.
    #[must_use]
    pub fn new(folder: &Path, identity: Identity, line: Line) -> Self {
        let broker = FleetBroker::start(folder, identity, &[TAIL]);
        let ground =
            Ground::with_access(&folder.join("ground"), &broker.ground_url(), &broker.access("ingest"));
        let satellite = Satellite::launch(line, 7);
        let relay = Relay::start(satellite.ground(), broker.port(), broker.port());
        let url = broker.url();
        let plane = folder.join("plane");
        fs::create_dir_all(&plane).expect("a folder");
        let aircraft = Aircraft::new(&plane, TAIL, "", "").behind(&satellite);
        Self { aircraft, ground, relay, satellite, broker, url }
    }

    /// Defaults, but for these keys of `[link]` and these sections.
    pub fn configure(&self, folder: &Path, link: &str, sections: &str) {
        let plane = folder.join("plane");
        let plane = plane.display();
        self.aircraft.configure(&format!(
            "tail = \"{TAIL}\"\n[sources]\nevent_socket = \"{plane}/events.sock\"\nspool = \"{plane}/spool\"\n\
             [link]\n{link}\n{}{sections}\n[store]\npath = \"{plane}/agent.db\"\ngroup_millis = 10\n",
            self.broker.access(TAIL)
        ));
    }

    /// `link.broker`.
    #[must_use]
    pub fn broker_key(&self) -> String {
        format!("broker = \"{}\"\n", self.url)
    }

    /// Starts the agent, and waits until it takes events.
    pub fn power_on(&mut self) {
        self.aircraft.agent.start();
        self.aircraft.wait_for_socket(&self.aircraft.event_socket());
    }

    /// Windows that the ground has.
    #[must_use]
    pub fn windows_stored(&self) -> i64 {
        let sql = "SELECT count(DISTINCT start_time) FROM windows";
        self.ground.number(sql).unwrap_or(0)
    }
}

/// Windows in which each of so many keys fails, spelled out as no model knows them: the most that a day can hold.
#[derive(Debug)]
pub struct BadDay {
    first: i64,
    next: i64,
    keys: usize,
    random: ChaCha8Rng,
}

impl BadDay {
    /// A day, two days ago.
    #[must_use]
    pub fn new(keys: usize) -> Self {
        let first = (Timestamp::now().as_second() / 86_400 - 2) * 86_400;
        Self { first, next: first, keys, random: ChaCha8Rng::seed_from_u64(1) }
    }

    /// The next window, which closes the one before.
    pub fn happen(&mut self, producer: &mut Producer) {
        for key in 0..self.keys {
            let fails = self.random.random_range(1..=3);
            for _ in 0..fails {
                producer.send(&Event {
                    at: rfc3339(self.next + key as i64 % WINDOW_SECONDS),
                    point: format!("POINT{}", key % 8),
                    description: format!("failure number {key} of some kind"),
                    state: "FAIL",
                });
            }
        }
        producer.finish();
        self.next += WINDOW_SECONDS;
    }

    fn start_of(&self, number: i64) -> String {
        rfc3339(self.first + number * WINDOW_SECONDS)
    }
}

fn rfc3339(seconds: i64) -> String {
    Timestamp::from_second(seconds).expect("a time of this century").to_string()
}

/// How a day's backlog went over the poor line.
#[derive(Clone, Copy, Debug)]
pub struct Drained {
    /// Bytes in the outbox.
    pub backlog: u64,
    /// From power on until the outbox was empty.
    pub took: Duration,
    /// From power on until a window was there that closed meanwhile…
    pub live_after: Duration,
    /// …and how many of the backlog were before it.
    pub before_live: i64,
    /// On the line.
    pub traffic: Traffic,
}

/// Lets a day pass without a link, then gives the aircraft the poor line.
///
/// # Panics
/// When something gets lost.
#[must_use]
pub fn drain_a_day(windows: i64, keys: usize) -> Drained {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let mut link = Remote::new(path, Identity::Passwords, Line::POOR);
    link.ground.ingest.start();
    link.configure(path, "broker = \"\"\n", "");
    link.power_on();
    let mut producer = Producer::new("gate", path, &link.aircraft.event_socket());
    let mut day = BadDay::new(keys);
    (0..=windows).for_each(|_| day.happen(&mut producer));
    link.aircraft.agent.stop();
    let backlog = link.aircraft.status()["outbox"]["bytes"].as_u64().expect("a number");

    link.configure(path, &link.broker_key(), "");
    link.satellite.reset();
    let began = Instant::now();
    link.power_on();
    eventually("the first of the backlog", LIMIT, || (link.windows_stored() > 0).then_some(()));
    day.happen(&mut producer);
    let live = format!("SELECT count(*) FROM windows WHERE start_time = '{}'", day.start_of(windows));
    eventually("the window that closed meanwhile", LIMIT, || {
        (link.ground.number(&live).ok()? > 0).then_some(())
    });
    let (live_after, before_live) = (began.elapsed(), link.windows_stored() - 1);
    eventually("all of it", LIMIT, || link.aircraft.has_sent_all().then_some(()));
    let drained = Drained {
        backlog,
        took: began.elapsed(),
        live_after,
        before_live,
        traffic: link.satellite.traffic(),
    };
    assert_eq!(link.windows_stored(), windows + 1);
    link.aircraft.agent.stop();
    link.ground.ingest.stop();
    drained
}
