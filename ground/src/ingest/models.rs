//! The models ingest scores with, as `publish` and `retrain` made them known in the tables.

use std::collections::{BTreeMap, HashMap};

use cabinwatch_shared::model::{BundleError, Limits, Model, ModelVersion, SignedBundle};

use crate::tables::{Tables, TablesError};

/// Most bundles kept in memory; a fleet uses the newest two or three.
const MAX_MODELS: usize = 8;

/// Bundles by version.
#[derive(Debug, Default)]
pub(super) struct Models(BTreeMap<ModelVersion, Vec<u8>>);

impl Models {
    /// Fetches the versions that are not here yet; one that nobody made known stays away.
    pub fn load(
        &mut self,
        tables: &dyn Tables,
        versions: impl IntoIterator<Item = ModelVersion>,
    ) -> Result<(), TablesError> {
        for version in versions {
            if version == ModelVersion(0) || self.0.contains_key(&version) {
                continue;
            }
            if let Some(model) = tables.model(version)? {
                self.0.insert(version, model.bundle);
            }
        }
        Ok(())
    }

    /// Opens all that are here. A bundle that does not open is as good as unknown, and says why in the log.
    pub fn open(&self) -> HashMap<ModelVersion, Model<'_>> {
        let opened = self.0.iter().filter_map(|(version, bundle)| match open(bundle) {
            Ok(model) => Some((*version, model)),
            Err(error) => {
                tracing::error!(version = version.0, %error, "a known model is unusable");
                None
            }
        });
        opened.collect()
    }

    /// Forgets the lowest versions beyond the limit.
    pub fn trim(&mut self) {
        while self.0.len() > MAX_MODELS {
            self.0.pop_first();
        }
    }
}

/// Whom to trust was decided when the bundle was made known; here the signature only shows that it is whole.
fn open(bundle: &[u8]) -> Result<Model<'_>, BundleError> {
    let signed = SignedBundle::parse(bundle, &Limits::GROUND)?;
    let body = signed.verify(&[signed.signer()])?;
    Model::open(body, &Limits::GROUND)
}
