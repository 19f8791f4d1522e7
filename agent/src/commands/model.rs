//! `model`: the model in use, or whether this agent would take a bundle.

use std::io::Write;
use std::path::Path;

use cabinwatch_shared::model::{Model, ModelVersion, PublicKey};
use serde::Serialize;

use super::CommandError;
use crate::config::Config;
use crate::model::{self, ModelMemory, TrialRules};
use crate::pipeline::Settings;
use crate::pipeline::clock::{Clock, SystemClock};
use crate::store::{Reader, Slot, StoreError};

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
    /// How it is in use; none for a bundle that is only looked at.
    #[serde(flatten)]
    pub in_use: Option<InUse>,
}

/// How a model is in use.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InUse {
    /// Since when.
    pub activated: String,
    /// Its trial; none once it has passed.
    pub trial: Option<TrialView>,
    /// The model that takes its place if it fails; none if there is none.
    pub previous: Option<u32>,
    /// The highest version that alarmed too often, and is not taken again.
    pub given_up: Option<u32>,
    /// The public keys that are believed now, in hexadecimal digits.
    pub believed_keys: Vec<String>,
}

/// How far a trial has come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TrialView {
    /// Windows counted.
    pub windows: u32,
    /// Windows it takes at least.
    pub of_windows: u32,
    /// Rows counted.
    pub rows: u32,
    /// Verdicts that are alarms; each row has two.
    pub alarms: u32,
    /// Verdicts that are no alarm with the model before; all of them where there is none.
    pub quiet: u32,
    /// Those among them that are alarms now.
    pub new_alarms: u32,
}

impl TrialView {
    /// Of what is remembered; none where no model is on trial.
    #[must_use]
    pub fn of(memory: &ModelMemory, rules: &TrialRules) -> Option<Self> {
        let counts = memory.trial?.counts;
        Some(Self {
            windows: counts.windows,
            of_windows: rules.windows,
            rows: counts.rows,
            alarms: counts.alarms,
            quiet: counts.quiet,
            new_alarms: counts.new_alarms,
        })
    }
}

impl Description {
    fn of(model: &Model<'_>, in_use: Option<InUse>) -> Self {
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
            in_use,
        }
    }
}

impl InUse {
    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(out, "in use since {}", self.activated)?;
        match self.trial {
            Some(TrialView { windows, of_windows, quiet, new_alarms, .. }) => writeln!(
                out,
                "on trial     window {windows} of {of_windows}: {new_alarms} alarms among {quiet} verdicts that were none before"
            )?,
            None => writeln!(out, "on trial     no, it has passed")?,
        }
        let version =
            |version: Option<u32>| version.map_or_else(|| "none".to_owned(), |known| known.to_string());
        writeln!(out, "before it    {}", version(self.previous))?;
        writeln!(out, "given up     {}", version(self.given_up))?;
        self.believed_keys.iter().try_for_each(|key| writeln!(out, "believes     {key}"))
    }
}

/// Describes the model in use; none if there is none.
///
/// # Errors
/// When the database can't be read, or the model in it would be dropped at the next start.
pub fn in_use(config: &Config, settings: &Settings) -> Result<Option<Description>, CommandError> {
    let path = &config.store.path;
    let reader = Reader::open(path).map_err(|source| CommandError::store(path, source))?;
    of(&reader, config, settings)
}

/// The model in use as a reader finds it.
pub(crate) fn of(
    reader: &Reader,
    config: &Config,
    settings: &Settings,
) -> Result<Option<Description>, CommandError> {
    let path = &config.store.path;
    let read = || -> Result<_, StoreError> {
        Ok((reader.model(Slot::Active)?, reader.model(Slot::Previous)?, reader.model_memory()?))
    };
    let (stored, previous, memory) = read().map_err(|source| CommandError::store(path, source))?;
    let Some(stored) = stored else { return Ok(None) };
    let demands = &settings.demands;
    let checked = model::check_stored(&stored.bundle, demands, &memory)
        .map_err(|refused| CommandError::Model { path: path.clone(), refusal: refused.refusal })?;
    let in_use = InUse {
        activated: stored.activated.to_string(),
        trial: TrialView::of(&memory, &demands.trial),
        previous: previous.map(|model| model.version.0),
        given_up: (memory.given_up != ModelVersion(0)).then_some(memory.given_up.0),
        believed_keys: memory.hand_overs.believed(&demands.trusted).into_iter().map(hexadecimal).collect(),
    };
    Ok(checked.view().map(|model| Description::of(&model, Some(in_use))))
}

fn hexadecimal(key: PublicKey) -> String {
    key.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks a bundle as if it were offered now to an agent that has never had a model.
///
/// # Errors
/// When the file can't be read, or the agent would refuse it.
pub fn check(settings: &Settings, file: &Path) -> Result<Option<Description>, CommandError> {
    let bundle =
        std::fs::read(file).map_err(|source| CommandError::Input { path: file.to_owned(), source })?;
    let (memory, now) = (ModelMemory::default(), SystemClock.wall());
    let accepted = model::check_offer(&bundle, &settings.demands, &memory, ModelVersion(0), now)
        .map_err(|refused| CommandError::Model { path: file.to_owned(), refusal: refused.refusal })?;
    Ok(accepted.model.view().map(|model| Description::of(&model, None)))
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
    if let Some(in_use) = &model.in_use {
        in_use.print(out)?;
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
