//! Taking a model in: who signed it, is it sound, is it for us, does it score here as it did where it was trained.
//! Only then does it score windows, and for a while [on trial](trial).

mod keys;
mod memory;
mod trial;

pub use keys::{HandOverError, HandOvers, Succession};
pub use memory::ModelMemory;
pub use trial::{Ending, Trial, TrialRule, TrialRules};

use cabinwatch_shared::model::{
    AgentRelease, BundleError, Cohort, Header, Limits, Model, ModelVersion, NotForUs, PublicKey, Recipient,
    SelfTestError, SignedBundle,
};
use cabinwatch_shared::time::UnixMillis;
use cabinwatch_shared::wire::{ModelOutcome, RollbackCause};

use crate::config::Config;

/// What this agent demands of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demands {
    /// Whose signature is believed, until they hand over.
    pub trusted: Vec<PublicKey>,
    /// How large it may be.
    pub limits: Limits,
    /// The cohort of this aircraft.
    pub cohort: Cohort,
    /// The window length in force, in seconds.
    pub window_seconds: u32,
    /// What a new model must show.
    pub trial: TrialRules,
}

impl Demands {
    /// What the configuration demands.
    #[must_use]
    pub fn from_config(config: &Config) -> Self {
        let bundle_bytes = usize::try_from(config.model.max_bytes).unwrap_or(usize::MAX);
        Self {
            trusted: config.model.public_keys(),
            limits: Limits { bundle_bytes, keys: config.model.max_keys },
            cohort: config.model.cohort.clone(),
            window_seconds: config.window_seconds,
            trial: TrialRules::from_config(&config.model),
        }
    }
}

/// Why a bundle is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is none, is garbled, or is not signed by a trusted key.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// It is sound but not for this agent, or not now.
    #[error("the model is not for this agent: {0}")]
    NotForUs(#[from] NotForUs),
    /// It scores differently here.
    #[error("the model failed its self-test: {0}")]
    SelfTest(#[from] SelfTestError),
    /// It is signed by a key that is not to be followed.
    #[error("the model's signer is not believed: {0}")]
    HandOver(#[from] HandOverError),
}

impl Refusal {
    /// What the ground is told.
    #[must_use]
    pub const fn outcome(&self) -> ModelOutcome {
        match self {
            Self::Bundle(BundleError::UnknownSigner | BundleError::Signature) | Self::HandOver(_) => {
                ModelOutcome::Untrusted
            }
            Self::Bundle(_) => ModelOutcome::Unreadable,
            Self::NotForUs(_) => ModelOutcome::NotForUs,
            Self::SelfTest(_) => ModelOutcome::SelfTestFailed,
        }
    }

    /// What the ground is told where it hits a model that was in use.
    #[must_use]
    pub const fn cause(&self) -> RollbackCause {
        match self {
            Self::Bundle(BundleError::UnknownSigner) | Self::HandOver(_) => RollbackCause::Untrusted,
            Self::Bundle(BundleError::TooLarge { .. } | BundleError::Version(_)) | Self::NotForUs(_) => {
                RollbackCause::Unfit
            }
            Self::Bundle(_) => RollbackCause::Damaged,
            Self::SelfTest(_) => RollbackCause::SelfTest,
        }
    }
}

/// A refused bundle: the version it claims, 0 where it does not tell, and why it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The version it claims.
    pub version: ModelVersion,
    /// Why.
    pub refusal: Refusal,
}

/// This agent's release, as a bundle's minimum is compared with.
#[must_use]
pub fn release() -> AgentRelease {
    let part = |text: &str| text.parse().unwrap_or(0);
    AgentRelease(
        part(env!("CARGO_PKG_VERSION_MAJOR")),
        part(env!("CARGO_PKG_VERSION_MINOR")),
        part(env!("CARGO_PKG_VERSION_PATCH")),
    )
}

/// A model that passed every check. It owns the body it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedModel {
    version: ModelVersion,
    limits: Limits,
    fingerprint: u64,
    body: Vec<u8>,
}

impl CheckedModel {
    /// Its version.
    #[must_use]
    pub const fn version(&self) -> ModelVersion {
        self.version
    }

    /// The [`fingerprint`] of its bundle.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The model, ready to score. It opened when it was checked, so it opens.
    #[must_use]
    pub fn view(&self) -> Option<Model<'_>> {
        Model::open(&self.body, &self.limits).ok()
    }
}

