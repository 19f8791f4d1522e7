//! What columns can hold, whatever the database.

use cabinwatch_shared::time::UnixSeconds;

use super::TablesError;

/// The calendar's ends: years 0000 and 9999, between which times sort as text.
const CALENDAR: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

/// A time that has its place in a calendar.
pub(super) fn time(what: &'static str, at: UnixSeconds) -> Result<UnixSeconds, TablesError> {
    if CALENDAR.contains(&at.0) { Ok(at) } else { Err(TablesError::Value { what, value: at.0.to_string() }) }
}

/// A bound of a query; one beyond the calendar is one at its end.
pub(super) fn bound(at: UnixSeconds) -> UnixSeconds {
    UnixSeconds(at.0.clamp(*CALENDAR.start(), *CALENDAR.end()))
}

/// A count or number as a column holds it.
pub(super) fn integer(what: &'static str, value: u64) -> Result<i64, TablesError> {
    i64::try_from(value).map_err(|_| TablesError::Value { what, value: value.to_string() })
}
