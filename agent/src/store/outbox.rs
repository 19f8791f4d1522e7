//! Frames on their way to the ground. A row leaves only when the ground has stored its frame, or when retention counts
//! it as lost.

use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{
    ClockTrust, Committed, Frame, FrameHead, FrameSeq, LossFrame, LossReason, StreamId,
};
use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;
use super::retention::Held;
use super::seal::{seal, unseal};

/// Which frames the outbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxBounds {
    /// Whose frames they are.
    pub stream: StreamId,
    /// The oldest frame still there; the next to be written if there is none.
    pub oldest: FrameSeq,
    /// The newest frame ever written; 0 if none was.
    pub newest: FrameSeq,
    /// What the agent thinks of its clock.
    pub clock: ClockTrust,
}

/// A frame as the outbox hands it out: its number and its bytes.
pub type StoredFrame = (FrameSeq, Vec<u8>);

/// SQLite's integers are signed; the stream's name is 64 random bits.
const fn signed(stream: StreamId) -> i64 {
    stream.0.cast_signed()
}

fn seq(number: i64) -> FrameSeq {
    FrameSeq(u64::try_from(number).unwrap_or(0))
}

fn number(seq: FrameSeq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

/// Names a new stream, whose first frame will be number 1.
pub(super) fn found(connection: &Connection, stream: StreamId) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO stream (id, stream_id, next_seq, committed, changes, clock) VALUES (1, ?1, 1, 0, 0, ?2)",
        [signed(stream), code(ClockTrust::Provisional)],
    )?;
    Ok(())
}

const fn code(trust: ClockTrust) -> i64 {
    match trust {
        ClockTrust::Trusted => 0,
        ClockTrust::Provisional => 1,
        ClockTrust::Doubtful => 2,
    }
}

const fn trust(code: i64) -> ClockTrust {
    match code {
        0 => ClockTrust::Trusted,
        1 => ClockTrust::Provisional,
        _ => ClockTrust::Doubtful,
    }
}

/// Notes what the agent thinks of its clock.
pub(super) fn set_clock(connection: &Connection, trust: ClockTrust) -> Result<(), StoreError> {
    connection.prepare_cached("UPDATE stream SET clock = ?1")?.execute([code(trust)])?;
    Ok(())
}

pub(super) fn bounds(connection: &Connection) -> Result<OutboxBounds, StoreError> {
    let sql = "SELECT stream_id, next_seq, (SELECT min(seq) FROM outbox), clock FROM stream";
    let row = connection
        .prepare_cached(sql)?
        .query_row([], |row| {
            let (stream, next, oldest): (i64, i64, Option<i64>) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(OutboxBounds {
                stream: StreamId(stream.cast_unsigned()),
                oldest: seq(oldest.unwrap_or(next)),
                newest: seq(next - 1),
                clock: trust(row.get(3)?),
            })
        })
        .optional()?;
    row.ok_or_else(|| StoreError::garbled("the stream's name"))
}

/// The ground's last word on this stream.
pub(super) fn committed(connection: &Connection) -> Result<FrameSeq, StoreError> {
    let number = connection.query_row("SELECT committed FROM stream", [], |row| row.get(0))?;
    Ok(seq(number))
}

/// A run of frames with consecutive numbers from `from` on, of at most `max_bytes`; at least one if there is one.
pub(super) fn frames(
    connection: &Connection,
    from: FrameSeq,
    max_bytes: usize,
) -> Result<Vec<StoredFrame>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT seq, frame, created FROM outbox WHERE seq >= ?1 ORDER BY seq")?;
    let mut rows = statement.query([number(from)])?;
    let mut frames: Vec<StoredFrame> = Vec::new();
    let mut bytes = 0_usize;
    while let Some(row) = rows.next()? {
        let (seq, sealed): (FrameSeq, Vec<u8>) = (seq(row.get(0)?), row.get(1)?);
        let frame = match unseal(&sealed) {
            Some(frame) => frame.to_vec(),
            None => damaged_frame(seq, UnixSeconds(row.get(2)?))?,
        };
        bytes += frame.len();
        let follows = frames.last().is_none_or(|(last, _)| last.next() == seq);
        if !follows || (bytes > max_bytes && !frames.is_empty()) {
            break;
        }
        frames.push((seq, frame));
    }
    Ok(frames)
}

/// The losses that frames up to this number tell of.
pub(super) fn losses(connection: &Connection, last: i64) -> Result<Vec<LossFrame>, StoreError> {
    // No loss takes more bytes than this; windows take many times as many.
    let sql = "SELECT frame FROM outbox WHERE seq <= ?1 AND length(frame) <= 64";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([last])?;
    let mut losses = Vec::new();
    while let Some(row) = rows.next()? {
        let sealed: Vec<u8> = row.get(0)?;
        let bytes = unseal(&sealed).unwrap_or_default();
        if let Ok(Frame::Loss(loss)) = (FrameHead { seq: FrameSeq(0), bytes }).decode() {
            losses.push(loss);
        }
    }
    Ok(losses)
}

/// What goes under the number of a frame whose bytes are not those that were written: that it is lost.
fn damaged_frame(seq: FrameSeq, at: UnixSeconds) -> Result<Vec<u8>, StoreError> {
    tracing::error!("frame {} is damaged in the database: the ground is told that it is lost", seq.0);
    let loss = LossFrame { reason: LossReason::Corrupt, count: 1, since: at, until: at };
    let mut bytes = Vec::new();
    Frame::Loss(loss).write(&mut bytes).map_err(|_| StoreError::garbled("a frame"))?;
    Ok(bytes)
}

/// Appends frames under the next numbers, within the caller's transaction.
pub(super) fn append(
    connection: &Connection,
    frames: &[Vec<u8>],
    created: UnixSeconds,
) -> Result<(), StoreError> {
    let first = bounds(connection)?.newest.next();
    let mut insert =
        connection.prepare_cached("INSERT INTO outbox (seq, created, frame) VALUES (?1, ?2, ?3)")?;
    let mut next = first;
    for frame in frames {
        insert.execute(params![number(next), created.0, seal(frame.clone())])?;
        next = next.next();
    }
    connection.prepare_cached("UPDATE stream SET next_seq = ?1")?.execute([number(next)])?;
    Ok(())
}

/// Deletes what the ground has stored. Returns how much that was, or none if the word is about another stream or about
/// frames that were never written.
pub(super) fn acknowledge(connection: &Connection, committed: Committed) -> Result<Option<Held>, StoreError> {
    let bounds = bounds(connection)?;
    if committed.stream != bounds.stream || committed.seq > bounds.newest {
        return Ok(None);
    }
    let up_to = number(committed.seq);
    let sql = "SELECT count(*), coalesce(sum(length(frame)), 0) FROM outbox WHERE seq <= ?1";
    let gone = connection.prepare_cached(sql)?.query_row([up_to], Held::from_row)?;
    connection.prepare_cached("DELETE FROM outbox WHERE seq <= ?1")?.execute([up_to])?;
    connection.prepare_cached("UPDATE stream SET committed = max(committed, ?1)")?.execute([up_to])?;
    Ok(Some(gone))
}
