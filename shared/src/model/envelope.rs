//! Magic, version, signer, length, body, signature.

use ed25519_dalek::{Signature, VerifyingKey};

use super::{BundleError, Limits};
use crate::bytes::{take_array, take_bytes};

pub(super) const MAGIC: [u8; 4] = *b"CWMB";
/// The format this crate writes and reads.
pub const BUNDLE_VERSION: u8 = 1;
/// Bytes of the signature at the bundle's end.
pub const SIGNATURE_BYTES: usize = 64;

/// An ed25519 public key, the name under which a signer is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// A bundle taken apart, its signature not yet looked at.
#[derive(Clone, Copy, Debug)]
pub struct SignedBundle<'a> {
    signer: PublicKey,
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
        let (signer, rest) = take_array::<32>(rest).ok_or(BundleError::Length)?;
        let (length, rest) = take_array::<4>(rest).ok_or(BundleError::Length)?;
        let (body, rest) =
            take_bytes(rest, u32::from_le_bytes(*length) as usize).ok_or(BundleError::Length)?;
        let signature = rest.try_into().map_err(|_| BundleError::Length)?;
        let signed = signed_part(bytes);
        Ok(Self { signer: PublicKey(*signer), signed, body, signature })
    }

    /// Who says to have signed it.
    #[must_use]
    pub const fn signer(&self) -> PublicKey {
        self.signer
    }

    /// Checks that a trusted key signed exactly these bytes, and hands out the body.
    ///
    /// # Errors
    /// [`BundleError::UnknownSigner`] or [`BundleError::Signature`].
    pub fn verify(&self, trusted: &[PublicKey]) -> Result<&'a [u8], BundleError> {
        if !trusted.contains(&self.signer) {
            return Err(BundleError::UnknownSigner);
        }
        let key = VerifyingKey::from_bytes(&self.signer.0).map_err(|_| BundleError::Signature)?;
        let signature = Signature::from_bytes(self.signature);
        key.verify_strict(self.signed, &signature).map_err(|_| BundleError::Signature)?;
        Ok(self.body)
    }
}

/// What of a bundle's bytes the signature covers: all but the signature.
#[must_use]
pub fn signed_part(bundle: &[u8]) -> &[u8] {
    &bundle[..bundle.len().saturating_sub(SIGNATURE_BYTES)]
}
