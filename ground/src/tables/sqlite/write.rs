//! Writing, all within one transaction of the caller's.

use std::collections::BTreeSet;

use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::FrameSeq;
use rusqlite::{Connection, OptionalExtension, params};

use super::convert::time_text;
use super::{Fault, read, schema};
use crate::tables::limits::integer;
use crate::tables::names::{Names, WINDOWS};
use crate::tables::outcome::OutcomeColumns;
use crate::tables::records::SetAsideKey;
use crate::tables::{
    AircraftRecord, Batch, Cell, FrameId, GapRecord, KnownModel, Ledger, MAX_SET_ASIDE_BYTES,
    SET_ASIDE_ROW_BYTES, ScoredRow, ScoredWindow, SeqRange, SetAside, StoreOutcome, StreamProgress,
    StreamState, Table, TableRow, TablesError, text,
};

pub(super) fn batch(
    connection: &Connection,
    names: &Names,
    batch: &Batch,
    out: &mut StoreOutcome,
) -> Result<(), Fault> {
    for window in &batch.windows {
        replace(connection, names, window, out)?;
    }
    losses(connection, batch)?;
    stream_starts(connection, batch)?;
    model_reports(connection, batch)?;
    // First, so that a frame can be set aside anew for another reason.
    for frame in &batch.recovered {
        let (tail, stream, seq) = frame_columns(frame)?;
        connection
            .prepare_cached("DELETE FROM set_aside WHERE tail = ?1 AND stream = ?2 AND seq = ?3")?
            .execute(params![tail, stream, seq])?;
    }
    out.set_aside_dropped += set_aside(connection, &batch.set_aside)?;
    for item in &batch.aircraft {
        aircraft(connection, item)?;
    }
    for item in &batch.progress {
        out.streams.push(progress(connection, item)?);
    }
    Ok(())
}

fn progress(connection: &Connection, item: &StreamProgress) -> Result<StreamState, Fault> {
    let before = read::stream(connection, &item.tail, item.stream)?;
    let settled_before = before.as_ref().map_or(FrameSeq(0), |state| state.settled);
    let mut ledger = before.as_ref().map(Ledger::restore).unwrap_or_default();
    let settled = ledger.merge(item);
    let state = ledger.state(item.tail.clone(), item.stream, item.at);
    stream(connection, &state)?;
    gaps(connection, &state, settled_before, &settled)?;
    Ok(state)
}

/// Swaps one window of one aircraft: what was there goes, in every table, and the new rows come.
pub(super) fn replace(
    connection: &Connection,
    names: &Names,
    scored: &ScoredWindow,
    out: &mut StoreOutcome,
) -> Result<(), Fault> {
    let tail = scored.tail.as_str();
    let start = time_text("the start of a window", scored.window.start())?;
    let end = time_text("the end of a window", scored.window.end())?;
    let known: Option<i64> = connection
        .prepare_cached("SELECT version FROM window_index WHERE tail = ?1 AND start_time = ?2")?
        .query_row(params![tail, start], |row| row.get(0))
        .optional()?;
    if known.is_some_and(|version| version > scored.version.0) {
        out.outdated += 1;
        return Ok(());
    }
    if known.is_some() {
        for table in names.row_tables().chain(["points"]) {
            connection
                .prepare_cached(&format!("DELETE FROM \"{table}\" WHERE tail = ?1 AND start_time = ?2"))?
                .execute(params![tail, start])?;
        }
        out.replaced += 1;
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO window_index VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![tail, start, end, scored.model.0, scored.version.0])?;
    for (point, success) in &scored.points {
        connection.prepare_cached("INSERT INTO points VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            tail,
            start,
            point,
            integer("successes", *success)?
        ])?;
    }
    for row in &scored.rows {
        insert_row(connection, names, scored, row)?;
        out.rows += 1;
        out.anomalies += u64::from(row.verdict.alarms.any());
    }
    out.windows += 1;
    Ok(())
}

