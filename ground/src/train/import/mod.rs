//! Takes over the model of today's pipeline: the statistics that Spark or pandas wrote, and scikit-learn's forest.

mod csv_dialect;
mod forest;
mod statistics;

pub use forest::{ForestImportError, ImportedForest, read_forest};
pub use statistics::{StatisticsError, StatisticsRow, read_statistics};

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::model::{CatalogueRow, KeyIndex, ModelVersion};
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::window::WindowLength;
use cabinwatch_shared::zscore::KeyStatistics;
use serde::Serialize;

use super::bundle::{BundleError, BundleParts, BundleSettings, evenly_spread, seal};
use super::keys::SigningPair;

/// A model as it was trained elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedModel {
    /// Rows of `zscore_stats.csv`; at least one.
    pub statistics: Vec<StatisticsRow>,
    /// The forest over `fail_rate`.
    pub forest: ImportedForest,
}

/// Where an imported model comes from; `import.json` holds it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImportRecord {
    /// The version it got here.
    pub model_version: ModelVersion,
    /// When it was imported.
    pub imported: UnixSeconds,
    /// The statistics' file or folder.
    pub statistics_file: String,
    /// Rows of it.
    pub fault_keys: usize,
    /// Points and descriptions they stand for: more than rows where a text can be taken apart in several ways.
    pub catalogue_keys: usize,
    /// The forest's file.
    pub forest_file: String,
    /// The scikit-learn release that exported it.
    pub scikit_learn: String,
    /// Rates whose score and verdict were compared with scikit-learn's.
    pub compared_rates: usize,
}

impl ImportedModel {
    /// Makes the signed bundle, for windows of this length.
    ///
    /// # Errors
    /// When a reader would refuse it.
    pub fn bundle(
        &self,
        window: WindowLength,
        settings: &BundleSettings<'_>,
        signer: &SigningPair,
    ) -> Result<Vec<u8>, BundleError> {
        let catalogue = self.catalogue();
        // Nobody knows the training rows any more: keys of the whole catalogue, at rates from 0 to 100 %.
        let rates = evenly_spread(101).map(|percent| percent as u64);
        let counts = rates.map(|fail| Counts { fail, success: 100 - fail });
        let keys = evenly_spread(catalogue.len()).map(|place| KeyIndex(place as u32));
        let golden: Vec<_> = keys.zip(counts).collect();
        let parts = BundleParts {
            catalogue: &catalogue,
            window,
            forest: &self.forest.parts,
            forest_offset: self.forest.offset,
            golden: &golden,
        };
        seal(&parts, settings, signer)
    }

    /// Every pair of point and description, sorted.
    #[must_use]
    pub fn catalogue(&self) -> Vec<CatalogueRow<'_>> {
        let keys = self.statistics.iter().flat_map(|row| row.fault_keys().map(|key| (key, row.statistics)));
        let mut catalogue: Vec<_> = keys.collect();
        catalogue.sort_unstable_by_key(|(key, _)| *key);
        catalogue
    }

    /// The rows as they were printed: a text that stands for several keys once.
    pub fn printed_statistics(&self) -> impl Iterator<Item = (FaultKey<'_>, KeyStatistics)> {
        self.statistics.iter().filter_map(|row| Some((row.fault_keys().next()?, row.statistics)))
    }
}

#[cfg(test)]
mod tests;
