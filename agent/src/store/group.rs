//! The bytes of one group of events: what a single commit adds to the log. Specified in `docs/agent-store.md`.
//!
//! A group is one row, not one row an event, and holds the cursors and counts that belong to its events, so that a
//! usual commit writes one page.

use cabinwatch_shared::event::State;
use cabinwatch_shared::time::UnixMillis;
use serde::{Deserialize, Serialize};

use super::counters::Counts;
use super::varint::{Input, put, put_signed};
use crate::sources::Cursor;

/// The format this agent writes and reads.
pub const GROUP_VERSION: u8 = 1;

/// A row of the `keys` table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub u32);

/// One event of the log. Its texts stand in the `keys` table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// When it happened.
    pub at: UnixMillis,
    /// Its point and description.
    pub key: KeyId,
    /// How it ended.
    pub state: State,
}

/// A group that is being filled. Events are encoded as they come.
#[derive(Debug, Default)]
pub struct GroupWriter {
    events: Vec<u8>,
    event_count: u64,
    previous: i64,
    cursors: Vec<Cursor>,
    counts: Counts,
}

impl GroupWriter {
    /// Adds an event.
    pub fn push(&mut self, event: LoggedEvent) {
        put(u64::from(event.key.0) << 1 | u64::from(event.state == State::Fail), &mut self.events);
        put_signed(event.at.0.wrapping_sub(self.previous), &mut self.events);
        self.previous = event.at.0;
        self.event_count += 1;
    }

    /// Notes how far a source has been read; its last word counts.
    pub fn reach(&mut self, cursor: Cursor) {
        match self.cursors.iter_mut().find(|known| known.name == cursor.name) {
            Some(known) => known.position = cursor.position,
            None => self.cursors.push(cursor),
        }
    }

    /// What the group counts.
    pub const fn counts(&mut self) -> &mut Counts {
        &mut self.counts
    }

    /// How many events it holds.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.event_count
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.event_count == 0 && self.cursors.is_empty() && self.counts.is_empty()
    }

    /// The group's bytes, and the parts its writer goes on with. The writer is empty afterwards.
    pub fn finish(&mut self, watermark: Option<UnixMillis>) -> (Vec<u8>, Vec<Cursor>, Counts) {
        let mut out = Vec::with_capacity(self.events.len() + 64);
        out.push(GROUP_VERSION);
        put_signed(watermark.map_or(i64::MIN, |at| at.0), &mut out);
        put(self.cursors.len() as u64, &mut out);
        for cursor in &self.cursors {
            put_bytes(cursor.name.as_bytes(), &mut out);
            put_bytes(&cursor.position, &mut out);
        }
        put(self.counts.codes().len() as u64, &mut out);
        for (code, count) in self.counts.codes() {
            out.push(code);
            put(count, &mut out);
        }
        put(self.event_count, &mut out);
        out.extend_from_slice(&self.events);
        self.events.clear();
        (self.event_count, self.previous) = (0, 0);
        (out, std::mem::take(&mut self.cursors), std::mem::take(&mut self.counts))
    }
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// The bytes are no group of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a group of events does not decode")]
pub struct GroupError;

/// A group as it is read.
#[derive(Debug, PartialEq, Eq)]
pub struct EventGroup<'a> {
    /// The watermark when the group was written.
    pub watermark: Option<UnixMillis>,
    /// How far the sources had been read.
    pub cursors: Vec<Cursor>,
    /// What the group adds to the counters.
    pub counts: Counts,
    events: LoggedEvents<'a>,
}

impl<'a> EventGroup<'a> {
    /// Reads everything but the events.
    ///
    /// # Errors
    /// When the bytes are no group of this version.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, GroupError> {
        Self::read(bytes).ok_or(GroupError)
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&GROUP_VERSION, rest) = bytes.split_first()? else { return None };
        let mut input = Input(rest);
        let watermark = input.signed()?;
        let mut cursors = Vec::new();
        for _ in 0..input.varint()? {
            let name = str::from_utf8(input.counted()?).ok()?.to_owned();
            cursors.push(Cursor { name, position: input.counted()?.to_vec() });
        }
        let mut counts = Counts::default();
        for _ in 0..input.varint()? {
            let code = input.byte()?;
            counts.add_code(code, input.varint()?);
        }
        let left = input.varint()?;
        let events = LoggedEvents { input, left, previous: 0 };
        let watermark = (watermark != i64::MIN).then_some(UnixMillis(watermark));
        Some(Self { watermark, cursors, counts, events })
    }

    /// The events, in the order they came. An error ends them.
    pub fn events(&self) -> impl Iterator<Item = Result<LoggedEvent, GroupError>> + 'a {
        self.events
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LoggedEvents<'a> {
    input: Input<'a>,
    left: u64,
    previous: i64,
}

