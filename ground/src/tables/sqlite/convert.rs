//! Between columns and the types they stand for.

use std::str::FromStr;

use cabinwatch_shared::model::{AgentRelease, ModelVersion};
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::{UnixMillis, UnixSeconds};
use cabinwatch_shared::wire::{FrameSeq, LossReason, ModelOutcome, StreamId, StreamStart};
use cabinwatch_shared::zscore::ZStatus;
use rusqlite::Row;
use rusqlite::types::{FromSql, Type};

use crate::tables::{SetAsideReason, TablesError, text};

/// The calendar's ends: years 0000 and 9999, between which times sort as text.
const CALENDAR: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

/// A time as columns hold it.
pub(super) fn time_text(what: &'static str, at: UnixSeconds) -> Result<String, TablesError> {
    if CALENDAR.contains(&at.0) {
        Ok(at.to_string())
    } else {
        Err(TablesError::Value { what, value: at.0.to_string() })
    }
}

/// A bound of a query; one beyond the calendar is one at its end.
pub(super) fn bound_text(at: UnixSeconds) -> String {
    UnixSeconds(at.0.clamp(*CALENDAR.start(), *CALENDAR.end())).to_string()
}

/// A count or number as a column holds it.
pub(super) fn integer(what: &'static str, value: u64) -> Result<i64, TablesError> {
    i64::try_from(value).map_err(|_| TablesError::Value { what, value: value.to_string() })
}

pub(super) fn cause(message: &'static str, column: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, format!("column {column}: {message}").into())
}

fn parsed<T>(
    row: &Row<'_>,
    column: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    parse(&text).ok_or_else(|| cause("a value that is none of ours", column))
}

pub(super) fn tail(row: &Row<'_>) -> rusqlite::Result<Tail> {
    parsed(row, "tail", |text| Tail::from_str(text).ok())
}

pub(super) fn time(row: &Row<'_>, column: &'static str) -> rusqlite::Result<UnixSeconds> {
    parsed(row, column, read_time)
}

pub(super) fn read_time(text: &str) -> Option<UnixSeconds> {
    UnixMillis::parse(text).ok().map(UnixMillis::seconds)
}

pub(super) fn stream(row: &Row<'_>) -> rusqlite::Result<StreamId> {
    parsed(row, "stream", read_stream)
}

pub(super) fn read_stream(text: &str) -> Option<StreamId> {
    u64::from_str_radix(text, 16).ok().map(StreamId)
}

pub(super) fn count(row: &Row<'_>, column: &'static str) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| cause("a negative number", column))
}

pub(super) fn seq(row: &Row<'_>, column: &'static str) -> rusqlite::Result<FrameSeq> {
    count(row, column).map(FrameSeq)
}

pub(super) fn model_version(row: &Row<'_>) -> rusqlite::Result<ModelVersion> {
    row.get("model_version").map(ModelVersion)
}

pub(super) fn optional<T, U: FromSql>(
    row: &Row<'_>,
    column: &'static str,
    read: impl FnOnce(U) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    let value: Option<U> = row.get(column)?;
    value.map(|value| read(value).ok_or_else(|| cause("a value that is none of ours", column))).transpose()
}

pub(super) fn z_status(row: &Row<'_>) -> rusqlite::Result<ZStatus> {
    let all = [
        ZStatus::Scored,
        ZStatus::NoModel,
        ZStatus::UnseenKey,
        ZStatus::TooFewSamples,
        ZStatus::ZeroVariance,
    ];
    parsed(row, "z_status", |text| all.into_iter().find(|status| status.as_str() == text))
}

pub(super) fn loss_reason(row: &Row<'_>) -> rusqlite::Result<LossReason> {
    parsed(row, "reason", |text| LossReason::ALL.into_iter().find(|reason| reason.as_str() == text))
}

pub(super) fn outcome(row: &Row<'_>) -> rusqlite::Result<ModelOutcome> {
    let all = [
        ModelOutcome::Activated,
        ModelOutcome::Unreadable,
        ModelOutcome::Untrusted,
        ModelOutcome::NotForUs,
        ModelOutcome::SelfTestFailed,
    ];
    parsed(row, "outcome", |value| all.into_iter().find(|outcome| text::outcome(*outcome) == value))
}

pub(super) fn read_release(text: &str) -> Option<AgentRelease> {
    let mut parts = text.splitn(3, '.').map(|part| part.parse().ok());
    Some(AgentRelease(parts.next()??, parts.next()??, parts.next()??))
}

pub(super) fn stream_start(row: &Row<'_>) -> rusqlite::Result<StreamStart> {
    let at = time(row, "at_time")?;
    let all = [StreamStart::NoDatabase { at }, StreamStart::DatabaseSetAside { at }];
    parsed(row, "cause", |value| all.into_iter().find(|start| text::stream_cause(*start) == value))
}

pub(super) fn set_aside_reason(row: &Row<'_>) -> rusqlite::Result<SetAsideReason> {
    let model: Option<u32> = row.get("model_version")?;
    let unknown_model = SetAsideReason::UnknownModel(ModelVersion(model.unwrap_or_default()));
    let all = [SetAsideReason::Undecodable, SetAsideReason::Nonsense, unknown_model];
    parsed(row, "reason", |value| all.into_iter().find(|reason| text::set_aside_reason(*reason) == value))
}
