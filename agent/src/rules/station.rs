//! What the access point's lines say about each station: attempts to join, and how they end.

use std::hash::{BuildHasher, Hasher};

use cabinwatch_shared::time::UnixMillis;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::file::Step;
use super::forms::Forms;

/// Stations remembered; beyond that the one not heard of for longest is forgotten.
pub(super) const MAX_STATIONS: usize = 4096;
/// The same text about the same station within this time is a copy: both of hostapd's loggers reached the log.
const COPY_MILLIS: u64 = 300;
/// A suspicion of a wrong passphrase after this much silence belongs to a new attempt…
const MISMATCH_PAUSE_MILLIS: u64 = 5_000;
/// …and so does the one after hostapd's four tries, where no line tells of associations.
const MISMATCHES_PER_ATTEMPT: u8 = 4;
/// Texts kept of each station to know copies by.
const RECENT: usize = 4;

/// How far a station's attempt to join has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// None is under way.
    None,
    /// Associated; neither success nor failure has been told yet.
    Associated,
    Completed,
    /// Its failure has been counted.
    Failed,
}

struct Station {
    /// Hash of the interface it was last heard on.
    interface: u64,
    heard: UnixMillis,
    recent: [(u64, i64); RECENT],
    attempt: Attempt,
    /// Whether an association line began the attempt, so that the next one ends it.
    association_seen: bool,
    mismatches: u8,
    mismatch_at: UnixMillis,
    completed: Forms,
    eap_succeeded: Forms,
    eap_failed: Forms,
}

/// A line about a station, with what is needed to judge it.
pub(super) struct Report<'a> {
    pub(super) station: &'a str,
    pub(super) interface: Option<&'a str>,
    pub(super) step: Step,
    /// Which rule matched: each is one form of its step.
    pub(super) form: u16,
    pub(super) at: UnixMillis,
    /// Whether `at` is the line's own; only then can its distance to another line say that one is a copy.
    pub(super) dated: bool,
    pub(super) message: &'a str,
}

/// The stations of an access point.
pub(super) struct Stations {
    stations: HashMap<u64, Station, FixedState>,
    /// Whether this log shows completed joins at all. Without that, an association that just ends says nothing.
    completions_visible: bool,
}

impl Stations {
    pub(super) fn new() -> Self {
        Self { stations: HashMap::with_hasher(FixedState::default()), completions_visible: false }
    }

    /// Takes one line; true when it is an event.
    pub(super) fn report(&mut self, report: &Report<'_>) -> bool {
        let Some(address) = mac_address(report.station) else { return false };
        self.make_room(address);
        let visible = self.completions_visible;
        let station = self.stations.entry(address).or_insert_with(Station::new);
        station.heard = report.at;
        station.interface = hash(report.interface.unwrap_or_default());
        if station.is_copy(report) {
            return false;
        }
        if report.step == Step::Completed {
            self.completions_visible = true;
        }
        station.step(report, visible)
    }

    /// The access point stopped or started: what was under way is void, and nobody's failure.
    pub(super) fn clear(&mut self, interface: Option<&str>) {
        match interface.map(hash) {
            Some(interface) => self.stations.retain(|_, station| station.interface != interface),
            None => self.stations.clear(),
        }
    }

    fn make_room(&mut self, address: u64) {
        if self.stations.len() < MAX_STATIONS || self.stations.contains_key(&address) {
            return;
        }
        let oldest = self.stations.iter().min_by_key(|(_, station)| station.heard).map(|(key, _)| *key);
        if let Some(oldest) = oldest {
            self.stations.remove(&oldest);
        }
    }
}

impl Station {
    const fn new() -> Self {
        Self {
            interface: 0,
            heard: UnixMillis(i64::MIN),
            recent: [(0, i64::MIN); RECENT],
            attempt: Attempt::None,
            association_seen: false,
            mismatches: 0,
            mismatch_at: UnixMillis(i64::MIN),
            completed: Forms::new(),
            eap_succeeded: Forms::new(),
            eap_failed: Forms::new(),
        }
    }

