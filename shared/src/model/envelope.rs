//! Magic, version, hand-overs, signer, length, body, signature.

use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::handover::{self, HandOver, HandOvers};
use super::{BundleError, Limits};
use crate::bytes::{take_array, take_bytes};

pub(super) const MAGIC: [u8; 4] = *b"CWMB";
/// The format this crate writes and reads.
pub const BUNDLE_VERSION: u8 = 2;
/// Bytes of the signature at the bundle's end.
pub const SIGNATURE_BYTES: usize = 64;

/// An ed25519 public key, the name under which a signer is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PublicKey(pub [u8; 32]);

/// A bundle taken apart, its signature not yet looked at.
#[derive(Clone, Copy, Debug)]
pub struct SignedBundle<'a> {
    signer: PublicKey,
    hand_overs: HandOvers<'a>,
    signed: &'a [u8],
    body: &'a [u8],
    signature: &'a [u8; SIGNATURE_BYTES],
}

impl<'a> SignedBundle<'a> {
    /// Takes a bundle apart.
    ///
    /// # Errors
    /// When it is larger than the limits, no bundle, of another format, or not exactly as long as it says.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, BundleError> {
        if bytes.len() > limits.bundle_bytes {
            return Err(BundleError::TooLarge { limit: limits.bundle_bytes, unit: "bytes" });
        }
        let (magic, rest) = take_array::<4>(bytes).ok_or(BundleError::NotABundle)?;
        if *magic != MAGIC {
            return Err(BundleError::NotABundle);
        }
        let (&[version], rest) = take_array::<1>(rest).ok_or(BundleError::Length)?;
        if version != BUNDLE_VERSION {
            return Err(BundleError::Version(version));
        }
        let (hand_overs, rest) = HandOvers::take(rest)?;
        let (signer, rest) = take_array::<32>(rest).ok_or(BundleError::Length)?;
        let (length, rest) = take_array::<4>(rest).ok_or(BundleError::Length)?;
        let (body, rest) =
            take_bytes(rest, u32::from_le_bytes(*length) as usize).ok_or(BundleError::Length)?;
        let signature = rest.try_into().map_err(|_| BundleError::Length)?;
        let signed = signed_part(bytes);
        let signer = PublicKey(*signer);
        let hand_overs = hand_overs.ending_with(signer)?;
        Ok(Self { signer, hand_overs, signed, body, signature })
    }

    /// Who says to have signed it.
    #[must_use]
    pub const fn signer(&self) -> PublicKey {
        self.signer
    }

    /// How trust came to the signer, oldest first. Believed by nobody before [`Self::verify`].
    pub fn hand_overs(&self) -> impl Iterator<Item = HandOver> + 'a {
        self.hand_overs.iter()
    }

    /// Checks that a trusted key signed exactly these bytes, or handed over to the key that did, and hands out the body.
    ///
    /// # Errors
    /// [`BundleError::UnknownSigner`] or [`BundleError::Signature`].
    pub fn verify(&self, trusted: &[PublicKey]) -> Result<&'a [u8], BundleError> {
        // From the oldest key that is trusted on, every hand-over must hold; what was before it is not our concern.
        let mut led_on = self.hand_overs.iter().skip_while(|step| !trusted.contains(&step.from)).peekable();
        if led_on.peek().is_none() && !trusted.contains(&self.signer) {
            return Err(BundleError::UnknownSigner);
        }
        for step in led_on {
            verify(step.from, &handover::statement(step.from, step.to), &step.signature)?;
        }
        verify(self.signer, self.signed, self.signature)?;
        Ok(self.body)
    }
}

fn verify(key: PublicKey, signed: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> Result<(), BundleError> {
    let key = VerifyingKey::from_bytes(&key.0).map_err(|_| BundleError::Signature)?;
    key.verify_strict(signed, &Signature::from_bytes(signature)).map_err(|_| BundleError::Signature)
}

/// What of a bundle's bytes the signature covers: all but the signature.
#[must_use]
pub fn signed_part(bundle: &[u8]) -> &[u8] {
    &bundle[..bundle.len().saturating_sub(SIGNATURE_BYTES)]
}
