//! The same model once more, under another version, for other aircraft, or signed by another key.

use cabinwatch_shared::model::{
    Header, Limits, Model, ModelVersion, PublicKey, SignedBundle, rewrite_header, write_unsigned,
};

use super::BundleError;
use super::keys::SigningPair;

/// Signs a body with the hand-overs that lead to the signer, and opens the bundle again as an agent would.
///
/// # Errors
/// When a reader would refuse it.
pub(super) fn sign(body: &[u8], signer: &SigningPair) -> Result<Vec<u8>, BundleError> {
    let mut bundle = Vec::with_capacity(body.len() + 256);
    write_unsigned(signer.line(), signer.public(), body, &mut bundle);
    bundle.extend(signer.sign(&bundle));
    let oldest = signer.line().first().map_or(signer.public(), |step| step.from);
    let verified = SignedBundle::parse(&bundle, &Limits::GROUND)?.verify(&[oldest])?;
    Model::open(verified, &Limits::GROUND)?.self_test()?;
    Ok(bundle)
}

/// Makes the bundle that holds the same model under another header. Whoever signed the old one must be trusted.
///
/// # Errors
/// When it is not, or a reader would refuse the new one.
pub fn reseal(
    bundle: &[u8],
    trusted: &[PublicKey],
    version: ModelVersion,
    cohort: Option<&str>,
    signer: &SigningPair,
) -> Result<Vec<u8>, BundleError> {
    let body = SignedBundle::parse(bundle, &Limits::GROUND)?.verify(trusted)?;
    let mut again = Vec::with_capacity(body.len() + 64);
    rewrite_header(body, &mut again, |header| Header {
        version,
        cohort: cohort.unwrap_or(header.cohort),
        ..header
    })?;
    sign(&again, signer)
}

/// Whether two bundles hold the same model, whatever their versions, cohorts and signers.
///
/// # Errors
/// When one of them is damaged.
pub fn same_model(one: &[u8], other: &[u8]) -> Result<bool, BundleError> {
    let neutral = |bundle: &[u8]| -> Result<Vec<u8>, BundleError> {
        let signed = SignedBundle::parse(bundle, &Limits::GROUND)?;
        let body = signed.verify(&[signed.signer()])?;
        let mut neutral = Vec::with_capacity(body.len());
        rewrite_header(body, &mut neutral, |header| Header {
            version: ModelVersion(1),
            cohort: "",
            ..header
        })?;
        Ok(neutral)
    };
    Ok(neutral(one)? == neutral(other)?)
}
