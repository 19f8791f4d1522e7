//! How the agent before this one ended, and how this one does. What is not in the database when a process ends without a
//! word is lost, unless its source has it still: an event socket's producer that waits for an answer, the spool, a file.
//! How much that is, nobody knows; so the ground is told that it was so, and between when and when.

use cabinwatch_shared::time::UnixMillis;
use cabinwatch_shared::wire::LossReason;

use super::clock::Clock;
use super::engine::Engine;
use crate::store::{LossSpan, StoreError};

impl<C: Clock> Engine<C> {
    /// Comes before the first event is handed over. If the agent before this one ended without a word, that is counted,
    /// and told where there is a time of day: once, as both are in one transaction, and only after it may this process'
    /// own end be an unclean one.
    ///
    /// # Errors
    /// When the database is damaged, or fails while the process ends.
    pub fn begin_work(&mut self) -> Result<(), StoreError> {
        if !self.store.ended_uncleanly() {
            self.store.begin_work();
            return Ok(());
        }
        let until = self.now_seconds();
        let since = self.last_written.map_or(until, UnixMillis::seconds).min(until);
        tracing::warn!(
            %since,
            "the agent before this one ended without being stopped: what it had not stored since then may be missing"
        );
        self.state.lose(LossReason::UncleanEnd, LossSpan { count: 1, since, until });
        if self.holding { self.commit_checkpoint() } else { self.report_now() }
    }

    /// Comes when no more events are handed over. Commits what there is; windows stay open, and the next start goes on
    /// counting in them.
    ///
    /// # Errors
    /// When the database is damaged or fails: then this end is no clean one.
    pub fn end_work(&mut self) -> Result<(), StoreError> {
        self.commit_checkpoint()?;
        self.store.fold_log();
        self.store.end_work();
        Ok(())
    }
}
