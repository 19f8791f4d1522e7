//! What a bare SQLite loop writes that stores the same events with the same group commit and does nothing else.

use std::path::Path;

use cabinwatch_tests::event_line::write_event;
use rusqlite::Connection;

use super::Result;
use super::load::Load;
use super::process::written_by_this_thread;

/// The agent's default: a commit after this many events at the latest.
const GROUP_EVENTS: u64 = 512;
/// Enough for several checkpoints of the log.
const EVENTS: u64 = 20_000;

/// Bytes an event, below `folder`, where a commit waits `group_millis` for more events. Time plays no part in it: only how many events there are to a commit.
///
/// # Errors
/// When the database can't be written, or lies in memory.
pub fn flash_bytes_per_event(folder: &Path, load: Load, group_millis: u32) -> Result<f64> {
    let group = GROUP_EVENTS.min(load.events_per_second * u64::from(group_millis) / 1000);
    let path = folder.join(format!("floor-{group}.db"));
    let database = Connection::open(path)?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE event (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    )?;
    let before = written_by_this_thread()?;
    let mut insert = database.prepare("INSERT INTO event (body) VALUES (?1)")?;
    let (now, mut line) = (jiff::Timestamp::now(), String::new());
    for number in 0..EVENTS {
        if number.is_multiple_of(group) {
            database.execute_batch("BEGIN")?;
        }
        write_event(&mut line, number, format_args!("{now:.3}"));
        insert.execute([line.as_bytes()])?;
        if (number + 1).is_multiple_of(group) || number + 1 == EVENTS {
            database.execute_batch("COMMIT")?;
        }
    }
    let written = written_by_this_thread()? - before;
    if written <= 0.0 {
        return Err(format!("{} lies in memory: nothing is written to a disk there", folder.display()).into());
    }
    Ok(written / EVENTS as f64)
}
