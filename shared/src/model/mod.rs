//! The model bundle: one signed file with everything an aircraft needs to score.
//!
//! The bytes are specified in `docs/model-bundle.md`. In short: a magic, a version, how trust came to the signer, its
//! public key, the body's length, the body, and an ed25519 signature over all that stands before it. The body is a postcard
//! header followed by sections whose sizes the header states, each of fixed-size records, so that a bundle is
//! scored where it lies.

mod catalogue;
mod cohort;
mod envelope;
mod golden;
mod handover;
mod write;

pub use catalogue::{Catalogue, CatalogueEntry, KEY_RECORD_BYTES, KeyIndex};
pub use cohort::{Cohort, MAX_COHORT_BYTES, NotACohort};
pub use envelope::{BUNDLE_VERSION, PublicKey, SIGNATURE_BYTES, SignedBundle, signed_part};
pub use golden::{GOLDEN_RECORD_BYTES, GoldenRow, SelfTestError};
pub use handover::{HAND_OVER_BYTES, HandOver, MAX_HAND_OVERS, STATEMENT_BYTES, statement};
pub use write::{BundleContents, CatalogueRow, rewrite_header, write_body, write_unsigned};

use serde::{Deserialize, Serialize};

use crate::fault_key::FaultKey;
use crate::forest::{Forest, ForestError, ForestShape};
use crate::rate::Counts;
use crate::time::{UnixMillis, UnixSeconds};
use crate::verdict::{Alarms, Verdict};
use crate::zscore::ZScore;

/// A model's version: only ever up. 0 is "no model".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelVersion(pub u32);

/// An agent's release, compared part by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AgentRelease(pub u16, pub u16, pub u16);

/// The bundle's header, as postcard writes it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header<'a> {
    /// This model's version.
    pub version: ModelVersion,
    /// When it was trained.
    pub created: UnixSeconds,
    /// From when on no agent may activate it.
    pub expires: UnixSeconds,
    /// Which aircraft it is for.
    #[serde(borrow)]
    pub cohort: &'a str,
    /// The oldest agent that understands it.
    pub minimum_agent: AgentRelease,
    /// The window length its statistics were computed for, in seconds.
    pub window_seconds: u32,
    /// A z score above this is an anomaly.
    pub z_threshold: f64,
    /// A forest score below this is an anomaly.
    pub forest_offset: f64,
    /// The forest's size.
    pub forest: ForestShape,
    /// Fault keys in the catalogue.
    pub keys: u32,
    /// Bytes of all keys' texts.
    pub text_bytes: u32,
    /// Golden rows for the self-test.
    pub golden_rows: u16,
}

/// What a reader is willing to hold. Checked before anything is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole bundle.
    pub bundle_bytes: usize,
    /// Fault keys in the catalogue.
    pub keys: u32,
}

impl Limits {
    /// What an agent takes unless its configuration says otherwise.
    pub const AGENT: Self = Self { bundle_bytes: 2 << 20, keys: 8192 };
    /// What the ground takes.
    pub const GROUND: Self = Self { bundle_bytes: 256 << 20, keys: 1 << 20 };
}

/// Why bytes are no usable bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The first bytes are not a bundle's.
    #[error("this is no model bundle: it does not start with the bundle's magic")]
    NotABundle,
    /// A newer (or garbled) format.
    #[error("the bundle has format {0}; this program reads format {BUNDLE_VERSION}")]
    Version(u8),
    /// Fewer or more bytes than the bundle says it has.
    #[error("the bundle is cut short or has bytes behind its end")]
    Length,
    /// Larger than the reader's limits.
    #[error("the bundle exceeds the limit of {limit} {unit}")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// What is limited.
        unit: &'static str,
    },
    /// Signed by a key that is not pinned here.
    #[error("the bundle is signed by a key that is not among the trusted ones")]
    UnknownSigner,
    /// The signature does not fit the bytes.
    #[error("the bundle's signature is wrong")]
    Signature,
    /// More hand-overs than a bundle may have, or a key among them twice.
    #[error("the bundle's hand-overs are more than {MAX_HAND_OVERS}, or name a key twice")]
    HandOvers,
    /// The header does not decode.
    #[error("the bundle's header does not decode")]
    Header,
    /// A header value that makes no sense.
    #[error("the bundle's {0} is out of range")]
    Value(&'static str),
    /// The catalogue is not sorted, not unique, not UTF-8, or points outside its text.
    #[error("entry {0} of the bundle's catalogue is out of order or garbled")]
    Catalogue(u32),
    /// The forest is not one.
    #[error("the bundle's forest is unusable: {0}")]
    Forest(#[from] ForestError),
}

/// Why an intact bundle must not be activated now. Checked apart from [`Model::open`], because what is refused
/// today (a too new model on an old agent) is no damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotForUs {
    /// Versions only go up.
    #[error("its version {offered} is not above {floor}, and versions only go up")]
    NotNewer {
        /// The bundle's.
        offered: u32,
        /// What it must exceed.
        floor: u32,
    },
    /// Past its expiry.
    #[error("it expired at {0}")]
    Expired(UnixSeconds),
    /// Made for other aircraft.
    #[error("it is for another cohort")]
    Cohort,
    /// Needs a newer agent.
    #[error("it needs agent {}.{}.{} or newer", .0.0, .0.1, .0.2)]
    AgentTooOld(AgentRelease),
    /// Its statistics are for windows of another length.
    #[error("it is for windows of {offered} s, this agent's are {ours} s")]
    WindowLength {
        /// The bundle's, in seconds.
        offered: u32,
        /// The agent's, in seconds.
        ours: u32,
    },
}

