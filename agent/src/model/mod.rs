//! Taking a model in: who signed it, is it sound, is it for us, does it score here as it did where it was trained.
//! Only then does it score windows.

use cabinwatch_shared::model::{
    AgentRelease, BundleError, Limits, Model, ModelVersion, NotForUs, PublicKey, Recipient, SelfTestError,
    SignedBundle,
};
use cabinwatch_shared::time::UnixMillis;
use cabinwatch_shared::wire::ModelOutcome;

use crate::config::Config;

/// What this agent demands of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demands {
    /// Whose signature is believed.
    pub trusted: Vec<PublicKey>,
    /// How large it may be.
    pub limits: Limits,
    /// The cohort of this aircraft.
    pub cohort: String,
    /// The window length in force, in seconds.
    pub window_seconds: u32,
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
}

impl Refusal {
    /// What the ground is told.
    #[must_use]
    pub const fn outcome(&self) -> ModelOutcome {
        match self {
            Self::Bundle(BundleError::UnknownSigner | BundleError::Signature) => ModelOutcome::Untrusted,
            Self::Bundle(_) => ModelOutcome::Unreadable,
            Self::NotForUs(_) => ModelOutcome::NotForUs,
            Self::SelfTest(_) => ModelOutcome::SelfTestFailed,
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
    body: Vec<u8>,
}

impl CheckedModel {
    /// Its version.
    #[must_use]
    pub const fn version(&self) -> ModelVersion {
        self.version
    }

    /// The model, ready to score. It opened when it was checked, so it opens.
    #[must_use]
    pub fn view(&self) -> Option<Model<'_>> {
        Model::open(&self.body, &self.limits).ok()
    }
}

/// Checks a bundle. `active` is the version it must exceed, and `now` what its expiry is compared with: neither
/// counts where a model that is active already is only read again.
///
/// # Errors
/// The first reason not to use it.
pub fn check(
    bundle: &[u8],
    demands: &Demands,
    active: ModelVersion,
    now: Option<UnixMillis>,
) -> Result<CheckedModel, Refused> {
    let unread = |refusal: BundleError| Refused { version: ModelVersion(0), refusal: refusal.into() };
    let signed = SignedBundle::parse(bundle, &demands.limits).map_err(unread)?;
    let body = signed.verify(&demands.trusted).map_err(unread)?;
    let model = Model::open(body, &demands.limits).map_err(unread)?;
    let version = model.header().version;
    let recipient = Recipient {
        active,
        now,
        cohort: &demands.cohort,
        agent: release(),
        window_seconds: demands.window_seconds,
    };
    let refused = |refusal| Refused { version, refusal };
    model.check_recipient(&recipient).map_err(|reason| refused(reason.into()))?;
    model.self_test().map_err(|reason| refused(reason.into()))?;
    Ok(CheckedModel { version, limits: demands.limits, body: body.to_vec() })
}

/// What to do about an offered bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Use it.
    Activate(CheckedModel),
    /// It is the one in use: brokers keep it and offer it at each connection.
    AlreadyActive,
    /// Leave it.
    Refuse(Refused),
}

/// Judges an offered bundle beside the model in use.
#[must_use]
pub fn judge(bundle: &[u8], demands: &Demands, active: Option<&CheckedModel>, now: UnixMillis) -> Offer {
    let version = active.map_or(ModelVersion(0), CheckedModel::version);
    match check(bundle, demands, version, Some(now)) {
        Ok(model) => Offer::Activate(model),
        Err(refused) if refused.version == version && is_same(bundle, active) => Offer::AlreadyActive,
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
