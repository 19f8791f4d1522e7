//! How a signing key hands over to the next one.
//!
//! A hand-over is a statement that the old key signs: from now on, that key in my place. Every bundle carries the
//! statements that lead to its signer, so an aircraft that slept through a hand-over, or two, follows them with the
//! next bundle it sees. The bundle itself is signed by the new key: nothing can be handed over to a key that nobody holds.

use super::BundleError;
use super::envelope::{PublicKey, SIGNATURE_BYTES};
use crate::bytes::{take_array, take_chunks};

/// Bytes of a hand-over in a bundle: the old key (32), its signature (64). The new key is the next one's old key, or
/// the bundle's signer.
pub const HAND_OVER_BYTES: usize = 32 + SIGNATURE_BYTES;
/// Most hand-overs in a bundle.
pub const MAX_HAND_OVERS: usize = 16;

/// Stands before what a key signs to hand over, so that it can be taken for nothing else: a bundle begins otherwise.
const CONTEXT: [u8; 22] = *b"cabinwatch hand-over 1";
/// Bytes of that statement.
pub const STATEMENT_BYTES: usize = CONTEXT.len() + 64;

/// One key's word that another takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandOver {
    /// The key that steps down.
    pub from: PublicKey,
    /// The key that takes its place.
    pub to: PublicKey,
    /// Of the [`statement`], by the key that steps down.
    pub signature: [u8; SIGNATURE_BYTES],
}

/// What a key signs to hand over.
#[must_use]
pub fn statement(from: PublicKey, to: PublicKey) -> [u8; STATEMENT_BYTES] {
    let mut bytes = [0; STATEMENT_BYTES];
    let parts = CONTEXT.iter().chain(&from.0).chain(&to.0);
    bytes.iter_mut().zip(parts).for_each(|(byte, part)| *byte = *part);
    bytes
}

/// The hand-overs of a bundle, on its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandOvers<'a> {
    records: &'a [[u8; HAND_OVER_BYTES]],
    signer: PublicKey,
}

/// The same, before it is known who signed the bundle.
pub(super) struct Unended<'a>(&'a [[u8; HAND_OVER_BYTES]]);

impl<'a> HandOvers<'a> {
    /// Reads how many there are, and takes them.
    pub fn take(bytes: &'a [u8]) -> Result<(Unended<'a>, &'a [u8]), BundleError> {
        let (&[count], rest) = take_array::<1>(bytes).ok_or(BundleError::Length)?;
        if usize::from(count) > MAX_HAND_OVERS {
            return Err(BundleError::HandOvers);
        }
        let (records, rest) = take_chunks(rest, usize::from(count)).ok_or(BundleError::Length)?;
        Ok((Unended(records), rest))
    }

    /// All of them, oldest first.
    pub fn iter(self) -> impl Iterator<Item = HandOver> + 'a {
        let ends = self.records.iter().skip(1).map(old_key).chain([self.signer]);
        self.records.iter().zip(ends).map(|(record, to)| {
            let signature = record.last_chunk().copied().unwrap_or([0; SIGNATURE_BYTES]);
            HandOver { from: old_key(record), to, signature }
        })
    }
}

impl<'a> Unended<'a> {
    /// With the last key of the line. Each may stand in it once: a key that has stepped down does not come back.
    pub fn ending_with(self, signer: PublicKey) -> Result<HandOvers<'a>, BundleError> {
        let line = HandOvers { records: self.0, signer };
        for (place, step) in line.iter().enumerate() {
            if line.iter().skip(place).any(|later| later.to == step.from) {
                return Err(BundleError::HandOvers);
            }
        }
        Ok(line)
    }
}

fn old_key(record: &[u8; HAND_OVER_BYTES]) -> PublicKey {
    PublicKey(record.first_chunk().copied().unwrap_or([0; 32]))
}
