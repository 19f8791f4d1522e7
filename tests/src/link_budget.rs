//! What a day costs on the wire: a real agent behind a satellite line that counts IP packets, real mosquitto, real
//! ingest. Time is compressed, sizes are not: the windows are five minutes long and so are the times in their frames,
//! only nobody waits for them.
//!
//! A day is flown twice. Without TLS, a relay reads the MQTT packets; with TLS, the same packets cost what TLS adds, and
//! the satellite counts whole IP packets.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::aircraft::Aircraft;
use crate::broker::{Broker, Kind};
use crate::flight_day::{self, FlightDay, LEGS, Window};
use crate::ground::Ground;
use crate::mosquitto::{FleetBroker, Identity};
use crate::mqtt_meter::{self, Meter};
use crate::producer::Producer;
use crate::program::{Ended, built, ground};
use crate::relay::{Conversation, Relay};
use crate::satellite::{Line, Satellite, Traffic};
use crate::wait::eventually;

const TAIL: &str = "TC-JJA";
const LIMIT: Duration = Duration::from_secs(120);
/// Windows between two contacts: `link.every_seconds` is an hour and a half by default.
const WINDOWS_A_CONTACT: usize = 18;
/// Seconds that stand for that time: long enough to feed its windows in.
const COMPRESSED: u32 = 8;

/// When there is a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One for each leg.
    Kept,
    /// One at the beginning of each leg, and then every hour and a half.
    Scheduled,
}

/// What a day cost, in bytes, both ways together.
#[derive(Clone, Debug)]
pub struct Cost {
    /// Connections.
    pub connections: u64,
    /// Payload of the frames' messages.
    pub frames: u64,
    /// MQTT around them, and all other packets of MQTT.
    pub mqtt: u64,
    /// TLS.
    pub tls: u64,
    /// TCP and IP.
    pub tcp_ip: u64,
    /// IP packets.
    pub packets: u64,
    /// MQTT by kind.
    pub meter: Meter,
}

impl Cost {
    /// All of it.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.frames + self.mqtt + self.tls + self.tcp_ip
    }
}

/// Flies a day in one mode, and measures it.
///
/// # Panics
/// When something does not work, or without root.
#[must_use]
pub fn measure(mode: Mode) -> Cost {
    let plain = thread::spawn(move || fly(mode, false));
    let (sealed, _) = fly(mode, true);
    let (open, conversations) = plain.join().expect("the day without TLS ends well");
    let meter = mqtt_meter::measure(&conversations);
    let frames = meter.get("PUBLISH up/frames").map_or(0, |tally| tally.payload);
    Cost {
        connections: sealed.up.opened,
        frames,
        mqtt: open.carried() - frames,
        tls: sealed.carried() - open.carried(),
        tcp_ip: sealed.bytes() - sealed.carried(),
        packets: sealed.up.packets + sealed.down.packets,
        meter,
    }
}

/// Who brokers.
enum Between {
    Plain(Box<Broker>),
    Fleet(Box<FleetBroker>),
}

impl Between {
    fn start(folder: &Path, tls: bool) -> Self {
        if tls {
            Self::Fleet(Box::new(FleetBroker::start(folder, Identity::Passwords, &[TAIL])))
        } else {
            Self::Plain(Box::new(Broker::start(Kind::Mosquitto, folder)))
        }
    }

    /// Address for aircraft, port, and TOML that lets one in. Without TLS the same name and password go along, so that
    /// the packets are the same.
    fn for_aircraft(&self, folder: &Path) -> (String, u16, String) {
        match self {
            Self::Plain(broker) => {
                let password = folder.join("password");
                // As long as those that `broker-config` makes up.
                std::fs::write(&password, "0123456789abcdef0123456789abcdef").expect("it can be written");
                let access = format!("user = \"{TAIL}\"\npassword_file = \"{}\"\n", password.display());
                (format!("mqtt://localhost:{}", broker.port()), broker.port(), access)
            }
            Self::Fleet(broker) => (broker.url(), broker.port(), broker.access(TAIL)),
        }
    }

