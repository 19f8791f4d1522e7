//! Trains the scorer on a CSV of telemetry.

mod csv;
#[cfg(test)]
mod tests;

pub use csv::{CsvError, Dropped, Missing, TrainingSet, read_csv};

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cabinwatch_shared::forest::AUTO_OFFSET;
use cabinwatch_shared::time::UnixSeconds;
use rayon::prelude::*;
use serde::Serialize;

use super::features::{FEATURES, Feature, Features, Scaling};
use super::model::{DecodeError, MODEL_FILE, encode};
use super::scorer::Scorer;
use crate::durable;
use crate::train::{ForestSettings, TrainError, TrainingRows, grow_forest};

/// As today's scorer is trained; not a matter of `[retrain]`, which is for the fault pipeline.
const TREES: usize = 100;
const MAX_SAMPLES: usize = 256;
const SEED: u64 = 42;

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// Nothing to train on.
    #[error("no row is left to train on: {0}")]
    NoRows(Dropped),
    /// Numbers beyond all telemetry.
    #[error("the values of `{0}` are too large to standardise: the sum of their squares leaves 128 bits")]
    TooLarge(&'static str),
    /// The forest.
    #[error(transparent)]
    Forest(#[from] TrainError),
    /// The model would not open.
    #[error("the trained model is unusable: {0}")]
    Decode(#[from] DecodeError),
    /// The model does not encode.
    #[error("cannot encode the model: {0}")]
    Encode(#[from] postcard::Error),
    /// The model folder.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A trained model that is not yet in a folder.
#[derive(Clone, Debug)]
pub struct Trained {
    file: Vec<u8>,
    /// What it was trained on, and how it does on that.
    pub summary: Summary,
}

/// What a model was trained on, and how it does on its own training rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The checksum by which it is known.
    pub model: String,
    /// Rows it was trained on.
    pub rows: u64,
    /// Rows that were dropped.
    pub dropped: Dropped,
    /// How numbers are standardised.
    pub scaling: Vec<FeatureScaling>,
    /// The protocols, by their index.
    pub protocols: Vec<String>,
    /// Trees.
    pub trees: usize,
    /// Rows each tree was grown from.
    pub max_samples: usize,
    /// A score below this is an anomaly.
    pub offset: f64,
    /// Training rows that are anomalies to the model.
    pub anomalies: u64,
    /// Bytes of the model file.
    pub model_bytes: usize,
}

/// How a number is standardised.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureScaling {
    /// The field.
    pub feature: &'static str,
    /// Mean and standard deviation.
    #[serde(flatten)]
    pub scaling: Scaling,
}

/// Trains on all rows.
///
/// # Errors
/// When there is no row, or a forest cannot be grown.
pub fn train(data: &TrainingSet, trained: UnixSeconds) -> Result<Trained, TrainingError> {
    if data.rows() == 0 {
        return Err(TrainingError::NoRows(data.dropped()));
    }
    let features = Features { scalings: scalings(data)?, protocols: data.sorted_protocols() };
    let values: Vec<f32> = data.feature_rows(&features).flatten().collect();
    let rows = TrainingRows::new(FEATURES, &values)?;
    let max_samples = rows.len().min(MAX_SAMPLES);
    let settings = ForestSettings { trees: TREES, max_samples, random_state: SEED };
    let forest = grow_forest(&rows, &settings)?;
    let file = encode(trained, data.rows(), &features, AUTO_OFFSET, &forest)?;
    let scorer = Scorer::from_bytes(&file)?;
    let (rows, _) = values.as_chunks::<FEATURES>();
    let anomalies = rows.par_iter().filter(|row| scorer.score_row(**row).is_anomaly()).count() as u64;
    let summary = Summary {
        model: scorer.id().to_string(),
        rows: data.rows(),
        dropped: data.dropped(),
        scaling: named(features.scalings),
        protocols: scorer.protocols().map(str::to_owned).collect(),
        trees: TREES,
        max_samples,
        offset: AUTO_OFFSET,
        anomalies,
        model_bytes: file.len(),
    };
    Ok(Trained { file, summary })
}

fn scalings(data: &TrainingSet) -> Result<[Scaling; 3], TrainingError> {
    let [port, sent, received] = data.sums();
    let of = |sums: super::features::Sums, feature: Feature| {
        sums.scaling().ok_or(TrainingError::TooLarge(feature.name()))
    };
    Ok([of(port, Feature::DestPort)?, of(sent, Feature::BytesSent)?, of(received, Feature::BytesRecv)?])
}

fn named(scalings: [Scaling; 3]) -> Vec<FeatureScaling> {
    Feature::ALL
        .into_iter()
        .zip(scalings)
        .map(|(of, scaling)| FeatureScaling { feature: of.name(), scaling })
        .collect()
}

impl Trained {
    /// Puts the model into a folder, in place of the one that is there.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, model_dir: &Path) -> Result<PathBuf, TrainingError> {
        let path = model_dir.join(MODEL_FILE);
        fs::create_dir_all(model_dir)
            .and_then(|()| durable::replace(&path, &self.file))
            .map_err(|source| TrainingError::Write { path: path.clone(), source })?;
        Ok(path)
    }
}
