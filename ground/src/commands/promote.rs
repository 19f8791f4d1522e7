//! `cabinwatch-ground promote`: a model that did well on one cohort goes on to another.

use std::io::{self, Write};

use cabinwatch_shared::model::{BundleError, Cohort, Limits, Model, ModelVersion, PublicKey, SignedBundle};

use super::model::status;
use super::publish::{self, PublishCommandError};
use super::read_history::system_now;
use super::release::ReleaseArgs;
use crate::config::{Config, Flag};
use crate::rollout::{Journal, JournalError, Objection, Promotion, Rollout, Rules};
use crate::tables::{self, KnownModel, Tables, TablesError};
use crate::train::folder::{FolderError, ModelFolder};
use crate::train::{reseal, same_model};

/// Flags of `promote`.
#[derive(Clone, Debug, clap::Args)]
pub struct PromoteArgs {
    /// The cohort that has tried the model
    #[arg(long, value_name = "NAME")]
    pub from: Cohort,
    /// The cohort it goes on to
    #[arg(long, value_name = "NAME")]
    pub to: Cohort,
    /// Do it whatever speaks against it; the reason is kept in the model folder's promotions.jsonl
    #[arg(long, value_name = "REASON")]
    pub force: Option<String>,
    /// Where it comes from, and where it goes
    #[command(flatten)]
    pub release: ReleaseArgs,
}

/// Why nothing was promoted.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    /// The same cohort twice.
    #[error("a model cannot go on from `{0}` to itself")]
    Same(Cohort),
    /// A reason that says nothing.
    #[error("--force needs a reason that will still mean something to others in a year")]
    NoReason,
    /// Nothing to promote.
    #[error("the cohort `{0}` has no model; `publish` gives it one")]
    NoModel(Cohort),
    /// The cohort has not shown enough.
    #[error("model {version} stays with `{cohort}`: {objection}; --force REASON does it all the same", version = .version.0)]
    Objection {
        /// The cohort.
        cohort: Cohort,
        /// Its model.
        version: ModelVersion,
        /// What speaks against it.
        objection: Objection,
    },
    /// The bundle in the tables.
    #[error("model {version} cannot be taken from the tables: {source}", version = .version.0)]
    Bundle {
        /// Its version.
        version: ModelVersion,
        /// What is wrong.
        source: BundleError,
    },
    /// Past its expiry.
    #[error("model {version} expired at {expires}: agents would refuse it; train a new one", version = .version.0)]
    Expired {
        /// Its version.
        version: ModelVersion,
        /// When.
        expires: String,
    },
    /// Signing it again.
    #[error("the model cannot be signed again: {0}")]
    Reseal(#[from] crate::train::BundleError),
    /// The model folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The tables.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Publishing.
    #[error(transparent)]
    Publish(#[from] PublishCommandError),
    /// Output.
    #[error("cannot write the summary: {0}")]
    Output(#[from] io::Error),
}

impl PromoteError {
    /// Whether it is the call that is wrong.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Same(_) | Self::NoReason => true,
            Self::Folder(error) => matches!(error, FolderError::NoFolder),
            Self::Tables(error) => error.is_usage(),
            Self::Publish(error) => error.is_usage(),
            _ => false,
        }
    }
}

impl PromoteArgs {
    /// The settings the flags set.
    #[must_use]
    pub fn flags(&self) -> Vec<Flag> {
        self.release.flags()
    }

    fn check(&self) -> Result<(), PromoteError> {
        if self.from == self.to {
            return Err(PromoteError::Same(self.to.clone()));
        }
        if self.force.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
            return Err(PromoteError::NoReason);
        }
        Ok(())
    }
}

