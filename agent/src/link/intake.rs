//! What comes down: acknowledgements and models, on their way to the engine.

use std::sync::mpsc::{SyncSender, TrySendError};

use cabinwatch_shared::wire::Committed;

use crate::pipeline::{Input, OfferedModel};

/// Hands over without ever blocking the link. Of each kind only the latest counts, so nothing piles up while the
/// engine's queue is full.
pub(super) struct Intake {
    queue: SyncSender<Input>,
    committed: Option<Committed>,
    model: Option<OfferedModel>,
}

impl Intake {
    pub(super) fn new(queue: SyncSender<Input>) -> Self {
        Self { queue, committed: None, model: None }
    }

    /// The highest number counts: of several ground processes, a slower one says late what it knew early.
    pub(super) fn committed(&mut self, committed: Committed) {
        let known =
            self.committed.filter(|known| known.stream == committed.stream && known.seq > committed.seq);
        self.committed = Some(known.unwrap_or(committed));
    }

    pub(super) fn model(&mut self, offered: OfferedModel) {
        self.model = Some(offered);
    }

    /// Gives the engine what it takes now; the rest waits for the next call.
    pub(super) fn hand_over(&mut self) {
        if let Some(committed) = self.committed.take()
            && let Err(TrySendError::Full(_)) = self.queue.try_send(Input::Committed(committed))
        {
            self.committed = Some(committed);
        }
        if let Some(offered) = self.model.take()
            && let Err(TrySendError::Full(Input::ModelOffered(offered))) =
                self.queue.try_send(Input::ModelOffered(offered))
        {
            self.model = Some(offered);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use cabinwatch_shared::wire::{FrameSeq, StreamId};

    use super::*;

    fn offered(byte: u8) -> OfferedModel {
        OfferedModel { bundle: vec![byte], on_decided: Box::new(|| {}) }
    }

    fn committed(seq: u64) -> Committed {
        Committed { stream: StreamId(7), seq: FrameSeq(seq) }
    }

    #[test]
    fn a_slower_ground_process_does_not_take_back_what_a_faster_one_said() {
        let (queue, engine) = sync_channel(1);
        let mut intake = Intake::new(queue);
        intake.model(offered(1));
        intake.hand_over();
        intake.committed(committed(20));
        intake.committed(committed(10));
        assert!(engine.try_recv().is_ok());
        intake.hand_over();
        assert!(matches!(engine.try_recv(), Ok(Input::Committed(word)) if word == committed(20)));
        // Another stream's numbers say nothing about this one's.
        let other = Committed { stream: StreamId(8), seq: FrameSeq(1) };
        intake.committed(committed(30));
        intake.committed(other);
        intake.hand_over();
        assert!(matches!(engine.try_recv(), Ok(Input::Committed(word)) if word == other));
    }

    #[test]
    fn a_full_queue_delays_the_latest_word_and_loses_only_older_ones() {
        let (queue, engine) = sync_channel(1);
        let mut intake = Intake::new(queue);
        intake.model(offered(1));
        intake.hand_over();
        intake.committed(committed(1));
        intake.hand_over();
        intake.committed(committed(2));
        intake.model(offered(2));
        intake.hand_over();
        assert!(matches!(engine.try_recv(), Ok(Input::ModelOffered(model)) if model.bundle == [1]));
        intake.hand_over();
        assert!(matches!(engine.try_recv(), Ok(Input::Committed(word)) if word == committed(2)));
        intake.hand_over();
        assert!(matches!(engine.try_recv(), Ok(Input::ModelOffered(model)) if model.bundle == [2]));
    }
}
