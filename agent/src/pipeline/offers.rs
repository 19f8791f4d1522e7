//! Models that are offered, and those that were in use before a restart.

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::wire::{Frame, ModelOutcome, ModelReport, Rollback, TrialCounts};

use super::OfferedModel;
use super::clock::Clock;
use super::engine::Engine;
use crate::model::{self, Accepted, CheckedModel, ModelMemory, Offer, Refused, Trial};
use crate::store::{Change, Counter, ModelChange, Slot, SlotChange, StoreError};

/// The models in memory. The database says the same at any time.
#[derive(Default)]
pub(super) struct Models {
    /// The one in use.
    pub active: Option<CheckedModel>,
    /// The one before it, as long as the one in use is on trial.
    pub before: Option<CheckedModel>,
    /// What is remembered.
    pub memory: ModelMemory,
}

impl Models {
    /// The version in use; 0 for none.
    pub fn version(&self) -> ModelVersion {
        self.active.as_ref().map_or(ModelVersion(0), CheckedModel::version)
    }
}

impl<C: Clock> Engine<C> {
    /// Judges an offered bundle and acts on it.
    pub(super) fn take_model(&mut self, offered: OfferedModel) -> Result<(), StoreError> {
        let OfferedModel { bundle, on_decided } = offered;
        if self.decide_on(bundle)? {
            on_decided();
        }
        Ok(())
    }

    /// Says whether it is decided: a model that finds no room is not.
    fn decide_on(&mut self, bundle: Vec<u8>) -> Result<bool, StoreError> {
        let Models { active, memory, .. } = &self.models;
        match model::judge(&bundle, &self.settings.demands, memory, active.as_ref(), self.now()) {
            Offer::Activate(Accepted { model, .. }) if !self.store.has_room_for(bundle.len() as u64) => {
                let version = model.version();
                tracing::warn!(
                    "there is no room for model {}; it is taken when it is offered again",
                    version.0
                );
                return Ok(false);
            }
            Offer::Activate(accepted) => self.activate(accepted, bundle)?,
            Offer::AlreadyActive => tracing::debug!("the offered model is the one in use"),
            Offer::Refuse(refused) => self.refuse(&bundle, &refused)?,
        }
        Ok(true)
    }

    /// Takes a model into use, on trial, and with it the hand-overs of its bundle: both or, if the power goes, neither.
    fn activate(&mut self, accepted: Accepted, bundle: Vec<u8>) -> Result<(), StoreError> {
        let Accepted { model, hand_overs } = accepted;
        let version = model.version();
        let handed_over = hand_overs.kept().len().saturating_sub(self.models.memory.hand_overs.kept().len());
        // A model that has not proved itself is nothing to go back to.
        let keep_active = self.models.memory.trial.is_none();
        let memory = ModelMemory {
            highest: self.models.memory.highest.max(version),
            trial: Some(Trial::default()),
            hand_overs,
            ..self.models.memory.clone()
        };
        tracing::info!("model {} is in use from the next window that closes, on trial", version.0);
        if handed_over > 0 {
            tracing::info!("{handed_over} signing keys have handed over to others, and are believed no more");
        }
        self.group.counts().add(Counter::ModelsActivated, 1);
        self.group.counts().add(Counter::KeysHandedOver, handed_over as u64);
        self.state.refused_bundle = None;
        let mut change = self.begin_change();
        let slots = SlotChange::Activate { version, bundle, keep_active };
        change.model = Some(ModelChange { slots, memory: memory.clone() });
        self.push_model_report(&mut change, version, ModelOutcome::Activated);
        self.write_checkpoint(change)?;
        let active = self.models.active.replace(model);
        if keep_active {
            self.models.before = active;
        }
        self.models.memory = memory;
        Ok(())
    }