/// Shows how the first cohort stands, and if nothing speaks against it, or a reason was given, publishes its model for
/// the second one. Done again, it publishes the same bundle again.
///
/// # Errors
/// When something speaks against it, or a step fails; to do it again is harmless.
pub fn run(config: &Config, args: &PromoteArgs, out: &mut dyn Write) -> Result<ModelVersion, PromoteError> {
    args.check()?;
    let folder = ModelFolder::of(&config.model)?;
    let mut tables = tables::open(&config.tables.url, &config.tables)?;
    let rollout = Rollout::of(tables.as_ref(), args.from.as_str())?;
    status::print(std::slice::from_ref(&rollout), out)?;
    let version = rollout.version.ok_or_else(|| PromoteError::NoModel(args.from.clone()))?;
    let objection = Rules::from_config(&config.model).judge(&rollout).err();
    if let (Some(objection), None) = (objection, &args.force) {
        let cohort = args.from.clone();
        return Err(PromoteError::Objection { cohort, version, objection });
    }
    let trusted = folder.trusted_line()?;
    let tried = taken(tables.as_ref(), version, &trusted)?;
    let model = match promoted_before(tables.as_ref(), &args.to, &tried, &trusted)? {
        Some(model) => model,
        None => sign_again(&folder, tables.as_ref(), &tried, &trusted, &args.to)?,
    };
    Journal::of(folder.dir()).add(&Promotion {
        at: system_now().to_string(),
        from: args.from.to_string(),
        from_version: version.0,
        to: args.to.to_string(),
        to_version: model.version.0,
        numbers: rollout.numbers(),
        objection: objection.map(|objection| objection.to_string()),
        reason: objection.and(args.force.clone()),
    })?;
    let promoted = model.version;
    publish::send(config, tables.as_mut(), &args.to, model.version, model.bundle, out)?;
    writeln!(out, "It is model {} of `{}` under a new number.", version.0, args.from)?;
    Ok(promoted)
}

/// A known model, once it is clear that a key of ours signed it and that agents may still take it.
fn taken(
    tables: &dyn Tables,
    version: ModelVersion,
    trusted: &[PublicKey],
) -> Result<KnownModel, PromoteError> {
    let model =
        tables.model(version)?.ok_or(PromoteError::Bundle { version, source: BundleError::NotABundle })?;
    let open = || -> Result<_, BundleError> {
        let body = SignedBundle::parse(&model.bundle, &Limits::GROUND)?.verify(trusted)?;
        Ok(Model::open(body, &Limits::GROUND)?.header().expires)
    };
    let expires = open().map_err(|source| PromoteError::Bundle { version, source })?;
    if expires <= system_now() {
        return Err(PromoteError::Expired { version, expires: expires.to_string() });
    }
    Ok(model)
}

/// The same model in the cohort it goes to, if that is its newest: an attempt before this one came so far.
fn promoted_before(
    tables: &dyn Tables,
    to: &Cohort,
    tried: &KnownModel,
    trusted: &[PublicKey],
) -> Result<Option<KnownModel>, PromoteError> {
    let newest = tables.known_versions()?.into_iter().rfind(|known| known.cohort == to.as_str());
    let Some(newest) = newest.filter(|newest| newest.version > tried.version) else { return Ok(None) };
    let model = taken(tables, newest.version, trusted)?;
    Ok(same_model(&model.bundle, &tried.bundle)?.then_some(model))
}

fn sign_again(
    folder: &ModelFolder,
    tables: &dyn Tables,
    tried: &KnownModel,
    trusted: &[PublicKey],
    to: &Cohort,
) -> Result<KnownModel, PromoteError> {
    let highest = tables.known_versions()?.last().map_or(0, |known| known.version.0);
    let version = ModelVersion(folder.next_version()?.0.max(highest.saturating_add(1)));
    let (signer, _) = folder.signing_pair()?;
    let bundle = reseal(&tried.bundle, trusted, version, Some(to.as_str()), &signer)?;
    // First here, so that no training gives this version out again.
    folder.write_promoted(to, version, &bundle)?;
    Ok(KnownModel { version, cohort: to.to_string(), bundle })
}
