//! `model`: the model in use, or whether this agent would take a bundle.

use std::io::Write;
use std::path::Path;

use cabinwatch_shared::model::{Model, ModelVersion};
use serde::Serialize;

use super::CommandError;
use crate::config::Config;
use crate::model;
use crate::pipeline::Settings;
use crate::pipeline::clock::{Clock, SystemClock};
use crate::store::Reader;

/// What a bundle says of itself. Instants are RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Description {
    /// Its version.
    pub version: u32,
    /// When it was trained.
    pub created: String,
    /// From when on no agent takes it.
    pub expires: String,
    /// Which aircraft it is for.
    pub cohort: String,
    /// The window length it was trained for.
    pub window_seconds: u32,
    /// Fault keys it knows.
    pub fault_keys: usize,
    /// Trees of its forest.
    pub trees: u16,
    /// A z score above this is an anomaly.
    pub z_threshold: f64,
    /// A forest score below this is an anomaly.
    pub forest_offset: f64,
    /// Since when it is in use; none for a bundle that is only looked at.
    pub activated: Option<String>,
}

impl Description {
    fn of(model: &Model<'_>, activated: Option<String>) -> Self {
        let header = model.header();
        Self {
            version: header.version.0,
            created: header.created.to_string(),
            expires: header.expires.to_string(),
            cohort: header.cohort.to_owned(),
            window_seconds: header.window_seconds,
            fault_keys: model.catalogue().len(),
            trees: header.forest.trees,
            z_threshold: header.z_threshold,
            forest_offset: header.forest_offset,
            activated,
        }
    }
}

/// Describes the model in use; none if there is none.
///
/// # Errors
/// When the database can't be read, or the model in it would be dropped at the next start.
pub fn in_use(config: &Config, settings: &Settings) -> Result<Option<Description>, CommandError> {
    let path = &config.store.path;
    let stored = Reader::open(path).and_then(|reader| reader.model());
    let Some(stored) = stored.map_err(|source| CommandError::store(path, source))? else { return Ok(None) };
    let checked = model::check(&stored.bundle, &settings.demands, ModelVersion(0), None)
        .map_err(|refused| CommandError::Model { path: path.clone(), refusal: refused.refusal })?;
    Ok(checked.view().map(|model| Description::of(&model, Some(stored.activated.to_string()))))
}

/// Checks a bundle as if it were offered now to an agent without a model.
///
/// # Errors
/// When the file can't be read, or the agent would refuse it.
pub fn check(settings: &Settings, file: &Path) -> Result<Option<Description>, CommandError> {
    let bundle =
        std::fs::read(file).map_err(|source| CommandError::Input { path: file.to_owned(), source })?;
    let checked = model::check(&bundle, &settings.demands, ModelVersion(0), Some(SystemClock.wall()))
        .map_err(|refused| CommandError::Model { path: file.to_owned(), refusal: refused.refusal })?;
    Ok(checked.view().map(|model| Description::of(&model, None)))
}

/// Prints a description.
///
/// # Errors
/// When the output can't be written.
pub fn print(
    description: Option<&Description>,
    json: bool,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    if json {
        serde_json::to_writer_pretty(&mut *out, &description)?;
        writeln!(out)?;
        return Ok(());
    }
    let Some(model) = description else {
        writeln!(out, "no model is in use: windows are counted, not scored")?;
        return Ok(());
    };
    writeln!(out, "version      {}", model.version)?;
    if let Some(activated) = &model.activated {
        writeln!(out, "in use since {activated}")?;
    }
    writeln!(out, "trained      {}", model.created)?;
    writeln!(out, "expires      {}", model.expires)?;
    writeln!(out, "cohort       {}", model.cohort)?;
    writeln!(out, "windows      {} s", model.window_seconds)?;
    writeln!(out, "fault keys   {}", model.fault_keys)?;
    writeln!(out, "forest       {} trees, anomaly below {}", model.trees, model.forest_offset)?;
    writeln!(out, "z score      anomaly above {}", model.z_threshold)?;
    Ok(())
}
