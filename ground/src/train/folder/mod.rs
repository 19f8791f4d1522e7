//! The model folder: `model.cwm`, `zscore_stats.csv`, `evaluation.json` or `import.json`, the key the bundle is signed
//! with and those it was signed with before, and under `promoted` what was signed again for other aircraft.

mod error;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::model::{Cohort, Limits, Model, ModelVersion, PublicKey, SignedBundle};
use cabinwatch_shared::zscore::KeyStatistics;
pub use error::FolderError;
use serde::Serialize;

use super::hand_overs::{HAND_OVERS_FILE, HandOvers};
use super::import::{ImportRecord, ImportedModel};
use super::keys::{SigningPair, public_hex, public_path, read_public};
use super::{Evaluation, Training, reseal, stats_csv};
use crate::config::ModelConfig;
use crate::durable;
use crate::history::Aggregates;

/// The signed bundle.
pub const BUNDLE_FILE: &str = "model.cwm";
/// Statistics of every fault key.
pub const STATISTICS_FILE: &str = "zscore_stats.csv";
/// How the model does on its own training rows.
pub const EVALUATION_FILE: &str = "evaluation.json";
/// Where an imported model comes from.
pub const IMPORT_FILE: &str = "import.json";
/// Folder of the bundles that were signed again for other aircraft, one for each cohort.
pub const PROMOTED_FOLDER: &str = "promoted";
/// The folder's own private key.
pub const KEY_FILE: &str = "signing.key";

/// A model folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFolder {
    dir: PathBuf,
    /// A key that lies elsewhere.
    signing_key: Option<PathBuf>,
}

impl ModelFolder {
    /// The folder of the configuration; it need not be there yet.
    ///
    /// # Errors
    /// When none is given.
    pub fn of(config: &ModelConfig) -> Result<Self, FolderError> {
        if config.dir.as_os_str().is_empty() {
            return Err(FolderError::NoFolder);
        }
        let signing_key = Some(&config.signing_key).filter(|path| !path.as_os_str().is_empty()).cloned();
        Ok(Self { dir: config.dir.clone(), signing_key })
    }

    /// Where the bundle lies.
    #[must_use]
    pub fn bundle_path(&self) -> PathBuf {
        self.dir.join(BUNDLE_FILE)
    }

    /// Where the private key lies.
    #[must_use]
    pub fn key_path(&self) -> PathBuf {
        self.signing_key.clone().unwrap_or_else(|| self.dir.join(KEY_FILE))
    }

    /// The key to sign with. A folder without one gets its own, unless another is configured; the second value says
    /// whether it was made now.
    ///
    /// # Errors
    /// When the key, or the folder, cannot be read or made.
    pub fn signing_pair(&self) -> Result<(SigningPair, bool), FolderError> {
        let path = self.key_path();
        if self.signing_key.is_some() || path.exists() {
            let pair = SigningPair::read(&path)?;
            let line = self.hand_overs()?.line_to(pair.public())?;
            return Ok((pair.with_line(line), false));
        }
        make_folder(&self.dir)?;
        Ok((SigningPair::create(&path)?, true))
    }

