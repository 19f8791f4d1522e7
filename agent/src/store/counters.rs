//! What the agent counts, and the numbers its file knows the counters by.

use std::collections::BTreeMap;
use std::fmt;

use cabinwatch_shared::wire::LossReason;
use serde::{Deserialize, Serialize};

/// One thing that is counted over the life of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Something was lost; also travels to the ground as a loss frame.
    Lost(LossReason),
    /// Events taken into a window.
    Events,
    /// Events counted under `OTHER`, or successes whose description was dropped, for want of room for more keys.
    KeyOverflow,
    /// Events whose point or description was cut to its greatest length.
    TextCut,
    /// Log lines of known daemons that no rule knows.
    UnknownLines,
    /// Windows closed.
    WindowsClosed,
    /// Models taken into use.
    ModelsActivated,
    /// Models refused, each bundle once.
    ModelsRefused,
    /// Damaged databases set aside before this one.
    DatabasesSetAside,
    /// Times that nothing could be written for a while.
    StorageOutages,
    /// Seconds of that.
    StorageOutageSeconds,
    /// Stored groups of events and closed windows that went before their time, for want of room.
    GaveWay,
    /// Steps of the wall clock that were noticed.
    ClockSteps,
    /// Times that a wall clock was taken for the time of day because nothing better came.
    ClockGuesses,
    /// Events that were stored before there was a time of day.
    Provisional,
    /// Events among them whose time was guessed in the end, not computed.
    ProvisionalGuessed,
    /// Models that were in use and gave way to the one before.
    ModelsRolledBack,
    /// Models that passed their trial.
    ModelTrialsPassed,
    /// Signing keys that handed over to others.
    KeysHandedOver,
}

impl Counter {
    /// What is no loss, by its number in the file. Losses count from 0 up, as on the wire.
    const OTHERS: [(Self, u8); 18] = [
        (Self::Events, 64),
        (Self::KeyOverflow, 65),
        (Self::TextCut, 66),
        (Self::UnknownLines, 67),
        (Self::WindowsClosed, 68),
        (Self::ModelsActivated, 69),
        (Self::ModelsRefused, 70),
        (Self::DatabasesSetAside, 71),
        (Self::StorageOutages, 72),
        (Self::StorageOutageSeconds, 73),
        (Self::GaveWay, 74),
        (Self::ClockSteps, 76),
        (Self::ClockGuesses, 77),
        (Self::Provisional, 78),
        (Self::ProvisionalGuessed, 79),
        (Self::ModelsRolledBack, 80),
        (Self::ModelTrialsPassed, 81),
        (Self::KeysHandedOver, 82),
    ];

    /// Every counter, losses first.
    pub fn all() -> impl Iterator<Item = Self> {
        LossReason::ALL
            .into_iter()
            .map(Self::Lost)
            .chain(Self::OTHERS.into_iter().map(|(counter, _)| counter))
    }

    /// The number the counter has in the file.
    #[must_use]
    pub fn code(self) -> u8 {
        let code = match self {
            Self::Lost(reason) => {
                let place = LossReason::ALL.iter().position(|known| *known == reason);
                place.and_then(|place| u8::try_from(place).ok())
            }
            other => Self::OTHERS.into_iter().find_map(|(known, code)| (known == other).then_some(code)),
        };
        code.unwrap_or(u8::MAX)
    }

    /// The counter of that number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::all().find(|counter| counter.code() == code)
    }

    /// The name in tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lost(reason) => reason.as_str(),
            Self::Events => "events",
            Self::KeyOverflow => "key_overflow",
            Self::TextCut => "text_cut",
            Self::UnknownLines => "unknown_lines",
            Self::WindowsClosed => "windows_closed",
            Self::ModelsActivated => "models_activated",
            Self::ModelsRefused => "models_refused",
            Self::DatabasesSetAside => "databases_set_aside",
            Self::StorageOutages => "storage_outages",
            Self::StorageOutageSeconds => "storage_outage_seconds",
            Self::GaveWay => "gave_way",
            Self::ClockSteps => "clock_steps",
            Self::ClockGuesses => "clock_guesses",
            Self::Provisional => "provisional",
            Self::ProvisionalGuessed => "provisional_guessed",
            Self::ModelsRolledBack => "models_rolled_back",
            Self::ModelTrialsPassed => "model_trials_passed",
            Self::KeysHandedOver => "keys_handed_over",
        }
    }
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far each counter has come, or what a group adds to it. Counters of a newer agent are kept, not understood.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts(BTreeMap<u8, u64>);

impl Counts {
    /// Adds to a counter.
    pub fn add(&mut self, counter: Counter, count: u64) {
        if count > 0 {
            self.add_code(counter.code(), count);
        }
    }

    pub(super) fn add_code(&mut self, code: u8, count: u64) {
        let total = self.0.entry(code).or_default();
        *total = total.saturating_add(count);
    }

    /// Adds all of another set.
    pub fn merge(&mut self, other: &Self) {
        other.codes().for_each(|(code, count)| self.add_code(code, count));
    }

    /// Where a counter stands.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.0.get(&counter.code()).copied().unwrap_or(0)
    }

    /// The losses among the counts.
    pub fn losses(&self) -> impl Iterator<Item = (LossReason, u64)> + '_ {
        self.codes().filter_map(|(code, count)| match Counter::from_code(code)? {
            Counter::Lost(reason) => Some((reason, count)),
            _ => None,
        })
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn codes(&self) -> impl ExactSizeIterator<Item = (u8, u64)> + '_ {
        self.0.iter().map(|(code, count)| (*code, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_a_number_of_its_own_that_stays() {
        for counter in Counter::all() {
            assert_eq!(Counter::from_code(counter.code()), Some(counter));
        }
        assert_eq!(Counter::Lost(LossReason::OutboxAge).code(), 0);
        assert_eq!(Counter::Events.code(), 64);
        assert_eq!(Counter::DatabasesSetAside.code(), 71);
        assert_eq!(Counter::StorageOutages.code(), 72);
        assert_eq!(Counter::ClockSteps.code(), 76);
        assert_eq!(Counter::ModelsRolledBack.code(), 80);
        assert_eq!(Counter::from_code(200), None);
    }
}
