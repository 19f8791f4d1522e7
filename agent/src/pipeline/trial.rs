//! Windows that close: each is scored, and what it says of a model on trial is counted. All of it is written in one
//! transaction, so that no power cut tears a trial from its windows.

use std::vec::IntoIter;

use cabinwatch_shared::model::{Model, ModelVersion};
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::Alarms;
use cabinwatch_shared::wire::{ModelOutcome, Rollback, RollbackCause, TrialCounts, WireError};

use super::clock::Clock;
use super::closing::ClosedWindow;
use super::engine::Engine;
use super::offers::{Models, in_its_place};
use super::windows::OpenWindow;
use crate::model::{CheckedModel, Ending};
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
        let rule = self.settings.demands.trial.rule(before.is_some());
        for (start, window) in windows {
            let window = self.score(start, &window, model.as_ref());
            if window.is_empty() {
                continue;
            }
            if let Err(error) = closing.keep(&window, model.as_ref()) {
                tracing::error!("the window from {} can't be written: {error}", window.start);
            }
            let Some(trial) = &mut memory.trial else { continue };
            trial.count(seen(&window, before.as_ref()), &rule);
            if let Some(ending) = trial.ending(&rule) {
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
                    "model {} is given up: in its first {} windows {} of {} verdicts are alarms that are none with \
                     the model before it; {}",
                    version.0,
                    trial.windows,
                    trial.new_alarms,
                    trial.quiet,
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

/// What a window shows of the model that has scored it, beside the model before it. What that one alarms on, too, is a
/// fault on the aircraft and says nothing of either.
fn seen(window: &ClosedWindow, before: Option<&Model<'_>>) -> TrialCounts {
    let mut counts = TrialCounts { windows: u32::from(!window.rows.is_empty()), ..TrialCounts::default() };
    for row in &window.rows {
        let known = before.map_or(Alarms::default(), |before| before.score(row.key(), row.counts).alarms);
        counts.rows += 1;
        for (alarm, known) in [(row.alarms.z, known.z), (row.alarms.forest, known.forest)] {
            counts.alarms += u32::from(alarm);
            counts.quiet += u32::from(!known);
            counts.new_alarms += u32::from(alarm && !known);
        }
    }
    counts
}