    /// How keys handed over in this folder.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn hand_overs(&self) -> Result<HandOvers, FolderError> {
        Ok(HandOvers::read(&self.dir.join(HAND_OVERS_FILE))?)
    }

    /// Lets the signing key hand over to another, and signs the bundle with that one, under the next version. The word of
    /// the old key comes first: from then on it signs nothing more.
    ///
    /// # Errors
    /// When a key or the bundle cannot be read, or the new key may not be used.
    pub fn hand_over_to(&self, new: SigningPair) -> Result<(Vec<u8>, ModelVersion), FolderError> {
        let _lock = self.lock()?;
        let (old, _) = self.signing_pair()?;
        let (bundle, version) = (self.read_bundle()?, self.next_version()?);
        let mut hand_overs = self.hand_overs()?;
        hand_overs.hand_over(&old, new.public())?;
        let line = hand_overs.line_to(new.public())?;
        let (public, signer) = (old.public(), new.with_line(line));
        let resealed = reseal(&bundle, &[public], version, None, &signer)
            .map_err(|source| FolderError::Reseal { path: self.bundle_path(), source })?;
        write_whole(&self.dir.join(HAND_OVERS_FILE), hand_overs.to_text().as_bytes())?;
        self.renumber_origin(version)?;
        write_whole(
            &public_path(&self.dir.join(KEY_FILE)),
            format!("{}\n", public_hex(signer.public())).as_bytes(),
        )?;
        write_whole(&self.bundle_path(), &resealed)?;
        Ok((resealed, version))
    }

    /// What the file beside the bundle says holds for the same model under its new version, too.
    fn renumber_origin(&self, version: ModelVersion) -> Result<(), FolderError> {
        for file in [IMPORT_FILE, EVALUATION_FILE] {
            let Ok(bytes) = fs::read(self.dir.join(file)) else { continue };
            let encode = |error: serde_json::Error| FolderError::Encode { file, reason: error.to_string() };
            let mut origin: serde_json::Value = serde_json::from_slice(&bytes).map_err(encode)?;
            if let Some(number) = origin.get_mut("model_version") {
                *number = version.0.into();
            }
            let mut text = serde_json::to_vec_pretty(&origin).map_err(encode)?;
            text.push(b'\n');
            write_whole(&self.dir.join(file), &text)?;
        }
        Ok(())
    }

    /// Where the bundle lies that was last signed again for a cohort.
    #[must_use]
    pub fn promoted_path(&self, cohort: &Cohort) -> PathBuf {
        self.dir.join(PROMOTED_FOLDER).join(cohort.as_str()).with_added_extension("cwm")
    }

    /// Puts a bundle there that was signed again for a cohort.
    ///
    /// # Errors
    /// When it cannot be written, or another process has given its version out since [`Self::next_version`].
    pub fn write_promoted(
        &self,
        cohort: &Cohort,
        version: ModelVersion,
        bundle: &[u8],
    ) -> Result<(), FolderError> {
        let _lock = self.lock()?;
        // It may be above the next one: the tables can know of versions that this folder does not.
        if self.next_version()? > version {
            return Err(self.overtaken(version));
        }
        make_folder(&self.dir.join(PROMOTED_FOLDER))?;
        write_whole(&self.promoted_path(cohort), bundle)
    }

    /// The key a bundle of this folder must be signed with.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn trusted(&self) -> Result<PublicKey, FolderError> {
        Ok(read_public(&public_path(&self.key_path()))?)
    }

    /// That key and those that handed over to it, for what they signed in their time.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn trusted_line(&self) -> Result<Vec<PublicKey>, FolderError> {
        let present = self.trusted()?;
        let line = self.hand_overs()?.line_to(present)?;
        Ok(line.iter().map(|step| step.from).chain([present]).collect())
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The bundle's bytes.
    ///
    /// # Errors
    /// When there is none or it cannot be read.
    pub fn read_bundle(&self) -> Result<Vec<u8>, FolderError> {
        let path = self.bundle_path();
        fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => FolderError::NoModel(self.dir.clone()),
            _ => FolderError::Read { path, source },
        })
    }

    /// Opens a bundle of this folder that one of the trusted keys signed.
    ///
    /// # Errors
    /// When it is damaged or of another signer.
    pub fn open_model<'a>(&self, bundle: &'a [u8], trusted: &[PublicKey]) -> Result<Model<'a>, FolderError> {
        let opened = SignedBundle::parse(bundle, &Limits::GROUND)
            .and_then(|signed| signed.verify(trusted))
            .and_then(|body| Model::open(body, &Limits::GROUND));
        opened.map_err(|source| FolderError::Bundle { path: self.bundle_path(), source })
    }

    /// The version for the next bundle: one above those that are there.
    ///
    /// # Errors
    /// When the one that is there is damaged: then nobody knows which versions agents have seen.
    pub fn next_version(&self) -> Result<ModelVersion, FolderError> {
        let mut highest = ModelVersion(0);
        for path in std::iter::once(self.bundle_path()).chain(self.promoted()?) {
            match fs::read(&path) {
                Ok(bundle) => highest = highest.max(version_of(&path, &bundle)?),
                Err(source) if source.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(FolderError::Read { path, source }),
            }
        }
        highest.0.checked_add(1).map(ModelVersion).ok_or_else(|| FolderError::LastVersion(self.dir.clone()))
    }

    /// The bundles that were signed again.
    fn promoted(&self) -> Result<Vec<PathBuf>, FolderError> {
        let folder = self.dir.join(PROMOTED_FOLDER);
        let failed = |source| FolderError::Read { path: folder.clone(), source };
        let entries = match fs::read_dir(&folder) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
        Ok(paths
            .map_err(failed)?
            .into_iter()
            .filter(|path| path.extension().is_some_and(|is| is == "cwm"))
            .collect())
    }

    /// Puts what training made into the folder, each file as a whole, the bundle last.
    ///
    /// # Errors
    /// When a file cannot be written, or another process has put a model there since [`Self::next_version`].
    pub fn write(
        &self,
        aggregates: &Aggregates,
        training: &Training,
        evaluation: &Evaluation,
        bundle: &[u8],
        signer: PublicKey,
    ) -> Result<(), FolderError> {
        let statistics = aggregates.keys().zip(training.statistics.iter().copied());
        self.put(evaluation.model_version, statistics, (EVALUATION_FILE, evaluation), bundle, signer)
    }

    /// Puts what was imported into the folder, each file as a whole, the bundle last.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_imported(
        &self,
        model: &ImportedModel,
        record: &ImportRecord,
        bundle: &[u8],
        signer: PublicKey,
    ) -> Result<(), FolderError> {
        self.put(record.model_version, model.printed_statistics(), (IMPORT_FILE, record), bundle, signer)
    }

    /// What the files beside the bundle say about where a model comes from.
    #[must_use]
    pub fn origin(&self, version: ModelVersion) -> Option<Origin> {
        let read = |file: &str| {
            let json: serde_json::Value =
                serde_json::from_slice(&fs::read(self.dir.join(file)).ok()?).ok()?;
            // A file that another version left says nothing about this one.
            (json.get("model_version")?.as_u64()? == u64::from(version.0)).then_some(json)
        };
        read(IMPORT_FILE).map(Origin::Imported).or_else(|| read(EVALUATION_FILE).map(Origin::Trained))
    }

    fn put<'a>(
        &self,
        version: ModelVersion,
        statistics: impl Iterator<Item = (FaultKey<'a>, KeyStatistics)>,
        (origin_file, origin): (&'static str, &impl Serialize),
        bundle: &[u8],
        signer: PublicKey,
    ) -> Result<(), FolderError> {
        let statistics = stats_csv::write(statistics)
            .map_err(|error| FolderError::Encode { file: STATISTICS_FILE, reason: error.to_string() })?;
        let mut origin = serde_json::to_vec_pretty(origin)
            .map_err(|error| FolderError::Encode { file: origin_file, reason: error.to_string() })?;
        origin.push(b'\n');
        let _lock = self.lock()?;
        // Two models of one version would be told apart by nobody: neither by aircraft nor by the tables.
        if self.next_version()? != version {
            return Err(self.overtaken(version));
        }
        write_whole(&self.dir.join(STATISTICS_FILE), &statistics)?;
        write_whole(&self.dir.join(origin_file), &origin)?;
        // A key that lies elsewhere leaves its public half here, so that the folder can be checked by itself.
        write_whole(&public_path(&self.dir.join(KEY_FILE)), format!("{}\n", public_hex(signer)).as_bytes())?;
        write_whole(&self.bundle_path(), bundle)?;
        // The other origin's file is about a model that is no longer here.
        let other = if origin_file == IMPORT_FILE { EVALUATION_FILE } else { IMPORT_FILE };
        remove(&self.dir.join(other))
    }

    fn overtaken(&self, version: ModelVersion) -> FolderError {
        FolderError::Overtaken { dir: self.dir.clone(), version }
    }

    /// Makes the folder, and keeps other processes from putting a model there until the file is closed.
    fn lock(&self) -> Result<File, FolderError> {
        make_folder(&self.dir)?;
        let locked = File::open(&self.dir).and_then(|dir| dir.lock().map(|()| dir));
        let locked = locked.map_err(|source| FolderError::Write { path: self.dir.clone(), source })?;
        // Whoever writes here holds the lock, so nobody is at work on what is unfinished now.
        for folder in [self.dir.clone(), self.dir.join(PROMOTED_FOLDER)] {
            durable::sweep(&folder, Duration::ZERO, SystemTime::now())
                .map_err(|source| FolderError::Write { path: folder, source })?;
        }
        Ok(locked)
    }
}

/// Where a model comes from, as the file beside its bundle says.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// `retrain` made it: the content of `evaluation.json`.
    Trained(serde_json::Value),
    /// `model import` made it: the content of `import.json`.
    Imported(serde_json::Value),
}

/// The version of a bundle, whoever signed it: a new key must not start the versions over.
fn version_of(path: &Path, bundle: &[u8]) -> Result<ModelVersion, FolderError> {
    let damaged = |source| FolderError::Bundle { path: path.to_owned(), source };
    let signed = SignedBundle::parse(bundle, &Limits::GROUND).map_err(damaged)?;
    let body = signed.verify(&[signed.signer()]).map_err(damaged)?;
    Ok(Model::open(body, &Limits::GROUND).map_err(damaged)?.header().version)
}

fn make_folder(dir: &Path) -> Result<(), FolderError> {
    fs::create_dir_all(dir).map_err(|source| FolderError::Write { path: dir.to_owned(), source })
}

fn remove(path: &Path) -> Result<(), FolderError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(FolderError::Write { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    durable::replace(path, bytes).map_err(|source| FolderError::Write { path: path.to_owned(), source })
}