fn insert_row(
    connection: &Connection,
    names: &Names,
    scored: &ScoredWindow,
    row: &ScoredRow,
) -> Result<(), Fault> {
    integer("failures and successes of a row", row.counts.fail.saturating_add(row.counts.success))?;
    let no_attempt = || TablesError::Value { what: "a row without an attempt", value: "0".to_owned() };
    let cells = TableRow::of(scored, row).ok_or_else(no_attempt)?.cells();
    let tables = Table::ALL.into_iter().filter(|table| table.holds(row.verdict.alarms));
    for table in tables.map(|table| names.of(table)).chain([WINDOWS]) {
        let columns = schema::row_columns();
        let places = ["?"; TableRow::COLUMNS.len()].join(", ");
        connection
            .prepare_cached(&format!("INSERT INTO \"{table}\" ({columns}) VALUES ({places})"))?
            .execute(rusqlite::params_from_iter(&cells))?;
    }
    Ok(())
}

impl rusqlite::ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            Self::Null => Ok(rusqlite::types::Null.into()),
            Self::Integer(value) => value.to_sql(),
            Self::Real(value) => value.to_sql(),
            Self::Text(value) => value.to_sql(),
        }
    }
}

fn frame_columns(frame: &FrameId) -> Result<(&str, String, i64), TablesError> {
    Ok((frame.tail.as_str(), frame.stream.to_string(), integer("a frame's number", frame.seq.0)?))
}

fn losses(connection: &Connection, batch: &Batch) -> Result<(), Fault> {
    for item in &batch.losses {
        let (tail, stream, seq) = frame_columns(&item.frame)?;
        let since = time_text("the time of a loss", item.loss.since)?;
        let until = time_text("the time of a loss", item.loss.until)?;
        let lost = integer("a loss", item.loss.count)?;
        connection
            .prepare_cached("INSERT OR REPLACE INTO losses VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute(params![tail, stream, seq, item.loss.reason.as_str(), lost, since, until])?;
    }
    Ok(())
}

fn stream_starts(connection: &Connection, batch: &Batch) -> Result<(), Fault> {
    for item in &batch.stream_starts {
        let (tail, stream, seq) = frame_columns(&item.frame)?;
        let at = time_text("the start of a stream", item.at())?;
        connection
            .prepare_cached("INSERT OR REPLACE INTO stream_starts VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![tail, stream, seq, text::stream_cause(item.start), at])?;
    }
    Ok(())
}

fn model_reports(connection: &Connection, batch: &Batch) -> Result<(), Fault> {
    for item in &batch.model_reports {
        let (tail, stream, seq) = frame_columns(&item.frame)?;
        let at = time_text("the time of a model report", item.report.at)?;
        let OutcomeColumns { outcome, cause, back_to, trial } = OutcomeColumns::of(item.report.outcome);
        let [windows, rows, alarms, quiet, new_alarms] = trial;
        let version = item.report.version.0;
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO model_reports
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(params![
                tail, stream, seq, version, outcome, at, cause, back_to, windows, rows, alarms, quiet,
                new_alarms
            ])?;
    }
    Ok(())
}

/// Returns how much had to go again.
fn set_aside(connection: &Connection, items: &[SetAside]) -> Result<u64, Fault> {
    for item in items {
        let SetAsideKey { stream, seq, digest } = SetAsideKey::of(item)?;
        let model = item.reason.awaited_model().map(|version| version.0);
        let (reason, at) = (item.reason.as_str(), time_text("a time", item.at)?);
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO set_aside
                     (tail, stream, seq, digest, reason, model_version, message, at_time, bytes)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                item.tail.as_str(),
                stream,
                seq,
                digest,
                reason,
                model,
                item.message,
                at,
                item.bytes
            ])?;
    }
    let tails: BTreeSet<&str> = items.iter().map(|item| item.tail.as_str()).collect();
    tails.into_iter().map(|tail| trim_set_aside(connection, tail)).sum()
}

fn trim_set_aside(connection: &Connection, tail: &str) -> Result<u64, Fault> {
    let dropped = connection
        .prepare_cached(
            "DELETE FROM set_aside WHERE rowid IN (
                 SELECT id FROM (
                     SELECT rowid AS id, sum(length(bytes) + ?3) OVER (ORDER BY rowid DESC) AS newer
                     FROM set_aside WHERE tail = ?1)
                 WHERE newer > ?2)",
        )?
        .execute(params![tail, MAX_SET_ASIDE_BYTES.cast_signed(), SET_ASIDE_ROW_BYTES.cast_signed()])?;
    if dropped > 0 {
        tracing::error!(tail, dropped, "dropped the oldest of what was set aside: there is too much of it");
    }
    Ok(dropped as u64)
}

