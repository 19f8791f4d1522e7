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

/// The first byte of a group whose events bear the time of day.
const DATED: u8 = 1;
/// The first byte of a group that was written before there was a time of day.
const PROVISIONAL: u8 = 2;

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

/// Which boot of the machine a boot clock belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub u128);

/// Milliseconds on the boot clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootMillis(pub i64);

/// When an event happened, as far as that can be told without a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// By the boot clock.
    SinceBoot(BootMillis),
    /// By a calendar of its own, such as a replayed event's.
    Own(UnixMillis),
}

/// An event of a provisional group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvisionalEvent {
    /// When it happened.
    pub stamp: Stamp,
    /// Its point and description.
    pub key: KeyId,
    /// How it ended.
    pub state: State,
}

/// What a group's events are dated by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupHead {
    /// By the time of day.
    Dated {
        /// The watermark when the group was written.
        watermark: Option<UnixMillis>,
    },
    /// By the boot clock; they wait for a time of day.
    Provisional {
        /// Whose clock.
        boot: BootId,
        /// When the group was written.
        written: BootMillis,
    },
}

/// A group that is being filled. Events are encoded as they come; all of one group are of the same kind.
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
        self.encode(u64::from(event.key.0) << 1 | u64::from(event.state == State::Fail), event.at.0);
    }

    /// Adds an event that waits for a time of day.
    pub fn push_provisional(&mut self, event: ProvisionalEvent) {
        let (own, at) = match event.stamp {
            Stamp::SinceBoot(at) => (0, at.0),
            Stamp::Own(at) => (1, at.0),
        };
        self.encode(u64::from(event.key.0) << 2 | own << 1 | u64::from(event.state == State::Fail), at);
    }

    fn encode(&mut self, code: u64, at: i64) {
        put(code, &mut self.events);
        put_signed(at.wrapping_sub(self.previous), &mut self.events);
        self.previous = at;
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

    /// The bytes its events take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.events.len() as u64
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.event_count == 0 && self.cursors.is_empty() && self.counts.is_empty()
    }

    /// The group's bytes, and the parts its writer goes on with. The writer is empty afterwards.
    pub fn finish(&mut self, head: GroupHead) -> (Vec<u8>, Vec<Cursor>, Counts) {
        let mut out = Vec::with_capacity(self.events.len() + 64);
        match head {
            GroupHead::Dated { watermark } => {
                out.push(DATED);
                put_signed(watermark.map_or(i64::MIN, |at| at.0), &mut out);
            }
            GroupHead::Provisional { boot, written } => {
                out.push(PROVISIONAL);
                out.extend(boot.0.to_be_bytes());
                put_signed(written.0, &mut out);
            }
        }
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
    /// What its events are dated by.
    pub head: GroupHead,
    /// How far the sources had been read.
    pub cursors: Vec<Cursor>,
    /// What the group adds to the counters.
    pub counts: Counts,
    events: Encoded<'a>,
}

impl<'a> EventGroup<'a> {
    /// Reads everything but the events.
    ///
    /// # Errors
    /// When the bytes are no group that this agent knows.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, GroupError> {
        Self::read(bytes).ok_or(GroupError)
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut input = Input(bytes);
        let head = match input.byte()? {
            DATED => {
                let watermark = input.signed()?;
                GroupHead::Dated { watermark: (watermark != i64::MIN).then_some(UnixMillis(watermark)) }
            }
            PROVISIONAL => {
                let (boot, rest) = input.0.split_first_chunk()?;
                input.0 = rest;
                let boot = BootId(u128::from_be_bytes(*boot));
                GroupHead::Provisional { boot, written: BootMillis(input.signed()?) }
            }
            _ => return None,
        };
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
        Some(Self { head, cursors, counts, events: Encoded { input, left, previous: 0 } })
    }

    /// How many events it says to hold.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.events.left
    }

    /// Whether it holds no event.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The events that bear the time of day, in the order they came: all, or none where the group is provisional. An
    /// error ends them.
    pub fn events(&self) -> impl Iterator<Item = Result<LoggedEvent, GroupError>> + 'a {
        let dated = matches!(self.head, GroupHead::Dated { .. }).then_some(self.events);
        dated.into_iter().flatten().map(|event| event.and_then(dated_event))
    }

    /// The events that wait for a time of day, in the order they came: all, or none where the group is dated. An error
    /// ends them.
    pub fn provisional(&self) -> impl Iterator<Item = Result<ProvisionalEvent, GroupError>> + 'a {
        let provisional = matches!(self.head, GroupHead::Provisional { .. }).then_some(self.events);
        provisional.into_iter().flatten().map(|event| event.and_then(provisional_event))
    }
}

fn key(number: u64) -> Result<KeyId, GroupError> {
    u32::try_from(number).map(KeyId).map_err(|_| GroupError)
}

const fn state(code: u64) -> State {
    if code & 1 == 1 { State::Fail } else { State::Success }
}

fn dated_event((code, at): (u64, i64)) -> Result<LoggedEvent, GroupError> {
    Ok(LoggedEvent { at: UnixMillis(at), key: key(code >> 1)?, state: state(code) })
}

fn provisional_event((code, at): (u64, i64)) -> Result<ProvisionalEvent, GroupError> {
    let stamp = if code & 2 == 2 { Stamp::Own(UnixMillis(at)) } else { Stamp::SinceBoot(BootMillis(at)) };
    Ok(ProvisionalEvent { stamp, key: key(code >> 2)?, state: state(code) })
}

/// Codes and times, as they are read one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Encoded<'a> {
    input: Input<'a>,
    left: u64,
    previous: i64,
}

impl Encoded<'_> {
    fn read(&mut self) -> Option<(u64, i64)> {
        let code = self.input.varint()?;
        self.previous = self.previous.wrapping_add(self.input.signed()?);
        Some((code, self.previous))
    }
}

impl Iterator for Encoded<'_> {
    type Item = Result<(u64, i64), GroupError>;

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
mod tests;
