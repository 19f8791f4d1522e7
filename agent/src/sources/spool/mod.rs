//! The spool: where `cabinwatch-agent record` leaves events that the daemon did not confirm.
//!
//! | file | what |
//! | --- | --- |
//! | `lock` | locked by whoever touches the folder; holds the name and number that the next sent event gets |
//! | `pending.jsonl` | events, one a line, appended and synced by `record` |
//! | `taken-<id>.jsonl` | what the daemon has taken over and is reading; at most one |
//!
//! The daemon renames `pending.jsonl` under the lock, so no line is appended to a file that is being read. Its cursor
//! names the taken file and the offset in it, and the file is deleted only when all of it is stored: wherever a crash
//! falls, the next start finds either the file and its offset, or neither.

mod folder;
mod source;

pub use folder::{MAX_SPOOL_BYTES, SpoolError, SpoolFolder, TicketNumber};
pub(super) use source::{CURSOR_NAME, SpoolSource};

#[cfg(test)]
mod tests;
