//! Reading.

use std::ops::Range;

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::rate::{Counts, Rate};
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::Alarms;
use cabinwatch_shared::wire::{FrameSeq, LossFrame, ModelReport, StreamId};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::convert::{self, bound_text};
use crate::tables::{
    AircraftRecord, FrameId, GapRecord, KnownModel, KnownVersion, LossRecord, ModelReportRecord, Query,
    RateQuery, SeqRange, SetAside, StreamStartRecord, StreamState, TableRow, Totals, names::WINDOWS, text,
};

type Read<T> = rusqlite::Result<T>;

/// Reads a table in ascending order of `order`, of which the first column is the time a query is about.
fn select<T>(
    connection: &Connection,
    from: &str,
    order: &[&str],
    query: &Query,
    read: impl Fn(&Row<'_>) -> Read<T>,
) -> Read<Vec<T>> {
    select_by(connection, &format!("SELECT * FROM \"{from}\""), order, query, read)
}

fn select_by<T>(
    connection: &Connection,
    select: &str,
    order: &[&str],
    query: &Query,
    read: impl Fn(&Row<'_>) -> Read<T>,
) -> Read<Vec<T>> {
    let (filter, mut values) = filter(order.first().copied().unwrap_or("rowid"), query);
    // The newest come first, so that a limit keeps them.
    let order = order.iter().map(|column| format!("{column} DESC")).collect::<Vec<_>>().join(", ");
    values.push(Value::Integer(query.limit.map_or(-1, i64::from)));
    let sql = format!("{select} {filter} ORDER BY {order} LIMIT ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut items =
        statement.query_map(params_from_iter(values), |row| read(row))?.collect::<Read<Vec<_>>>()?;
    items.reverse();
    Ok(items)
}

/// The condition that a query is, and its values. `time` is the column of the time it is about.
fn filter(time: &str, query: &Query) -> (String, Vec<Value>) {
    let bounds = [
        ("tail =", query.tail.as_ref().map(ToString::to_string)),
        (&*format!("{time} >="), query.since.map(bound_text)),
        (&*format!("{time} <"), query.until.map(bound_text)),
    ]
    .map(|(condition, value)| value.map(|value| (format!("{condition} ?"), Value::Text(value))));
    let (conditions, values): (Vec<String>, Vec<Value>) = bounds.into_iter().flatten().unzip();
    let filter =
        if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    (filter, values)
}

pub(super) fn totals(connection: &Connection, table: &str, query: &Query) -> Read<Totals> {
    let (filter, values) = filter("start_time", query);
    // No tail holds a blank, so that two windows are never taken for one.
    let sql = format!(
        "SELECT count(*) AS rows, count(DISTINCT tail || ' ' || start_time) AS windows,
                coalesce(sum(anomaly_z), 0) AS z, coalesce(sum(anomaly_iforest), 0) AS forest,
                coalesce(sum(anomaly_z AND anomaly_iforest), 0) AS confirmed,
                coalesce(max(model_version), 0) AS model_version,
                min(start_time) AS first_start, max(end_time) AS last_end
         FROM \"{table}\" {filter}"
    );
    connection.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| {
        let time = |column| convert::optional(row, column, |text: String| convert::read_time(&text));
        Ok(Totals {
            rows: convert::count(row, "rows")?,
            windows: convert::count(row, "windows")?,
            z: convert::count(row, "z")?,
            forest: convert::count(row, "forest")?,
            confirmed: convert::count(row, "confirmed")?,
            model: convert::model_version(row)?,
            from: time("first_start")?,
            until: time("last_end")?,
        })
    })
}

pub(super) fn rows(connection: &Connection, table: &str, query: &Query) -> Read<Vec<TableRow>> {
    let order = ["start_time", "tail", "edr_point", "description"];
    if query.tail.is_some() || query.since.is_none() {
        return select(connection, table, &order, query, table_row);
    }
    // Rows lie by tail, then by time: asked for a time alone, SQLite would look at all there ever were. So it goes
    // from tail to tail, and in each straight to the time.
    let select = format!(
        "WITH RECURSIVE tails(name) AS (
             SELECT min(tail) FROM \"{table}\"
             UNION ALL
             SELECT (SELECT min(tail) FROM \"{table}\" WHERE tail > tails.name) FROM tails WHERE tails.name NOT NULL
         )
         SELECT rows.* FROM tails CROSS JOIN \"{table}\" AS rows ON rows.tail = tails.name"
    );
    select_by(connection, &select, &order, query, table_row)
}

fn table_row(row: &Row<'_>) -> Read<TableRow> {
    Ok(TableRow {
        tail: convert::tail(row)?,
        start: convert::time(row, "start_time")?,
        end: convert::time(row, "end_time")?,
        edr_point: row.get("edr_point")?,
        description: row.get("description")?,
        counts: Counts { fail: convert::count(row, "fail")?, success: convert::count(row, "success")? },
        fail_rate: row.get("fail_rate")?,
        mean_rate: row.get("mean_rate")?,
        std_rate: row.get("std_rate")?,
        z_score: row.get("z_score")?,
        z_status: convert::z_status(row)?,
        iforest_score: row.get("iforest_score")?,
        alarms: Alarms { z: row.get("anomaly_z")?, forest: row.get("anomaly_iforest")? },
        model_version: convert::model_version(row)?,
    })
}

pub(super) fn recent_rates(connection: &Connection, query: &RateQuery<'_>) -> Read<Vec<(UnixSeconds, Rate)>> {
    let RateQuery { tail, key, until, windows } = *query;
    // Bounded by the index first: a rare key must not make this read an aircraft's whole history.
    let mut statement = connection.prepare_cached(&format!(
        "SELECT recent.start_time, coalesce(rows.fail, 0) AS fail,
                coalesce(rows.success, points.success, 0) AS success
         FROM (SELECT start_time FROM window_index WHERE tail = ?1 AND start_time <= ?2
               ORDER BY start_time DESC LIMIT ?5) AS recent
         LEFT JOIN \"{WINDOWS}\" AS rows ON rows.tail = ?1 AND rows.start_time = recent.start_time
              AND rows.edr_point = ?3 AND rows.description = ?4
         LEFT JOIN points ON points.tail = ?1 AND points.start_time = recent.start_time
              AND points.edr_point = ?3
         ORDER BY recent.start_time"
    ))?;
    let rates = statement.query_map(
        params![tail.as_str(), bound_text(until), key.edr_point, key.description, windows],
        |row| {
            let counts =
                Counts { fail: convert::count(row, "fail")?, success: convert::count(row, "success")? };
            Ok((convert::time(row, "start_time")?, counts.rate()))
        },
    )?;
    rates.filter_map(|item| item.map(|(start, rate)| Some((start, rate?))).transpose()).collect()
}

pub(super) fn has_worked(
    connection: &Connection,
    tail: &Tail,
    edr_point: &str,
    starts: Range<UnixSeconds>,
) -> Read<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM points WHERE tail = ?1 AND start_time >= ?2 AND start_time < ?3
               AND edr_point = ?4 AND success > 0)";
    let values = params![tail.as_str(), bound_text(starts.start), bound_text(starts.end), edr_point];
    connection.prepare_cached(sql)?.query_row(values, |row| row.get(0))
}