    fn ground(&self, folder: &Path) -> Ground {
        let folder = folder.join("ground");
        match self {
            Self::Plain(broker) => Ground::new(&folder, &broker.url()),
            Self::Fleet(broker) => {
                Ground::with_access(&folder, &broker.ground_url(), &broker.access("ingest"))
            }
        }
    }

    fn publish(&self, folder: &Path, model: &Path, tables: &Path) {
        let (url, access) = match self {
            Self::Plain(broker) => (broker.url(), String::new()),
            Self::Fleet(broker) => (broker.ground_url(), broker.access("publish")),
        };
        let publisher = Ground::with_access(&folder.join("publisher"), &url, &access);
        let mut command = ground(["publish", "--config"]);
        command.arg(publisher.config()).arg("--model-dir").arg(model);
        Ended::well(command.arg("--tables").arg(format!("sqlite://{}", tables.display())));
    }
}

/// One day.
struct Flight {
    mode: Mode,
    satellite: Satellite,
    relay: Relay,
    aircraft: Aircraft,
    producer: Producer,
    day: FlightDay,
    /// Frames that must be committed by now.
    due: u64,
}

fn fly(mode: Mode, tls: bool) -> (Traffic, Vec<Conversation>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let broker = Between::start(path, tls);
    let mut ground = broker.ground(path);
    let model = flight_day::train(path, 3);
    broker.publish(path, &model, &ground.database());
    ground.ingest.start();
    let satellite = Satellite::launch(Line::GOOD, 1);
    let (url, port, access) = broker.for_aircraft(path);
    let relay = Relay::start(satellite.ground(), port, port);
    let plane = path.join("plane");
    let aircraft = Aircraft::new(&plane, TAIL, &url, "").behind(&satellite);
    aircraft.configure(&config(mode, &plane, &url, &access, &flight_day::signer(&model)));
    let producer = Producer::new("gate", path, &aircraft.event_socket());
    let mut flight = Flight { mode, satellite, relay, aircraft, producer, day: FlightDay::new(1), due: 0 };
    flight.take_model();
    for leg in 0..LEGS {
        flight.leg(leg);
    }
    flight.last_contact();
    ground.ingest.stop();
    let stored = ground.stored().expect("the tables can be read");
    assert_eq!(stored.failures.len(), flight_day::WINDOWS * flight_day::KEYS, "rows are missing");
    assert_eq!((stored.gaps, stored.set_aside), (0, 0));
    (flight.satellite.traffic(), flight.relay.conversations())
}

/// Everything at its default but what makes time pass faster.
fn config(mode: Mode, folder: &Path, url: &str, access: &str, signer: &str) -> String {
    let (mode, folder) = (if mode == Mode::Kept { "kept" } else { "scheduled" }, folder.display());
    format!(
        "tail = \"{TAIL}\"\n[store]\npath = \"{folder}/agent.db\"\ngroup_millis = 10\n\
         [sources]\nevent_socket = \"{folder}/events.sock\"\nspool = \"{folder}/spool\"\n\
         [model]\ntrusted_keys = [\"{signer}\"]\n\
         [link]\nbroker = \"{url}\"\nmode = \"{mode}\"\nevery_seconds = {COMPRESSED}\nwake_on_alarm = false\n\
         backoff_min_millis = 20\n{access}"
    )
}

impl Flight {
    fn power_on(&mut self) {
        self.aircraft.agent.start();
        self.aircraft.wait_for_socket(&self.aircraft.event_socket());
    }

    /// Nobody says good-bye.
    fn power_off(&mut self) {
        self.satellite.go_down();
        self.aircraft.agent.kill();
        self.satellite.come_up();
    }