/// Checks a bundle that is offered now, beside the model in use.
///
/// # Errors
/// The first reason not to use it.
pub fn check_offer(
    bundle: &[u8],
    demands: &Demands,
    memory: &ModelMemory,
    in_use: ModelVersion,
    now: UnixMillis,
) -> Result<Accepted, Refused> {
    let unread = |refusal| Refused { version: ModelVersion(0), refusal };
    let signed = SignedBundle::parse(bundle, &demands.limits).map_err(|error| unread(error.into()))?;
    let believed = memory.hand_overs.believed(&demands.trusted);
    let body = signed.verify(&believed).map_err(|error| unread(error.into()))?;
    let hand_overs =
        memory.hand_overs.after(&signed, &demands.trusted).map_err(|error| unread(error.into()))?;
    let recipient = Recipient {
        floor: memory.floor(in_use),
        now: Some(now),
        cohort: demands.cohort.as_str(),
        agent: release(),
        window_seconds: demands.window_seconds,
    };
    let model = check_body(bundle, body, demands, |_| recipient)?;
    Ok(Accepted { model, hand_overs })
}

/// Checks a bundle that the database holds: it was taken, so its version, expiry and cohort matter no more.
///
/// # Errors
/// The first reason not to use it any more.
pub fn check_stored(bundle: &[u8], demands: &Demands, memory: &ModelMemory) -> Result<CheckedModel, Refused> {
    let unread = |error: BundleError| Refused { version: ModelVersion(0), refusal: error.into() };
    let signed = SignedBundle::parse(bundle, &demands.limits).map_err(unread)?;
    let body = signed.verify(&memory.hand_overs.believed_once(&demands.trusted)).map_err(unread)?;
    check_body(bundle, body, demands, |header| Recipient {
        floor: ModelVersion(0),
        now: None,
        cohort: header.cohort,
        agent: release(),
        window_seconds: demands.window_seconds,
    })
}

fn check_body<'a>(
    bundle: &[u8],
    body: &'a [u8],
    demands: &Demands,
    recipient: impl FnOnce(&Header<'a>) -> Recipient<'a>,
) -> Result<CheckedModel, Refused> {
    let model = Model::open(body, &demands.limits)
        .map_err(|error| Refused { version: ModelVersion(0), refusal: error.into() })?;
    let version = model.header().version;
    let refused = |refusal| Refused { version, refusal };
    model.check_recipient(&recipient(model.header())).map_err(|reason| refused(reason.into()))?;
    model.self_test().map_err(|reason| refused(reason.into()))?;
    Ok(CheckedModel {
        version,
        limits: demands.limits,
        fingerprint: fingerprint(bundle),
        body: body.to_vec(),
    })
}

/// An offered bundle that is good, and whom to believe once it is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The model.
    pub model: CheckedModel,
    /// The hand-overs kept from then on.
    pub hand_overs: HandOvers,
}

/// What to do about an offered bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Use it.
    Activate(Accepted),
    /// It is the one in use: brokers keep it and offer it at each connection.
    AlreadyActive,
    /// Leave it.
    Refuse(Refused),
}

/// Judges an offered bundle beside the model in use.
#[must_use]
pub fn judge(
    bundle: &[u8],
    demands: &Demands,
    memory: &ModelMemory,
    in_use: Option<&CheckedModel>,
    now: UnixMillis,
) -> Offer {
    let version = in_use.map_or(ModelVersion(0), CheckedModel::version);
    match check_offer(bundle, demands, memory, version, now) {
        Ok(accepted) => Offer::Activate(accepted),
        Err(refused) if refused.version == version && is_same(bundle, in_use) => Offer::AlreadyActive,
        Err(refused) => Offer::Refuse(refused),
    }
}

/// Whether the bundle's body is the active model's. Only asked once its signature is known to be good.
fn is_same(bundle: &[u8], active: Option<&CheckedModel>) -> bool {
    active.is_some_and(|active| {
        let body = bundle.get(..bundle.len().saturating_sub(cabinwatch_shared::model::SIGNATURE_BYTES));
        body.is_some_and(|signed| signed.ends_with(&active.body))
    })
}

/// A short name for a bundle's bytes (FNV-1a), to know one that was refused before. It proves nothing.
#[must_use]
pub fn fingerprint(bundle: &[u8]) -> u64 {
    bundle
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
pub(crate) mod tests;