fn frame(row: &Row<'_>) -> Read<FrameId> {
    Ok(FrameId { tail: convert::tail(row)?, stream: convert::stream(row)?, seq: convert::seq(row, "seq")? })
}

pub(super) fn losses(connection: &Connection, query: &Query) -> Read<Vec<LossRecord>> {
    select(connection, "losses", &["until_time", "tail", "stream", "seq"], query, |row| {
        let loss = LossFrame {
            reason: convert::loss_reason(row)?,
            count: convert::count(row, "lost")?,
            since: convert::time(row, "since_time")?,
            until: convert::time(row, "until_time")?,
        };
        Ok(LossRecord { frame: frame(row)?, loss })
    })
}

pub(super) fn stream_starts(connection: &Connection, query: &Query) -> Read<Vec<StreamStartRecord>> {
    select(connection, "stream_starts", &["at_time", "tail", "stream", "seq"], query, |row| {
        Ok(StreamStartRecord { frame: frame(row)?, start: convert::stream_start(row)? })
    })
}

pub(super) fn model_reports(connection: &Connection, query: &Query) -> Read<Vec<ModelReportRecord>> {
    select(connection, "model_reports", &["at_time", "tail", "stream", "seq"], query, |row| {
        let report = ModelReport {
            version: convert::model_version(row)?,
            at: convert::time(row, "at_time")?,
            outcome: convert::outcome(row)?,
        };
        Ok(ModelReportRecord { frame: frame(row)?, report })
    })
}

pub(super) fn set_aside(connection: &Connection, query: &Query) -> Read<Vec<SetAside>> {
    select(connection, "set_aside", &["at_time", "tail", "stream", "seq", "digest"], query, set_aside_item)
}

fn set_aside_item(row: &Row<'_>) -> Read<SetAside> {
    let is_message = row.get::<_, String>("stream")?.is_empty();
    let frame = if is_message { None } else { Some((convert::stream(row)?, convert::seq(row, "seq")?)) };
    Ok(SetAside {
        tail: convert::tail(row)?,
        frame,
        reason: convert::set_aside_reason(row)?,
        message: row.get("message")?,
        at: convert::time(row, "at_time")?,
        bytes: row.get("bytes")?,
    })
}

pub(super) fn awaited_models(connection: &Connection) -> Read<Vec<ModelVersion>> {
    let sql = "SELECT DISTINCT model_version FROM set_aside WHERE model_version IS NOT NULL ORDER BY 1";
    connection.prepare_cached(sql)?.query_map([], convert::model_version)?.collect()
}

