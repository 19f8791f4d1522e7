//! `cabinwatch-ground model import`: from zscore_stats.csv and FOREST.json to a signed bundle.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cabinwatch_shared::model::{Limits, ModelVersion};
use cabinwatch_shared::time::UnixSeconds;

use super::ModelCommandError;
use crate::commands::read_history::system_now;
use crate::config::Config;
use crate::history::ReadOptions;
use crate::train::BundleSettings;
use crate::train::folder::ModelFolder;
use crate::train::import::{ImportRecord, ImportedForest, ImportedModel, read_forest, read_statistics};

/// Larger than the file of any forest that fits a bundle.
const MAX_FOREST_BYTES: u64 = 2 << 30;

/// Flags of `model import`.
#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    /// zscore_stats.csv, or the folder of part files that Spark made of it
    #[arg(long, value_name = "FILE")]
    pub zscore: PathBuf,
    /// FOREST.json, as deploy/migrate/export_forest.py writes it
    #[arg(long, value_name = "FILE")]
    pub forest: PathBuf,
    /// Folder the bundle goes to; its version is one above that of the bundle there
    #[arg(long, value_name = "DIR")]
    pub model_dir: Option<PathBuf>,
    /// Which aircraft the bundle is for
    #[arg(long, value_name = "NAME")]
    pub cohort: Option<String>,
}

pub(super) fn run(config: &Config, args: &ImportArgs, out: &mut dyn Write) -> Result<(), ModelCommandError> {
    let folder = ModelFolder::of(&config.model)?;
    let window = ReadOptions::from_config(&config.history)?.window;
    let version = folder.next_version()?;
    let model = ImportedModel { statistics: read_statistics(&args.zscore)?, forest: forest(&args.forest)? };
    let (signer, made_now) = folder.signing_pair()?;
    let now = system_now();
    let settings = BundleSettings {
        version,
        created: now,
        valid_days: config.model.valid_days,
        cohort: config.model.cohort.as_str(),
        z_threshold: config.detect.z_threshold,
    };
    let bundle = model.bundle(window, &settings, &signer)?;
    let record = record(&model, args, version, now);
    folder.write_imported(&model, &record, &bundle, signer.public())?;
    if made_now {
        writeln!(out, "Made a signing key for this folder: {}", folder.key_path().display())?;
    }
    print(&model, &record, out)?;
    if bundle.len() > Limits::AGENT.bundle_bytes || record.catalogue_keys > Limits::AGENT.keys as usize {
        writeln!(
            out,
            "The bundle has {} bytes: agents take {} and {} fault keys, so they refuse it; `detect` takes it.",
            bundle.len(),
            Limits::AGENT.bundle_bytes,
            Limits::AGENT.keys
        )?;
    }
    writeln!(out, "Model {} is in {}", version.0, folder.bundle_path().display())?;
    Ok(())
}

fn forest(path: &Path) -> Result<ImportedForest, ModelCommandError> {
    let failed = |source| ModelCommandError::ReadForest { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.len() > MAX_FOREST_BYTES {
        return Err(failed(io::Error::other(format!("it is larger than {} MiB", MAX_FOREST_BYTES >> 20))));
    }
    let json = fs::read(path).map_err(failed)?;
    let forest =
        read_forest(&json).map_err(|source| ModelCommandError::Forest { path: path.to_owned(), source })?;
    match forest.parts.shape.features {
        1 => Ok(forest),
        features => Err(ModelCommandError::Features { path: path.to_owned(), features }),
    }
}

fn record(model: &ImportedModel, args: &ImportArgs, version: ModelVersion, now: UnixSeconds) -> ImportRecord {
    let name =
        |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    ImportRecord {
        model_version: version,
        imported: now,
        statistics_file: name(&args.zscore),
        fault_keys: model.statistics.len(),
        catalogue_keys: model.catalogue().len(),
        forest_file: name(&args.forest),
        scikit_learn: model.forest.scikit_learn.clone(),
        compared_rates: model.forest.compared,
    }
}

fn print(model: &ImportedModel, record: &ImportRecord, out: &mut dyn Write) -> io::Result<()> {
    let without_deviation =
        model.statistics.iter().filter(|row| row.statistics.std_rate.is_none_or(|rate| rate == 0.0)).count();
    writeln!(
        out,
        "Statistics: {} fault keys of {}, {without_deviation} of them without a deviation to score with.",
        record.fault_keys, record.statistics_file
    )?;
    let ambiguous = model.statistics.iter().filter(|row| row.keys.len() > 1).count();
    if ambiguous > 0 {
        writeln!(
            out,
            "  {ambiguous} hold ` | ` more than once: each counts for every point it may mean, {} keys in all.",
            record.catalogue_keys
        )?;
    }
    let shape = model.forest.parts.shape;
    writeln!(
        out,
        "Forest: {} trees of {} rows of {} (scikit-learn {}), offset {}; score and verdict are the same at all {} \
         rates compared.",
        shape.trees,
        shape.max_samples,
        record.forest_file,
        record.scikit_learn,
        model.forest.offset,
        record.compared_rates
    )
}
