//! Writing a bundle. The ground does this once a day; it stands beside the reader so that the format has one place.

use super::envelope::MAGIC;
use super::{BUNDLE_VERSION, GoldenRow, HandOver, Header, PublicKey};
use crate::bytes::append_postcard;
use crate::fault_key::FaultKey;
use crate::zscore::KeyStatistics;

/// One catalogue row to write.
pub type CatalogueRow<'a> = (FaultKey<'a>, KeyStatistics);

/// Everything a bundle holds. The counts in `header` must be those of the parts; [`super::Model::open`] of the
/// written body is the check.
#[derive(Clone, Copy, Debug)]
pub struct BundleContents<'a> {
    /// The header.
    pub header: Header<'a>,
    /// Keys with statistics, sorted by point, then description.
    pub catalogue: &'a [CatalogueRow<'a>],
    /// The forest's bytes, as [`crate::forest::Forest::open`] reads them.
    pub forest: &'a [u8],
    /// Rows for the self-test.
    pub golden: &'a [GoldenRow],
}

/// Appends the body.
///
/// # Errors
/// When postcard refuses the header, which no header of ours makes it do.
pub fn write_body(contents: &BundleContents<'_>, out: &mut impl Extend<u8>) -> Result<(), postcard::Error> {
    append_postcard(&contents.header, out)?;
    let mut offset = 0_u32;
    for (key, statistics) in contents.catalogue {
        let (point_bytes, description_bytes) = (key.edr_point.len() as u32, key.description.len() as u32);
        out.extend(offset.to_le_bytes());
        out.extend(point_bytes.to_le_bytes());
        out.extend(description_bytes.to_le_bytes());
        out.extend(statistics.samples.to_le_bytes());
        out.extend(statistics.mean_rate.to_le_bytes());
        out.extend(statistics.std_rate.unwrap_or(f64::NAN).to_le_bytes());
        offset += point_bytes + description_bytes;
    }
    for (key, _) in contents.catalogue {
        out.extend(key.edr_point.bytes().chain(key.description.bytes()));
    }
    out.extend(contents.forest.iter().copied());
    contents.golden.iter().for_each(|row| out.extend(row.to_bytes()));
    Ok(())
}

/// Appends a body that differs from another one only in its header. The counts in the header must stay as they are.
///
/// # Errors
/// When the header does not decode, or postcard refuses the new one.
pub fn rewrite_header<'a>(
    body: &'a [u8],
    out: &mut impl Extend<u8>,
    change: impl FnOnce(Header<'a>) -> Header<'a>,
) -> Result<(), postcard::Error> {
    let (header, rest) = postcard::take_from_bytes(body)?;
    append_postcard(&change(header), out)?;
    out.extend(rest.iter().copied());
    Ok(())
}

/// Appends everything the signature will cover; the caller signs it and appends the signature. `hand_overs` lead from
/// the oldest key an aircraft may still trust to the signer, each to the next.
pub fn write_unsigned(hand_overs: &[HandOver], signer: PublicKey, body: &[u8], out: &mut impl Extend<u8>) {
    out.extend(MAGIC);
    out.extend([BUNDLE_VERSION, hand_overs.len() as u8]);
    hand_overs.iter().for_each(|step| out.extend(step.from.0.into_iter().chain(step.signature)));
    out.extend(signer.0);
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(body.iter().copied());
}
