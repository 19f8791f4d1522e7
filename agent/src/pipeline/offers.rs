//! Models that are offered, and the one that was in use before a restart.

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::wire::{Frame, ModelOutcome, ModelReport};

use super::clock::Clock;
use super::engine::Engine;
use crate::model::{self, CheckedModel, Offer, Refused};
use crate::store::{Change, Counter, ModelChange, StoreError};

impl<C: Clock> Engine<C> {
    /// Judges an offered bundle and acts on it.
    pub(super) fn take_model(&mut self, bundle: Vec<u8>) -> Result<(), StoreError> {
        match model::judge(&bundle, &self.settings.demands, self.model.as_ref(), self.now()) {
            Offer::Activate(checked) => self.activate(checked, bundle),
            Offer::AlreadyActive => {
                tracing::debug!("the offered model is the one in use");
                Ok(())
            }
            Offer::Refuse(refused) => self.refuse(&bundle, &refused),
        }
    }

    fn activate(&mut self, checked: CheckedModel, bundle: Vec<u8>) -> Result<(), StoreError> {
        let version = checked.version();
        tracing::info!("model {} is in use from the next window that closes", version.0);
        self.group.counts().add(Counter::ModelsActivated, 1);
        self.state.refused_bundle = None;
        let mut change = self.begin_change();
        change.model = Some(ModelChange::Activate { version, bundle });
        self.push_model_report(&mut change, version, ModelOutcome::Activated);
        self.write_checkpoint(change)?;
        self.model = Some(checked);
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

    /// Checks the model the database holds as if it were offered now; only its expiry and version no longer matter.
    pub(super) fn load_model(&mut self) -> Result<(), StoreError> {
        let Some((version, bundle)) = self.store.model()? else { return Ok(()) };
        match model::check(&bundle, &self.settings.demands, ModelVersion(0), None) {
            Ok(checked) => self.model = Some(checked),
            Err(refused) => {
                tracing::error!(
                    "model {}, which was in use, is dropped: {}; windows go unscored until another one comes",
                    version.0,
                    refused.refusal
                );
                self.group.counts().add(Counter::ModelsRefused, 1);
                let mut change = self.begin_change();
                change.model = Some(ModelChange::Drop);
                self.push_model_report(&mut change, version, refused.refusal.outcome());
                self.write(&change)?;
            }
        }
        Ok(())
    }

    fn push_model_report(&self, change: &mut Change, version: ModelVersion, outcome: ModelOutcome) {
        let at = self.now_seconds();
        self.push_frame(change, &Frame::Model(ModelReport { version, at, outcome }));
    }
}