/// What a bundle is checked against before it is activated.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    /// What its version must exceed; 0 for nothing.
    pub floor: ModelVersion,
    /// Now, where the clock is trusted; without it the expiry is not checked.
    pub now: Option<UnixMillis>,
    /// The cohort this aircraft belongs to.
    pub cohort: &'a str,
    /// This agent's release.
    pub agent: AgentRelease,
    /// This agent's window length, in seconds.
    pub window_seconds: u32,
}

/// An opened bundle: everything checked, nothing copied.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    header: Header<'a>,
    catalogue: Catalogue<'a>,
    forest: Forest<'a>,
    golden: &'a [[u8; GOLDEN_RECORD_BYTES]],
}

impl<'a> Model<'a> {
    /// Opens the body of a bundle whose signature has been verified (see [`SignedBundle::verify`]).
    ///
    /// # Errors
    /// Says what is damaged or beyond the limits.
    pub fn open(body: &'a [u8], limits: &Limits) -> Result<Self, BundleError> {
        let (header, rest): (Header<'a>, _) =
            postcard::take_from_bytes(body).map_err(|_| BundleError::Header)?;
        check_header(&header, limits)?;
        let (catalogue, rest) = Catalogue::open(header.keys, header.text_bytes, rest)?;
        let (forest, rest) = Forest::open(header.forest, rest)?;
        let (golden, rest) =
            crate::bytes::take_chunks(rest, usize::from(header.golden_rows)).ok_or(BundleError::Length)?;
        if !rest.is_empty() {
            return Err(BundleError::Length);
        }
        Ok(Self { header, catalogue, forest, golden })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header<'a> {
        &self.header
    }

    /// The keys and their statistics.
    #[must_use]
    pub const fn catalogue(&self) -> &Catalogue<'a> {
        &self.catalogue
    }

    /// The forest over `fail_rate`.
    #[must_use]
    pub const fn forest(&self) -> &Forest<'a> {
        &self.forest
    }

    /// Whether an agent may activate this model now.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn check_recipient(&self, recipient: &Recipient<'_>) -> Result<(), NotForUs> {
        let header = &self.header;
        if header.version <= recipient.floor {
            return Err(NotForUs::NotNewer { offered: header.version.0, floor: recipient.floor.0 });
        }
        if recipient.now.is_some_and(|now| now.seconds() >= header.expires) {
            return Err(NotForUs::Expired(header.expires));
        }
        if header.cohort != recipient.cohort {
            return Err(NotForUs::Cohort);
        }
        if header.minimum_agent > recipient.agent {
            return Err(NotForUs::AgentTooOld(header.minimum_agent));
        }
        if header.window_seconds != recipient.window_seconds {
            let (offered, ours) = (header.window_seconds, recipient.window_seconds);
            return Err(NotForUs::WindowLength { offered, ours });
        }
        Ok(())
    }

    /// Scores one row. The one place where detectors meet counts: agent, batch detection and ground all come here.
    #[must_use]
    pub fn score(&self, key: FaultKey<'_>, counts: Counts) -> Verdict {
        let statistics = self.catalogue.find(key).map(|(_, entry)| entry.statistics);
        let Some(rate) = counts.rate() else {
            return Verdict { statistics, ..Verdict::UNSCORED };
        };
        let z = ZScore::of(rate, statistics.as_ref());
        let forest = self.forest.score(&[rate.percent() as f32]);
        let alarms = Alarms {
            z: z.is_anomaly(self.header.z_threshold),
            forest: forest.is_anomaly(self.header.forest_offset),
        };
        Verdict { statistics, z, forest: Some(forest), alarms }
    }

    /// The golden rows, for whoever wants to look at them.
    pub fn golden_rows(&self) -> impl Iterator<Item = GoldenRow> + '_ {
        self.golden.iter().map(GoldenRow::from_bytes)
    }

    /// Scores the bundle's golden rows here and compares with what the trainer got.
    ///
    /// # Errors
    /// The first row that differs, or that there is none to compare.
    pub fn self_test(&self) -> Result<(), SelfTestError> {
        golden::self_test(self)
    }
}

fn check_header(header: &Header<'_>, limits: &Limits) -> Result<(), BundleError> {
    if header.keys > limits.keys {
        return Err(BundleError::TooLarge { limit: limits.keys as usize, unit: "fault keys" });
    }
    if header.version == ModelVersion(0) {
        return Err(BundleError::Value("version"));
    }
    if !header.z_threshold.is_finite() {
        return Err(BundleError::Value("z threshold"));
    }
    if !header.forest_offset.is_finite() {
        return Err(BundleError::Value("forest offset"));
    }
    if header.window_seconds == 0 {
        return Err(BundleError::Value("window length"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
