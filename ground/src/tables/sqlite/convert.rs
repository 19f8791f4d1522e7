//! Between columns and the types they stand for.

use std::str::FromStr;

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::{UnixMillis, UnixSeconds};
use cabinwatch_shared::wire::{FrameSeq, LossReason, ModelOutcome, StreamId, StreamStart};
use cabinwatch_shared::zscore::ZStatus;
use rusqlite::Row;
use rusqlite::types::{FromSql, Type};

use crate::tables::outcome::OutcomeColumns;
use crate::tables::{SetAsideReason, TablesError, limits, text};

/// A time as columns hold it.
pub(super) fn time_text(what: &'static str, at: UnixSeconds) -> Result<String, TablesError> {
    Ok(limits::time(what, at)?.to_string())
}

/// A bound of a query.
pub(super) fn bound_text(at: UnixSeconds) -> String {
    limits::bound(at).to_string()
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
    parsed(row, "stream", text::read_stream)
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
    parsed(row, "z_status", text::read_z_status)
}

pub(super) fn loss_reason(row: &Row<'_>) -> rusqlite::Result<LossReason> {
    parsed(row, "reason", text::read_loss_reason)
}

pub(super) fn outcome(row: &Row<'_>) -> rusqlite::Result<ModelOutcome> {
    let columns = OutcomeColumns {
        outcome: row.get("outcome")?,
        cause: row.get("cause")?,
        back_to: row.get("back_to")?,
        trial: [
            row.get("trial_windows")?,
            row.get("trial_rows")?,
            row.get("trial_alarms")?,
            row.get("trial_quiet")?,
            row.get("trial_new_alarms")?,
        ],
    };
    columns.read().ok_or_else(|| cause("a value that is none of ours", "outcome"))
}

pub(super) fn stream_start(row: &Row<'_>) -> rusqlite::Result<StreamStart> {
    let at = time(row, "at_time")?;
    parsed(row, "cause", |cause| text::read_stream_start(cause, at))
}

pub(super) fn set_aside_reason(row: &Row<'_>) -> rusqlite::Result<SetAsideReason> {
    let model: Option<u32> = row.get("model_version")?;
    parsed(row, "reason", |reason| text::read_set_aside_reason(reason, model.map(ModelVersion)))
}