fn aircraft(connection: &Connection, item: &AircraftRecord) -> Result<(), Fault> {
    let time = |at: UnixSeconds| time_text("the time of a contact", at);
    let contact = item.last_contact.map(time).transpose()?;
    let next_contact = item.next_contact.map(time).transpose()?;
    connection
        .prepare_cached(
            "INSERT INTO aircraft VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (tail) DO UPDATE SET
                 last_contact = max(coalesce(excluded.last_contact, last_contact), coalesce(last_contact, '')),
                 online = coalesce(excluded.online, online),
                 release = coalesce(excluded.release, release),
                 model_version = coalesce(excluded.model_version, model_version),
                 stream = coalesce(excluded.stream, stream),
                 cohort = coalesce(excluded.cohort, cohort),
                 next_contact = CASE
                     WHEN excluded.next_contact > coalesce(next_contact, '') THEN excluded.next_contact
                     ELSE next_contact END",
        )?
        .execute(params![
            item.tail.as_str(),
            contact,
            item.online,
            item.release.map(text::release),
            item.model.map(|model| model.0),
            item.stream.map(|stream| stream.to_string()),
            item.cohort,
            next_contact,
        ])?;
    Ok(())
}

fn stream(connection: &Connection, state: &StreamState) -> Result<(), Fault> {
    let (tail, stream) = (state.tail.as_str(), state.stream.to_string());
    let committed = integer("a frame's number", state.committed.0)?;
    let settled = integer("a frame's number", state.settled.0)?;
    let newest = integer("a frame's number", state.newest.0)?;
    let updated = time_text("a time", state.updated)?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO streams VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![tail, stream, committed, settled, updated, newest])?;
    connection
        .prepare_cached("DELETE FROM received WHERE tail = ?1 AND stream = ?2")?
        .execute(params![tail, stream])?;
    for range in &state.received {
        let (first, last) = range_columns(*range)?;
        connection
            .prepare_cached("INSERT INTO received VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![tail, stream, first, last])?;
    }
    Ok(())
}

/// Writes the gaps that could have changed: those that are open, and those that have just been settled.
fn gaps(
    connection: &Connection,
    state: &StreamState,
    settled_before: FrameSeq,
    settled: &[SeqRange],
) -> Result<(), Fault> {
    let known = read::open_gaps(connection, &state.tail, state.stream, settled_before)?;
    let gaps: Vec<SeqRange> = settled.iter().chain(&state.gaps).copied().collect();
    if known.iter().map(|gap| gap.range).eq(gaps.iter().copied()) {
        return Ok(());
    }
    let (tail, stream) = (state.tail.as_str(), state.stream.to_string());
    connection
        .prepare_cached("DELETE FROM gaps WHERE tail = ?1 AND stream = ?2 AND first_seq > ?3")?
        .execute(params![tail, stream, integer("a frame's number", settled_before.0)?])?;
    for range in gaps {
        let (first, last) = range_columns(range)?;
        let noticed = GapRecord::first_noticed(&known, range).unwrap_or(state.updated);
        let noticed = time_text("a time", noticed)?;
        connection
            .prepare_cached("INSERT INTO gaps VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![tail, stream, first, last, noticed])?;
    }
    Ok(())
}

fn range_columns(range: SeqRange) -> Result<(i64, i64), TablesError> {
    Ok((integer("a frame's number", range.first.0)?, integer("a frame's number", range.last.0)?))
}

pub(super) fn model(connection: &Connection, model: &KnownModel) -> Result<(), Fault> {
    let known: Option<Vec<u8>> = connection
        .prepare_cached("SELECT bundle FROM models WHERE model_version = ?1")?
        .query_row([model.version.0], |row| row.get(0))
        .optional()?;
    match known {
        Some(bundle) if bundle == model.bundle => Ok(()),
        Some(_) => Err(TablesError::ModelConflict(model.version).into()),
        None => {
            connection.prepare_cached("INSERT INTO models VALUES (?1, ?2, ?3)")?.execute(params![
                model.version.0,
                model.cohort,
                model.bundle
            ])?;
            Ok(())
        }
    }
}
