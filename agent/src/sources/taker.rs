//! From one JSON event to a batch, each numbered event once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use cabinwatch_shared::time::UnixMillis;
use cabinwatch_shared::wire::LossReason;

use super::json;
use super::outlet::{Fault, Outlet};
use super::producers::{Producers, Verdict};
use super::{Cursor, DatedBy, EventBatch};

/// A batch in the making, with the lock on the producers it took numbered events of.
///
/// The lock is held from the first numbered event until the batch is in the engine's queue. Otherwise another source
/// could queue a later cursor first, and a crash between the two would lose an event that the cursor claims.
pub(super) struct Taker<'a> {
    outlet: &'a Outlet,
    producers: &'a Mutex<Producers>,
    held: Option<MutexGuard<'a, Producers>>,
    pub(super) batch: EventBatch,
    dated_by: DatedBy,
    taken: usize,
}

/// What a producer may be told once the batch is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) producer: String,
    pub(super) seq: u64,
}

impl<'a> Taker<'a> {
    pub(super) fn new(outlet: &'a Outlet, producers: &'a Mutex<Producers>, dated_by: DatedBy) -> Self {
        Self { outlet, producers, held: None, batch: EventBatch::default(), dated_by, taken: 0 }
    }

    /// Takes one event, or counts why it is none.
    pub(super) fn take(&mut self, text: &[u8], arrival: UnixMillis) -> Option<Receipt> {
        self.taken += 1;
        let (identity, event) = json::parse(text, arrival);
        let mut receipt = None;
        if let Some(identity) = identity {
            let (outlet, producers) = (self.outlet, self.producers);
            let held = self.held.get_or_insert_with(|| {
                outlet.wait_for_another(|| producers.lock().unwrap_or_else(PoisonError::into_inner))
            });
            match held.take(&identity.producer, identity.seq, arrival.seconds()) {
                Verdict::New => {}
                Verdict::Seen => {
                    return Some(Receipt { producer: identity.producer.into_owned(), seq: identity.seq });
                }
                Verdict::Refused => {
                    self.batch.lose(LossReason::Malformed, 1);
                    return None;
                }
            }
            receipt = Some(Receipt { producer: identity.producer.into_owned(), seq: identity.seq });
        }
        match event {
            Ok(event) => self.batch.push(&event.event()),
            Err(reason) => self.batch.lose(reason, 1),
        }
        receipt
    }

    /// For a source that reads from a file: waits while the engine has no memory left.
    pub(super) fn wait_for_memory(&self) -> Result<(), Fault> {
        if self.held.is_some() { self.outlet.check() } else { self.outlet.wait_for_memory() }
    }

    /// Counts something that was not even read.
    pub(super) fn lose(&mut self, reason: LossReason) {
        self.taken += 1;
        self.batch.lose(reason, 1);
    }

    /// How many events were taken since the last hand-over, broken ones included.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Hands the batch over, with the cursors of its producers and this one.
    pub(super) fn hand_over(&mut self, cursor: Option<Cursor>) -> Result<(), Fault> {
        self.taken = 0;
        if let Some(held) = &mut self.held {
            held.write_cursors(&mut self.batch.cursors);
        }
        self.batch.cursors.extend(cursor);
        self.batch.dated_by = self.dated_by;
        let sent = self.outlet.send(&mut self.batch);
        self.held = None;
        sent
    }
}
