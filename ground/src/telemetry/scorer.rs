//! Scores events.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use cabinwatch_shared::time::UnixSeconds;

use super::Event;
use super::features::{FEATURES, Feature};
use super::model::{DecodeError, MAX_MODEL_BYTES, MODEL_FILE, Model, ModelId, decode};

/// `decision_function` of an event: its score above the model's offset. Negative for an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct DecisionScore(pub f64);

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// None yet.
    #[error(
        "there is no telemetry model in {}: {MODEL_FILE} is missing; `cabinwatch-ground retrain --telemetry FILE.csv` makes it",
        .0.display()
    )]
    NoModel(PathBuf),
    /// Cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Too large to be one.
    #[error("{} is larger than a model can be ({MAX_MODEL_BYTES} bytes)", .0.display())]
    TooLarge(PathBuf),
    /// Damaged.
    #[error("{} cannot be used: {source}; train it anew", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: DecodeError,
    },
}

/// A model in memory. Scoring takes no lock and no memory.
#[derive(Clone, Debug)]
pub struct Scorer {
    model: Model,
}

/// What the model says of an event.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    model: &'a Model,
    row: [f32; FEATURES],
    /// How far from an anomaly it is.
    pub decision: DecisionScore,
}

impl Scorer {
    /// Opens the model of a folder.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(model_dir: &Path) -> Result<Self, ModelError> {
        let path = model_dir.join(MODEL_FILE);
        let failed = |source| ModelError::Read { path: path.clone(), source };
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ModelError::NoModel(model_dir.to_owned()));
            }
            file => file.map_err(failed)?,
        };
        let mut bytes = Vec::new();
        let read = file.take(MAX_MODEL_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if read as u64 > MAX_MODEL_BYTES {
            return Err(ModelError::TooLarge(path));
        }
        Self::from_bytes(&bytes).map_err(|source| ModelError::Decode { path, source })
    }

    /// Opens a model file's content.
    ///
    /// # Errors
    /// Says what about it is no model.
    pub fn from_bytes(file: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self { model: decode(file)? })
    }

    /// Scores an event.
    #[must_use]
    pub fn score(&self, event: &Event<'_>) -> Scored<'_> {
        self.score_row(self.model.features.row(event))
    }

    pub(super) fn score_row(&self, row: [f32; FEATURES]) -> Scored<'_> {
        let decision = DecisionScore(self.model.forest.forest().score(&row).0 - self.model.offset);
        Scored { model: &self.model, row, decision }
    }

    /// Which model it is.
    #[must_use]
    pub const fn id(&self) -> ModelId {
        self.model.id
    }

    /// When it was trained.
    #[must_use]
    pub const fn trained(&self) -> UnixSeconds {
        self.model.trained
    }

    /// On how many rows it was trained.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.model.rows
    }

    /// The protocols it knows, sorted.
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        self.model.features.protocols.iter().map(AsRef::as_ref)
    }
}

impl Scored<'_> {
    /// Whether it is an anomaly, as `predict` = -1.
    #[must_use]
    pub fn is_anomaly(&self) -> bool {
        self.decision.0 < 0.0
    }

    /// What each feature had to do with it: positive shares push towards "anomaly". Together they are 0 for an average
    /// event and near 1 for one that every tree isolates at once.
    #[must_use]
    pub fn contributions(&self) -> [(Feature, f64); FEATURES] {
        let shares = self.model.forest.forest().contributions(&self.row);
        let mut named = Feature::ALL.map(|feature| (feature, 0.0));
        named.iter_mut().zip(shares).for_each(|((_, share), computed)| *share = computed);
        named
    }

    /// The row as the forest saw it.
    #[must_use]
    pub const fn features(&self) -> [f32; FEATURES] {
        self.row
    }
}
