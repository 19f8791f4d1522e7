//! What a source hands over in one go.

use cabinwatch_shared::event::{Event, State};
use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::time::UnixMillis;
use cabinwatch_shared::wire::LossReason;

/// How far a source has been read, e.g. a file's inode and offset. Stored in the same transaction as the events up
/// to there, so that a restart reads each event exactly once. The source alone knows what the bytes mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The source's name, e.g. `tail:/var/log/radius.log`, or one producer on a socket.
    pub name: String,
    /// Its position, at most 128 bytes.
    pub position: Vec<u8>,
}

/// Which clock the events of a batch are dated by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatedBy {
    /// This machine's wall clock, a moment ago: a log line, a message as it came in.
    #[default]
    Machine,
    /// One that has nothing to do with this machine's: replayed history, and what has lain in the spool.
    Itself,
}

/// Events, what was lost among them, and how far they reach. The texts of all events lie in one buffer, so that a
/// batch costs a handful of allocations however many events it holds.
#[derive(Default)]
pub struct EventBatch {
    text: String,
    events: Vec<Slot>,
    /// Which clock they are dated by.
    pub dated_by: DatedBy,
    /// How far the sources have been read once this batch is stored.
    pub cursors: Vec<Cursor>,
    /// What was read and could not become an event, by reason.
    pub losses: Vec<(LossReason, u64)>,
    /// Log lines of known daemons that no rule knows.
    pub unknown_lines: u64,
    /// Called once the batch is durably stored: the place to tell producers so.
    pub on_stored: Option<Box<dyn FnOnce() + Send>>,
}

#[derive(Clone, Copy)]
struct Slot {
    at: UnixMillis,
    point_end: u32,
    description_end: u32,
    state: State,
}

impl EventBatch {
    /// Adds an event.
    pub fn push(&mut self, event: &Event<'_>) {
        self.text.push_str(event.key.edr_point);
        let point_end = self.text.len() as u32;
        self.text.push_str(event.key.description);
        let description_end = self.text.len() as u32;
        self.events.push(Slot { at: event.at, point_end, description_end, state: event.state });
    }

    /// Counts a loss.
    pub fn lose(&mut self, reason: LossReason, count: u64) {
        match self.losses.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, total)) => *total += count,
            None => self.losses.push((reason, count)),
        }
    }

    /// How many events it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there is nothing in it that the store must hear of.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.cursors.is_empty()
            && self.losses.is_empty()
            && self.unknown_lines == 0
            && self.on_stored.is_none()
    }

    /// The events, in the order they were added.
    pub fn events(&self) -> impl Iterator<Item = Event<'_>> {
        let mut start = 0_usize;
        self.events.iter().map(move |slot| {
            let (point_end, description_end) = (slot.point_end as usize, slot.description_end as usize);
            let key = FaultKey {
                edr_point: self.text.get(start..point_end).unwrap_or_default(),
                description: self.text.get(point_end..description_end).unwrap_or_default(),
            };
            start = description_end;
            Event { at: slot.at, key, state: slot.state }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back_as_they_went_in() {
        let event = |at, edr_point, description, state| Event {
            at: UnixMillis(at),
            key: FaultKey { edr_point, description },
            state,
        };
        let events = [
            event(1, "DHCP", "no address", State::Fail),
            event(2, "DNS", "", State::Success),
            event(3, "", "x", State::Fail),
        ];
        let mut batch = EventBatch::default();
        events.iter().for_each(|event| batch.push(event));
        assert_eq!(batch.events().collect::<Vec<_>>(), events);
    }
}