impl LoggedEvents<'_> {
    fn read(&mut self) -> Option<LoggedEvent> {
        let code = self.input.varint()?;
        self.previous = self.previous.wrapping_add(self.input.signed()?);
        let key = KeyId(u32::try_from(code >> 1).ok()?);
        let state = if code & 1 == 1 { State::Fail } else { State::Success };
        Some(LoggedEvent { at: UnixMillis(self.previous), key, state })
    }
}

impl Iterator for LoggedEvents<'_> {
    type Item = Result<LoggedEvent, GroupError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            // Bytes behind the last event mean that the count is wrong.
            let trailing = !self.input.0.is_empty();
            self.input.0 = &[];
            return trailing.then_some(Err(GroupError));
        }
        let event = self.read();
        self.left = if event.is_some() { self.left - 1 } else { 0 };
        if event.is_none() {
            self.input.0 = &[];
        }
        Some(event.ok_or(GroupError))
    }
}

#[cfg(test)]
mod tests {
    use cabinwatch_shared::wire::LossReason;
    use proptest::prelude::*;

    use super::*;
    use crate::store::counters::Counter;

    fn event(at: i64, key: u32, state: State) -> LoggedEvent {
        LoggedEvent { at: UnixMillis(at), key: KeyId(key), state }
    }

    #[test]
    fn a_group_is_these_bytes() {
        let mut group = GroupWriter::default();
        group.push(event(1000, 1, State::Fail));
        group.push(event(1001, 100, State::Success));
        group.push(event(999, 2, State::Fail));
        group.reach(Cursor { name: "t".to_owned(), position: vec![9] });
        group.reach(Cursor { name: "t".to_owned(), position: vec![8, 7] });
        group.counts().add(Counter::Lost(LossReason::Late), 300);
        group.counts().add(Counter::Events, 3);
        let (bytes, cursors, _) = group.finish(Some(UnixMillis(1001)));
        let expected: &[&[u8]] = &[
            &[1],                       // version
            &[0xd2, 0x0f],              // watermark 1001, zigzag
            &[1, 1, b't', 2, 8, 7],     // one cursor, its last word
            &[2, 7, 0xac, 0x02, 64, 3], // two counts: late 300, events 3
            &[3],                       // three events
            &[1 << 1 | 1, 0xd0, 0x0f],  // key 1 failed at 1000
            &[0xc8, 0x01, 2],           // key 100 succeeded 1 ms later
            &[2 << 1 | 1, 3],           // key 2 failed 2 ms before that
        ];
        assert_eq!(bytes, expected.concat());
        assert_eq!(cursors.len(), 1);
        assert!(group.is_empty());
    }

    #[test]
    fn a_usual_event_takes_two_bytes() {
        let mut group = GroupWriter::default();
        (0..100).for_each(|at| group.push(event(1_795_248_600_000 + at, 40, State::Fail)));
        let (bytes, _, _) = group.finish(None);
        assert!(bytes.len() < 2 * 100 + 24, "{} bytes", bytes.len());
    }

    fn any_event() -> impl Strategy<Value = LoggedEvent> {
        (any::<i64>(), any::<u32>(), any::<bool>())
            .prop_map(|(at, key, fail)| event(at, key, if fail { State::Fail } else { State::Success }))
    }

    proptest! {
        #[test]
        fn a_group_comes_back(
            events in prop::collection::vec(any_event(), 0..50),
            watermark in prop::option::of(i64::MIN + 1..),
            late in 0_u64..,
            position in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut group = GroupWriter::default();
            events.iter().for_each(|event| group.push(*event));
            group.reach(Cursor { name: "tail:/var/log/radius.log".to_owned(), position });
            group.counts().add(Counter::Lost(LossReason::Late), late);
            let (bytes, cursors, counts) = group.finish(watermark.map(UnixMillis));
            let read = EventGroup::parse(&bytes).expect("a group");
            prop_assert_eq!(read.watermark, watermark.map(UnixMillis));
            prop_assert_eq!(&read.cursors, &cursors);
            prop_assert_eq!(&read.counts, &counts);
            prop_assert_eq!(read.events().collect::<Result<Vec<_>, _>>(), Ok(events));
            // Cut anywhere it is an error, never other events.
            for end in 0..bytes.len() {
                let cut = EventGroup::parse(&bytes[..end]);
                prop_assert!(cut.is_err() || cut.expect("parsed").events().any(|event| event.is_err()));
            }
        }

        #[test]
        fn any_bytes_are_a_group_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(version) = bytes.first_mut() {
                *version = GROUP_VERSION;
            }
            if let Ok(group) = EventGroup::parse(&bytes) {
                prop_assert!(group.events().count() <= bytes.len() + 1);
            }
        }
    }
}