    /// The model comes once in a while and not each day, so it does not count.
    fn take_model(&mut self) {
        self.power_on();
        eventually("the agent to take the model", LIMIT, || {
            (self.aircraft.status()["model"]["version"] == 1).then_some(())
        });
        let newest = |flight: &Self| flight.aircraft.status()["outbox"]["newest"].as_u64();
        self.due = eventually("the report on the model", LIMIT, || newest(self).filter(|newest| *newest > 1));
        self.until_stored();
        self.power_off();
        self.satellite.reset();
        self.relay.forget();
    }

    fn leg(&mut self, number: usize) {
        let windows = self.day.legs[number].clone();
        self.power_on();
        // What was left over from the leg before.
        self.until_stored();
        let share = if self.mode == Mode::Kept { 1 } else { WINDOWS_A_CONTACT };
        for (part, windows) in windows.chunks(share).enumerate() {
            for window in windows {
                self.day.happen(window, &mut self.producer);
            }
            // Each window closes when the next one is under way, the first of a day closes none.
            let closes_none = number == 0 && part == 0;
            self.due += windows.len() as u64 - u64::from(closes_none);
            if windows.len() == share {
                self.until_stored();
            }
        }
        if number + 1 < LEGS {
            self.power_off();
        }
    }

    fn last_contact(&mut self) {
        self.day.end(&mut self.producer);
        self.due += 1;
        self.until_stored();
        self.power_off();
    }

    fn until_stored(&mut self) {
        eventually("the ground to store everything", LIMIT, || {
            let committed = self.aircraft.status()["outbox"]["committed"].as_u64()?;
            (committed >= self.due).then_some(())
        });
        if self.mode == Mode::Scheduled {
            eventually("the end of the contact", LIMIT, || {
                let up = self.satellite.traffic().up;
                (up.ended >= up.opened).then_some(())
            });
        }
    }
}

/// How the same day is said in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Json {
    /// A message for each window, with what a frame holds.
    Windows,
    /// A message for each window, with all columns of its rows.
    FullWindows,
    /// A message for each row, with all its columns.
    Rows,
}

/// What the same day costs as JSON, over TLS and one connection a leg: payloads, and everything.
///
/// # Panics
/// When something does not work, or without root.
#[must_use]
pub fn measure_json(json: Json) -> (u64, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = FleetBroker::start(folder.path(), Identity::Passwords, &[TAIL]);
    let mut satellite = Satellite::launch(Line::GOOD, 1);
    let _relay = Relay::start(satellite.ground(), broker.port(), broker.port());
    let mut command = std::process::Command::new(built("json_sender"));
    command.args([TAIL, &broker.port().to_string()]).arg(broker.ca_file()).arg(broker.password_file(TAIL));
    let mut sender = satellite.aboard(&command).stdin(Stdio::piped()).spawn().expect("it starts");
    let mut lines = String::new();
    let mut payload = 0;
    for leg in FlightDay::new(1).legs {
        for message in leg.iter().flat_map(|window| messages(window, json)) {
            payload += message.len() as u64;
            lines.push_str(&message);
            lines.push('\n');
        }
        // An empty line is the end of a leg.
        lines.push('\n');
    }
    let mut input = sender.stdin.take().expect("it was asked for");
    input.write_all(lines.as_bytes()).expect("it reads");
    drop(input);
    assert!(sender.wait().expect("it ends").success(), "the JSON was not sent");
    (payload, satellite.traffic().bytes())
}

fn messages(window: &Window, json: Json) -> Vec<String> {
    let value = window.json(TAIL, json != Json::Windows);
    if json != Json::Rows {
        return vec![value.to_string()];
    }
    let rows = value["rows"].as_array().expect("a window has rows").iter().map(|row| {
        let mut message = row.clone();
        for name in ["tail", "start_time", "end_time", "model_version"] {
            message[name] = value[name].clone();
        }
        message.to_string()
    });
    rows.collect()
}
