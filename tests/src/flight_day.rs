//! A day of one aircraft: 176 windows of five minutes over six legs, with 40 fault keys at eight points. The days are
//! some days ago, so that nobody has to wait for them: windows close by the times of their events.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::edr;
use crate::producer::{Event, Producer};
use crate::program::{Ended, ground};

/// Windows of a day.
pub const WINDOWS: usize = 176;
/// How often the aircraft is switched on.
pub const LEGS: usize = 6;
/// Seconds of a window.
pub const WINDOW_SECONDS: i64 = 300;
/// Fault keys, all in the model's catalogue.
pub const KEYS: usize = 40;

const POINTS: [&str; 8] = ["ASSOC", "AUTH", "DHCP", "DNS", "PORTAL", "RADIUS", "ROAM", "SATLINK"];
const DESCRIPTIONS: [&str; 5] = [
    "no answer in time",
    "rejected by the server",
    "out of resources",
    "wrong credentials",
    "connection was reset",
];
/// The point of the events that close a day's last window.
const END: &str = "END";

/// What happened in one window: failures by key, successes by point.
#[derive(Clone, Debug)]
pub struct Window {
    /// First second.
    pub start: i64,
    fails: Vec<(&'static str, &'static str, u64)>,
    successes: Vec<(&'static str, u64)>,
}

impl Window {
    /// Every key fails some times; every point works many times.
    fn random(start: i64, random: &mut impl Rng) -> Self {
        let keys = POINTS.iter().flat_map(|point| DESCRIPTIONS.iter().map(|text| (*point, *text)));
        let fails = keys.take(KEYS).map(|(point, text)| (point, text, random.random_range(1..=6)));
        let fails = fails.collect();
        let successes = POINTS.iter().map(|point| (*point, random.random_range(20..=140))).collect();
        Self { start, fails, successes }
    }

    /// The events, in the order of their times.
    fn events(&self, random: &mut impl Rng) -> Vec<Event> {
        let mut events = Vec::new();
        let mut add = |point: &str, description: &str, state, count| {
            for _ in 0..count {
                let at = rfc3339(self.start + random.random_range(0..WINDOW_SECONDS));
                events.push(Event {
                    at,
                    point: point.to_owned(),
                    description: description.to_owned(),
                    state,
                });
            }
        };
        self.fails.iter().for_each(|(point, text, count)| add(point, text, "FAIL", *count));
        self.successes.iter().for_each(|(point, count)| add(point, "", "SUCCESS", *count));
        events.sort_by(|one, other| one.at.cmp(&other.at));
        events
    }

    /// What a program would send that sends JSON: the window, with names as in the ground's tables. Rows hold what a frame
    /// holds of them, or all columns that are measured or computed, as one who can't compute them anew would send.
    #[must_use]
    pub fn json(&self, tail: &str, all_columns: bool) -> Value {
        let rows: Vec<_> = self
            .fails
            .iter()
            .map(|(point, description, fail)| {
                let mut row = json!({"edr_point": point, "description": description, "fail": fail,
                    "anomaly_z": false, "anomaly_iforest": false});
                if all_columns {
                    let success =
                        self.successes.iter().find(|(name, _)| name == point).map_or(0, |found| found.1);
                    let rate = *fail as f64 / (*fail + success) as f64;
                    let rounded = |value: f64| (value * 1e6).round() / 1e6;
                    // The scores' values do not matter here, only that they have as many digits.
                    row["success"] = success.into();
                    row["fail_rate"] = rounded(rate).into();
                    row["z_score"] = rounded(rate * 7.0 - 1.0).into();
                    row["iforest_score"] = rounded(-0.5 - rate / 7.0).into();
                    row["anomaly_combined"] = false.into();
                }
                row
            })
            .collect();
        let points: Vec<_> = self
            .successes
            .iter()
            .map(|(point, success)| json!({"edr_point": point, "success": success}))
            .collect();
        json!({"tail": tail, "start_time": rfc3339(self.start), "end_time": rfc3339(self.start + WINDOW_SECONDS),
            "model_version": 1, "points": points, "rows": rows})
    }
}

/// A day's windows, by leg.
#[derive(Clone, Debug)]
pub struct FlightDay {
    /// The windows of each leg.
    pub legs: Vec<Vec<Window>>,
    random: ChaCha8Rng,
}

impl FlightDay {
    /// The day before yesterday.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut start = midnight(2) + 4 * 3600;
        let legs = (0..LEGS).map(|leg| {
            // 29 windows or 30, so that it is 176 in all; then an hour on the ground, switched off.
            let count = (WINDOWS * (leg + 1)) / LEGS - (WINDOWS * leg) / LEGS;
            let windows = (0..count as i64).map(|number| start + number * WINDOW_SECONDS);
            let windows = windows.map(|start| Window::random(start, &mut random)).collect();
            start += (count as i64 + 6) * WINDOW_SECONDS;
            windows
        });
        let legs = legs.collect();
        Self { legs, random }
    }

    /// Lets an agent's producer send a window's events, and waits until they are stored.
    pub fn happen(&mut self, window: &Window, producer: &mut Producer) {
        window.events(&mut self.random).iter().for_each(|event| producer.send(event));
        producer.finish();
    }

    /// Sends what closes every window of the day.
    pub fn end(&self, producer: &mut Producer) {
        let last = self.legs.iter().flatten().map(|window| window.start).max().unwrap_or_default();
        let (at, point) = (rfc3339(last + 2 * WINDOW_SECONDS), END.to_owned());
        producer.send(&Event { at, point, description: String::new(), state: "SUCCESS" });
        producer.finish();
    }
}

/// Trains a model on days like these, for the cohort `fleet`; its folder.
///
/// # Panics
/// When that fails.
#[must_use]
pub fn train(folder: &Path, seed: u64) -> PathBuf {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (history, model) = (folder.join("history"), folder.join("model"));
    for hour in 0..24_u8 {
        let start = midnight(4) + i64::from(hour) * 3600;
        let mut rows = edr::HEADER.to_owned();
        for number in 0..12 {
            let window = Window::random(start + number * WINDOW_SECONDS, &mut random);
            for event in window.events(&mut random) {
                let at = event.at.replace('T', " ").replace('Z', "");
                // A success has a description, too, in such files: of any key of its point.
                let text = if event.description.is_empty() { DESCRIPTIONS[0] } else { &event.description };
                // Writing to a String cannot fail.
                let _ = writeln!(rows, "{at},{},{text},{}", event.point, event.state);
            }
        }
        edr::write(&history, &format!("261101_{hour:02}0000"), rows);
    }
    let history = format!("file://{}", history.display());
    let mut command = ground(["retrain", "--history", &history, "--days", "30", "--model-dir"]);
    Ended::well(command.arg(&model));
    model
}

/// The key that signed a model, as the agent's `model.trusted_keys` wants it.
///
/// # Panics
/// When the folder holds none.
#[must_use]
pub fn signer(model: &Path) -> String {
    let key = fs::read_to_string(model.join("signing.pub")).expect("retrain leaves its public key");
    key.trim().to_owned()
}

fn midnight(days_ago: i64) -> i64 {
    (Timestamp::now().as_second() / 86_400 - days_ago) * 86_400
}

fn rfc3339(seconds: i64) -> String {
    Timestamp::from_second(seconds).expect("a time of this century").to_string()
}