    /// Reports a refusal once. A broker offers what it keeps at each connection, and one word about it is enough.
    fn refuse(&mut self, bundle: &[u8], refused: &Refused) -> Result<(), StoreError> {
        let fingerprint = model::fingerprint(bundle);
        if self.state.refused_bundle == Some(fingerprint) {
            tracing::debug!("the bundle refused before was offered again: {}", refused.refusal);
            return Ok(());
        }
        tracing::warn!("an offered model was refused: {}", refused.refusal);
        self.group.counts().add(Counter::ModelsRefused, 1);
        self.state.refused_bundle = Some(fingerprint);
        let mut change = self.begin_change();
        self.push_model_report(&mut change, refused.version, refused.refusal.outcome());
        self.write_checkpoint(change)
    }

    /// Checks the models the database holds, in case the flash or the configuration has changed since.
    pub(super) fn load_models(&mut self) -> Result<(), StoreError> {
        self.models = Models { memory: self.store.model_memory()?, ..Models::default() };
        let Some(stored) = self.store.model(Slot::Active)? else { return Ok(()) };
        match model::check_stored(&stored.bundle, &self.settings.demands, &self.models.memory) {
            Ok(active) => {
                self.models.active = Some(active);
                self.load_model_before()
            }
            Err(refused) => self.fall_back(stored.version, &refused),
        }
    }

    /// A model on trial is compared with the one before it.
    fn load_model_before(&mut self) -> Result<(), StoreError> {
        if self.models.memory.trial.is_none() {
            return Ok(());
        }
        match self.checked_previous()? {
            Some(Ok(before)) => self.models.before = Some(before),
            None => {}
            Some(Err(refused)) => {
                tracing::error!(
                    "the model before the one in use is unusable and forgotten: {}",
                    refused.refusal
                );
                // What was counted in comparison with it goes on without; so the trial begins anew.
                self.models.memory.trial = Some(Trial::default());
                let mut change = self.begin_change();
                let memory = self.models.memory.clone();
                change.model = Some(ModelChange { slots: SlotChange::ForgetPrevious, memory });
                self.write(change)?;
            }
        }
        Ok(())
    }

    /// The model in use can be used no more: the one before it takes its place, or none.
    fn fall_back(&mut self, version: ModelVersion, refused: &Refused) -> Result<(), StoreError> {
        self.models.active = self.checked_previous()?.and_then(Result::ok);
        let to = self.models.version();
        tracing::error!(
            "model {}, which was in use, is unusable: {}; {}",
            version.0,
            refused.refusal,
            in_its_place(to)
        );
        let slots = if self.models.active.is_some() { SlotChange::FallBack } else { SlotChange::Clear };
        let trial = self.models.memory.trial.take().map_or_else(TrialCounts::default, |trial| trial.counts);
        self.group.counts().add(Counter::ModelsRolledBack, 1);
        let mut change = self.begin_change();
        change.model = Some(ModelChange { slots, memory: self.models.memory.clone() });
        let outcome = ModelOutcome::RolledBack(Rollback { to, cause: refused.refusal.cause(), trial });
        self.push_model_report(&mut change, version, outcome);
        self.write(change)
    }

    fn checked_previous(&self) -> Result<Option<Result<CheckedModel, Refused>>, StoreError> {
        let stored = self.store.model(Slot::Previous)?;
        Ok(stored
            .map(|stored| model::check_stored(&stored.bundle, &self.settings.demands, &self.models.memory)))
    }

    pub(super) fn push_model_report(
        &self,
        change: &mut Change,
        version: ModelVersion,
        outcome: ModelOutcome,
    ) {
        let at = self.now_seconds();
        self.push_frame(change, &Frame::Model(ModelReport { version, at, outcome }));
    }
}

/// What scores from now on.
pub(super) fn in_its_place(to: ModelVersion) -> String {
    match to {
        ModelVersion(0) => "windows go unscored until another one comes".to_owned(),
        ModelVersion(version) => format!("model {version} is back in its place"),
    }
}