    fn step(&mut self, report: &Report<'_>, completions_visible: bool) -> bool {
        match report.step {
            Step::Associated => {
                let abandoned = self.attempt == Attempt::Associated && completions_visible;
                self.attempt = Attempt::Associated;
                self.association_seen = true;
                self.mismatches = 0;
                abandoned
            }
            Step::Completed => {
                self.attempt = Attempt::Completed;
                self.completed.report(report.form, report.at)
            }
            Step::EapSucceeded => self.eap_succeeded.report(report.form, report.at),
            Step::EapFailed => {
                self.attempt = Attempt::Failed;
                self.eap_failed.report(report.form, report.at)
            }
            Step::Mismatch => self.mismatch(report.at),
            Step::Deauthenticated => self.end() == Attempt::Associated,
            Step::Left => self.end() == Attempt::Associated && completions_visible,
            Step::Station => true,
            _ => false,
        }
    }

    /// A suspicion of a wrong passphrase. hostapd voices one for each of its tries of one handshake.
    fn mismatch(&mut self, at: UnixMillis) -> bool {
        let paused = at.0.abs_diff(self.mismatch_at.0) > MISMATCH_PAUSE_MILLIS;
        let tries_over = !self.association_seen && self.mismatches >= MISMATCHES_PER_ATTEMPT;
        if paused || tries_over {
            self.mismatches = 0;
        }
        self.mismatches = self.mismatches.saturating_add(1);
        self.mismatch_at = at;
        self.attempt = Attempt::Failed;
        self.mismatches == 1
    }

    fn end(&mut self) -> Attempt {
        self.mismatches = 0;
        std::mem::replace(&mut self.attempt, Attempt::None)
    }

    /// Whether this text was just seen. Times in whole seconds cannot tell a copy from a quick return, unless
    /// nothing else came between.
    fn is_copy(&mut self, report: &Report<'_>) -> bool {
        if !report.dated {
            return false;
        }
        let text = hash(report.message);
        let same = |(seen, at): &(u64, i64)| *seen == text && at.abs_diff(report.at.0) <= COPY_MILLIS;
        let within = if report.at.0 % 1000 == 0 { 1 } else { RECENT };
        if self.recent.iter().take(within).any(same) {
            return true;
        }
        self.recent.rotate_right(1);
        if let Some(newest) = self.recent.first_mut() {
            *newest = (text, report.at.0);
        }
        false
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// `02:00:00:00:01:00` or `02-00-00-00-01-00`, as a number.
fn mac_address(text: &str) -> Option<u64> {
    let mut address = 0_u64;
    let mut bytes = 0;
    for byte in text.split([':', '-']) {
        if byte.len() != 2 || !byte.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        address = address << 8 | u64::from(u8::from_str_radix(byte, 16).ok()?);
        bytes += 1;
    }
    (bytes == 6).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report<'a>(station: &'a str, step: Step, at: i64) -> Report<'a> {
        Report { station, interface: None, step, form: 1, at: UnixMillis(at), dated: false, message: "" }
    }

    #[test]
    fn addresses_are_read_with_colons_and_with_dashes() {
        assert_eq!(mac_address("02:00:00:00:01:ff"), Some(0x0200_0000_01ff));
        assert_eq!(mac_address("02-00-00-00-01-FF"), Some(0x0200_0000_01ff));
        for text in ["", "02:00:00:00:01", "02:00:00:00:01:00:00", "zz:00:00:00:01:00", "+2:00:00:00:01:00"] {
            assert_eq!(mac_address(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_number_of_stations_is_bounded_and_the_oldest_is_forgotten() {
        let mut stations = Stations::new();
        for number in 0..MAX_STATIONS + 10 {
            let mac = format!("02:00:00:00:{:02x}:{:02x}", number >> 8, number & 0xff);
            assert!(!stations.report(&report(&mac, Step::Associated, number as i64)));
        }
        assert_eq!(stations.stations.len(), MAX_STATIONS);
        let at = 10_000;
        assert!(!stations.report(&report("02:00:00:00:00:00", Step::Deauthenticated, at)), "forgotten");
        assert!(stations.report(&report("02:00:00:00:10:00", Step::Deauthenticated, at)), "remembered");
    }
}
