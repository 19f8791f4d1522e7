//! Windows that close: each is scored, and what it says of a model on trial is counted. All of it is written in one
//! transaction, so that no power cut tears a trial from its windows.

use std::vec::IntoIter;

use cabinwatch_shared::model::{Model, ModelVersion};
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{ModelOutcome, Rollback, RollbackCause, TrialCounts, WireError};

use super::clock::Clock;
use super::closing::ClosedWindow;
use super::engine::Engine;
use super::offers::{Models, in_its_place};
use super::windows::OpenWindow;
use crate::model::{CheckedModel, Ending, Trial, TrialRules};
use crate::store::{Counter, SlotChange, WindowRecord};

/// What windows leave behind when they close.
#[derive(Default)]
pub(super) struct Closing {
    /// Their frames.
    pub frames: Vec<Vec<u8>>,
    /// Their rows for the `windows` table.
    pub records: Vec<WindowRecord>,
    /// What becomes of the models; none where nothing is to be written about them.
    pub slots: Option<SlotChange>,
    /// How a trial ended.
    pub outcome: Option<(ModelVersion, ModelOutcome)>,
}

type Windows = IntoIter<(UnixSeconds, OpenWindow)>;

impl<C: Clock> Engine<C> {
    /// Scores windows.
    pub(super) fn score_all(&mut self, windows: Vec<(UnixSeconds, OpenWindow)>) -> Closing {
        let mut closing = Closing::default();
        let mut models = std::mem::take(&mut self.models);
        let before = models.memory.trial;
        let mut windows = windows.into_iter();
        // A trial may end in their midst; the model that stays scores the rest.
        while let Some(ending) = self.score_until_judged(&mut windows, &mut models, &mut closing) {
            self.end_trial(ending, &mut models, &mut closing);
        }
        if closing.slots.is_none() && models.memory.trial != before {
            closing.slots = Some(SlotChange::Keep);
        }
        self.models = models;
        closing
    }

    /// Scores windows until there is none left, or the trial of the model is over.
    fn score_until_judged(
        &mut self,
        windows: &mut Windows,
        models: &mut Models,
        closing: &mut Closing,
    ) -> Option<Ending> {
        let Models { active, before, memory } = models;
        let model = active.as_ref().and_then(CheckedModel::view);
        let before = before.as_ref().and_then(CheckedModel::view);
        let rules = self.settings.demands.trial;
        for (start, window) in windows {
            let window = self.score(start, &window, model.as_ref());
            if window.is_empty() {
                continue;
            }
            if let Err(error) = closing.keep(&window, model.as_ref()) {
                tracing::error!("the window from {} can't be written: {error}", window.start);
            }
            let Some(trial) = &mut memory.trial else { continue };
            count(trial, &window, before.as_ref(), &rules);
            if let Some(ending) = trial.ending(&rules) {
                return Some(ending);
            }
        }
        None
    }

    fn end_trial(&mut self, ending: Ending, models: &mut Models, closing: &mut Closing) {
        let trial = models.memory.trial.take().map_or_else(TrialCounts::default, |trial| trial.counts);
        let version = models.version();
        let outcome = match ending {
            Ending::Passed => {
                tracing::info!("model {} has passed its trial", version.0);
                self.group.counts().add(Counter::ModelTrialsPassed, 1);
                models.before = None;
                closing.slots = Some(SlotChange::Keep);
                ModelOutcome::TrialPassed(trial)
            }
            Ending::TooManyAlarms => {
                self.group.counts().add(Counter::ModelsRolledBack, 1);
                // The broker goes on offering it; nobody needs to hear of it again.
                self.state.refused_bundle = models.active.as_ref().map(CheckedModel::fingerprint);
                models.memory.given_up = models.memory.given_up.max(version);
                models.active = models.before.take();
                closing.slots = Some(SlotChange::FallBack);
                let to = models.version();
                tracing::error!(
                    "model {} is given up: of {} rows in its first {} windows it alarms on {}, and on {} where the model \
                     before it does not; {}",
                    version.0,
                    trial.rows,
                    trial.windows,
                    trial.alarms,
                    trial.new_alarms,
                    in_its_place(to)
                );
                ModelOutcome::RolledBack(Rollback { to, cause: RollbackCause::Alarms, trial })
            }
        };
        closing.outcome = Some((version, outcome));
    }
}

impl Closing {
    fn keep(&mut self, window: &ClosedWindow, model: Option<&Model<'_>>) -> Result<(), WireError> {
        let (frame, record) = (window.to_frame(model)?, window.to_record()?);
        self.frames.push(frame);
        self.records.push(record);
        Ok(())
    }
}

/// Counts a window that the model on trial has scored. What the model before it sees, too, is a fault on the aircraft,
/// not one of the model.
fn count(trial: &mut Trial, window: &ClosedWindow, before: Option<&Model<'_>>, rules: &TrialRules) {
    let alarms = window.rows.iter().filter(|row| row.alarms.any());
    let new_alarms = alarms
        .clone()
        .filter(|row| before.is_none_or(|before| !before.score(row.key(), row.counts).alarms.any()));
    // A window has 257 rows at most.
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    trial.count(number(window.rows.len()), number(alarms.count()), number(new_alarms.count()), rules);
}
