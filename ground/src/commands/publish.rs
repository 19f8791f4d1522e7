//! `cabinwatch-ground publish`: a model bundle to the aircraft, and to the tables that ingest scores with.

use std::io::{self, Write};

use cabinwatch_shared::model::{Cohort, ModelVersion, SelfTestError};
use cabinwatch_shared::wire::Topic;

use super::release::ReleaseArgs;
use crate::broker::{self, BrokerError, PublishError};
use crate::config::{Config, Flag};
use crate::tables::{self, KnownModel, Tables, TablesError};
use crate::train::folder::{FolderError, ModelFolder};

/// Flags of `publish`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct PublishArgs {
    /// Where it comes from, and where it goes
    #[command(flatten)]
    pub release: ReleaseArgs,
    /// The aircraft the bundle must have been made for
    #[arg(long, value_name = "NAME")]
    pub cohort: Option<String>,
}

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum PublishCommandError {
    /// The model folder, or its bundle.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A bundle no agent would activate.
    #[error("the bundle fails its own test: {0}")]
    SelfTest(#[from] SelfTestError),
    /// A bundle for others.
    #[error("the bundle is for the cohort `{bundle}`, not for `{asked}`; its aircraft would refuse it")]
    Cohort {
        /// The bundle's.
        bundle: String,
        /// The one asked for.
        asked: Cohort,
    },
    /// The tables.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// The broker's configuration.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The broker.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The runtime.
    #[error("cannot start: {0}")]
    Start(io::Error),
    /// Output.
    #[error("cannot write the summary: {0}")]
    Output(#[from] io::Error),
}

impl PublishCommandError {
    /// Whether it is the call that is wrong.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Folder(error) => matches!(error, FolderError::NoFolder),
            Self::Tables(error) => error.is_usage(),
            Self::Broker(_) | Self::Cohort { .. } => true,
            Self::SelfTest(_) | Self::Publish(_) | Self::Start(_) | Self::Output(_) => false,
        }
    }
}

impl PublishArgs {
    /// The settings the flags set.
    #[must_use]
    pub fn flags(&self) -> Vec<Flag> {
        let mut flags = self.release.flags();
        flags.push(("--cohort", "model.cohort", self.cohort.clone()));
        flags
    }
}

/// Checks the folder's bundle, makes it known in the tables, and publishes it retained. The tables come first, so
/// that no window comes from an aircraft before the ground can read it.
///
/// # Errors
/// When a step fails; publishing again is harmless.
pub fn run(config: &Config, out: &mut dyn Write) -> Result<ModelVersion, PublishCommandError> {
    let folder = ModelFolder::of(&config.model)?;
    let bundle = folder.read_bundle()?;
    let model = folder.open_model(&bundle, &[folder.trusted()?])?;
    model.self_test()?;
    let (version, cohort) = (model.header().version, &config.model.cohort);
    if model.header().cohort != cohort.as_str() {
        let bundle = model.header().cohort.to_owned();
        return Err(PublishCommandError::Cohort { bundle, asked: cohort.clone() });
    }
    let mut tables = tables::open(&config.tables.url, &config.tables)?;
    send(config, tables.as_mut(), cohort, version, bundle, out)?;
    Ok(version)
}

/// Makes a model known in the tables, and publishes it retained for its cohort.
///
/// # Errors
/// When a step fails; to do it again is harmless.
pub(super) fn send(
    config: &Config,
    tables: &mut dyn Tables,
    cohort: &Cohort,
    version: ModelVersion,
    bundle: Vec<u8>,
    out: &mut dyn Write,
) -> Result<(), PublishCommandError> {
    let options = broker::publisher_options(&config.broker, "cabinwatch-publish")?;
    let model = KnownModel { version, cohort: cohort.to_string(), bundle };
    tables.put_model(&model)?;
    let bytes = model.bundle.len();
    let topic = Topic::Model(cohort).to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(PublishCommandError::Start)?;
    runtime.block_on(broker::publish_retained(&config.broker, options, topic.clone(), model.bundle))?;
    writeln!(out, "Model {} ({bytes} bytes) is on {topic} and known in the tables.", version.0)?;
    Ok(())
}