pub(super) fn awaiting_model(
    connection: &Connection,
    version: ModelVersion,
    limit: u32,
) -> Read<Vec<SetAside>> {
    let sql = "SELECT * FROM set_aside WHERE model_version = ?1 LIMIT ?2";
    connection.prepare_cached(sql)?.query_map([version.0, limit], set_aside_item)?.collect()
}

fn range(row: &Row<'_>) -> Read<SeqRange> {
    Ok(SeqRange { first: convert::seq(row, "first_seq")?, last: convert::seq(row, "last_seq")? })
}

fn gap(row: &Row<'_>) -> Read<GapRecord> {
    Ok(GapRecord {
        tail: convert::tail(row)?,
        stream: convert::stream(row)?,
        range: range(row)?,
        noticed: convert::time(row, "noticed")?,
    })
}

pub(super) fn gaps(connection: &Connection, query: &Query) -> Read<Vec<GapRecord>> {
    select(connection, "gaps", &["noticed", "tail", "stream", "first_seq"], query, gap)
}

/// The gaps of one stream that may still change.
pub(super) fn open_gaps(
    connection: &Connection,
    tail: &Tail,
    stream: StreamId,
    settled: FrameSeq,
) -> Read<Vec<GapRecord>> {
    let sql = "SELECT * FROM gaps WHERE tail = ?1 AND stream = ?2 AND first_seq > ?3 ORDER BY first_seq";
    let settled = i64::try_from(settled.0).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(params![tail.as_str(), stream.to_string(), settled], gap)?.collect()
}

pub(super) fn aircraft(connection: &Connection) -> Read<Vec<AircraftRecord>> {
    let mut statement = connection.prepare_cached("SELECT * FROM aircraft ORDER BY tail")?;
    let aircraft = statement.query_map([], |row| {
        Ok(AircraftRecord {
            tail: convert::tail(row)?,
            last_contact: convert::optional(row, "last_contact", |text: String| convert::read_time(&text))?,
            online: row.get("online")?,
            next_contact: convert::optional(row, "next_contact", |text: String| convert::read_time(&text))?,
            release: convert::optional(row, "release", |text: String| text::read_release(&text))?,
            model: row.get::<_, Option<u32>>("model_version")?.map(ModelVersion),
            stream: convert::optional(row, "stream", |text: String| text::read_stream(&text))?,
            cohort: row.get("cohort")?,
        })
    })?;
    aircraft.collect()
}

pub(super) fn streams(connection: &Connection) -> Read<Vec<StreamState>> {
    let mut statement = connection.prepare_cached("SELECT * FROM streams ORDER BY tail, stream")?;
    statement.query_map([], |row| stream_state(connection, row))?.collect()
}

pub(super) fn stream(connection: &Connection, tail: &Tail, stream: StreamId) -> Read<Option<StreamState>> {
    connection
        .prepare_cached("SELECT * FROM streams WHERE tail = ?1 AND stream = ?2")?
        .query_row(params![tail.as_str(), stream.to_string()], |row| stream_state(connection, row))
        .optional()
}

fn stream_state(connection: &Connection, row: &Row<'_>) -> Read<StreamState> {
    let (tail, stream, settled) = (convert::tail(row)?, convert::stream(row)?, convert::seq(row, "settled")?);
    let gaps = open_gaps(connection, &tail, stream, settled)?;
    Ok(StreamState {
        committed: convert::seq(row, "committed")?,
        received: received(connection, &tail, stream)?,
        gaps: gaps.into_iter().map(|gap| gap.range).collect(),
        newest: convert::seq(row, "newest")?,
        updated: convert::time(row, "updated")?,
        tail,
        stream,
        settled,
    })
}

fn received(connection: &Connection, tail: &Tail, stream: StreamId) -> Read<Vec<SeqRange>> {
    let sql = "SELECT * FROM received WHERE tail = ?1 AND stream = ?2 ORDER BY first_seq";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(params![tail.as_str(), stream.to_string()], range)?.collect()
}

pub(super) fn known_versions(connection: &Connection) -> Read<Vec<KnownVersion>> {
    let mut statement =
        connection.prepare_cached("SELECT model_version, cohort FROM models ORDER BY model_version")?;
    let versions = statement.query_map([], |row| {
        Ok(KnownVersion { version: convert::model_version(row)?, cohort: row.get("cohort")? })
    })?;
    versions.collect()
}

pub(super) fn model(connection: &Connection, version: ModelVersion) -> Read<Option<KnownModel>> {
    connection
        .prepare_cached("SELECT * FROM models WHERE model_version = ?1")?
        .query_row([version.0], |row| {
            let version = convert::model_version(row)?;
            Ok(KnownModel { version, cohort: row.get("cohort")?, bundle: row.get("bundle")? })
        })
        .optional()
}
