//! Messages to tables, a group at a time. Blocking, and knows nothing of MQTT.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::Committed;

use super::archive::{Archive, ArchiveError};
use super::frames::{self, Refusal};
use super::group::{self, Collected, Group, StreamKey};
use super::models::Models;
use super::monitor::Backlog;
use super::summary::Summary;
use crate::tables::{Ledger, ScoredWindow, StreamState, Tables, TablesError};

/// How often, under load, frames that wait for a model are looked at.
const RECOVER_EVERY: Duration = Duration::from_secs(10);
/// Most of them tried in one transaction.
const RECOVER_AT_ONCE: u32 = 256;

/// Which of an aircraft's topics a message came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageKind {
    /// `up/frames`.
    Frames,
    /// `up/status`; whether the broker had kept it from earlier.
    Status { retained: bool },
}

/// One message of one aircraft.
#[derive(Clone, Debug)]
pub(super) struct Message<'a> {
    pub tail: Tail,
    pub kind: MessageKind,
    pub payload: &'a [u8],
}

/// Why nothing was stored. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The tables.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// The window archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// The ground's side of all streams.
pub(super) struct Intake {
    tables: Box<dyn Tables>,
    archive: Option<Archive>,
    /// What the archive has, but not the tables, since they failed: when it comes again it is not archived twice.
    archived: Vec<ScoredWindow>,
    ledgers: HashMap<StreamKey, Ledger>,
    models: Models,
    summary: Summary,
    /// When frames that wait for a model were last looked at.
    looked: Option<Instant>,
}

impl Intake {
    /// Takes up where the tables say the streams stand.
    pub fn open(tables: Box<dyn Tables>, archive: Option<Archive>) -> Result<Self, IntakeError> {
        let ledgers = tables
            .streams()?
            .into_iter()
            .map(|state| ((state.tail.clone(), state.stream), Ledger::restore(&state)))
            .collect();
        let (models, summary) = (Models::default(), Summary::default());
        Ok(Self { tables, archive, archived: Vec::new(), ledgers, models, summary, looked: None })
    }

    pub const fn summary(&self) -> Summary {
        self.summary
    }

    /// Stores a group of messages and says what may be acknowledged. On an error nothing is changed.
    pub fn store(
        &mut self,
        messages: &[Message<'_>],
        now: UnixSeconds,
    ) -> Result<Vec<(Tail, Committed)>, IntakeError> {
        let contents: Vec<Result<Cow<'_, [u8]>, Refusal>> =
            messages.iter().map(|message| frames::content(message.payload)).collect();
        let versions: BTreeSet<_> =
            contents.iter().flatten().flat_map(|content| group::model_versions(content)).collect();
        self.models.load(self.tables.as_ref(), versions)?;
        let models = self.models.open();
        let mut group = Group::new(&self.ledgers, &models, now);
        for (message, content) in messages.iter().zip(&contents) {
            match message.kind {
                MessageKind::Frames => group.frames(&message.tail, message.payload, content),
                MessageKind::Status { retained } => group.status(&message.tail, message.payload, retained),
            }
        }
        let collected = group.finish();
        let streams = self.commit(collected)?;
        self.models.trim();
        let committed =
            |state: StreamState| (state.tail, Committed { stream: state.stream, seq: state.committed });
        Ok(streams.into_iter().map(committed).collect())
    }

    /// Stores it all, and says where the streams stand now.
    fn commit(&mut self, collected: Collected) -> Result<Vec<StreamState>, IntakeError> {
        let Collected { batch, summary, complaints } = collected;
        if let Some(archive) = &self.archive
            && batch.windows != self.archived
        {
            archive.append(&batch.windows)?;
        }
        let outcome = match self.tables.commit(&batch) {
            Ok(outcome) => outcome,
            Err(error) => {
                self.archived = batch.windows;
                return Err(error.into());
            }
        };
        self.archived = Vec::new();
        // Not before: an attempt that fails is repeated with all of it.
        complaints.log();
        for state in &outcome.streams {
            self.ledgers.insert((state.tail.clone(), state.stream), Ledger::restore(state));
        }
        self.summary.add(&summary);
        self.summary.windows += outcome.windows;
        self.summary.rows += outcome.rows;
        self.summary.anomalies += outcome.anomalies;
        self.summary.outdated += outcome.outdated;
        self.summary.set_aside_dropped += outcome.set_aside_dropped;
        Ok(outcome.streams)
    }

    /// Whether it is time for [`Self::recover`] again.
    pub fn recovery_is_due(&self) -> bool {
        self.looked.is_none_or(|last| last.elapsed() >= RECOVER_EVERY)
    }

    /// Tries frames again whose model was not known when they came. Asks the tables in any case.
    pub fn recover(&mut self, now: UnixSeconds) -> Result<(), IntakeError> {
        self.looked = Some(Instant::now());
        for version in self.tables.awaited_models()? {
            self.models.load(self.tables.as_ref(), [version])?;
            loop {
                let models = self.models.open();
                if !models.contains_key(&version) {
                    break;
                }
                let waiting = self.tables.awaiting_model(version, RECOVER_AT_ONCE)?;
                if waiting.is_empty() {
                    break;
                }
                let mut group = Group::new(&self.ledgers, &models, now);
                waiting.iter().for_each(|item| group.recover(item));
                let collected = group.finish();
                self.commit(collected)?;
            }
        }
        self.models.trim();
        Ok(())
    }

    /// How many streams there are, how many of them have frames missing, and how many frames those hold back.
    pub fn backlog(&self) -> Backlog {
        let mut backlog = Backlog { streams: self.ledgers.len() as u64, ..Backlog::default() };
        for held_back in self.ledgers.values().map(Ledger::held_back).filter(|frames| *frames > 0) {
            backlog.waiting_streams += 1;
            backlog.held_back_frames += held_back;
        }
        backlog
    }

    /// How far each aircraft's current stream is: the one that moved last.
    pub fn committed(&self) -> Result<Vec<(Tail, Committed)>, IntakeError> {
        let mut newest = BTreeMap::new();
        for state in self.tables.streams()? {
            let committed = Committed { stream: state.stream, seq: state.committed };
            let current = newest.entry(state.tail).or_insert((state.updated, committed));
            if current.0 <= state.updated {
                *current = (state.updated, committed);
            }
        }
        Ok(newest.into_iter().map(|(tail, (_, committed))| (tail, committed)).collect())
    }

    #[cfg(test)]
    pub fn tables(&mut self) -> &mut dyn Tables {
        self.tables.as_mut()
    }
}

#[cfg(test)]
mod tests;
