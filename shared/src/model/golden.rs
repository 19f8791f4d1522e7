//! Golden rows: a few inputs with the trainer's own answers, so that an agent can tell that it computes the same.

use super::{KeyIndex, Model};
use crate::bytes::take_array;
use crate::rate::Counts;
use crate::verdict::Alarms;

/// Bytes of one golden row: key (4), failures (8), successes (8), z (8, no number if none), forest score (8),
/// alarm bits (1), all little-endian.
pub const GOLDEN_RECORD_BYTES: usize = 37;

/// How far a score may differ: processors and math libraries round the last bit differently.
const TOLERANCE: f64 = 1e-9;

/// One golden row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GoldenRow {
    /// The key, by its place in the catalogue.
    pub key: KeyIndex,
    /// The counts.
    pub counts: Counts,
    /// The z score the trainer got.
    pub z: Option<f64>,
    /// The forest score the trainer got.
    pub forest: f64,
    /// The alarms the trainer got.
    pub alarms: Alarms,
}

/// Why the self-test failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelfTestError {
    /// A bundle without golden rows proves nothing.
    #[error("the bundle has no golden rows to test with")]
    Empty,
    /// A row that scores differently here.
    #[error("golden row {0} does not score here as it did where the model was trained")]
    Differs(usize),
}

impl GoldenRow {
    pub(super) fn to_bytes(self) -> [u8; GOLDEN_RECORD_BYTES] {
        let mut bytes = [0; GOLDEN_RECORD_BYTES];
        bytes[..4].copy_from_slice(&self.key.0.to_le_bytes());
        bytes[4..12].copy_from_slice(&self.counts.fail.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.counts.success.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.z.unwrap_or(f64::NAN).to_le_bytes());
        bytes[28..36].copy_from_slice(&self.forest.to_le_bytes());
        bytes[36] = self.alarms.bits();
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; GOLDEN_RECORD_BYTES]) -> Self {
        let eight = |at: usize| take_array::<8>(&bytes[at..]).map_or([0; 8], |(eight, _)| *eight);
        let four = take_array::<4>(bytes).map_or([0; 4], |(four, _)| *four);
        let z = f64::from_le_bytes(eight(20));
        Self {
            key: KeyIndex(u32::from_le_bytes(four)),
            counts: Counts { fail: u64::from_le_bytes(eight(4)), success: u64::from_le_bytes(eight(12)) },
            z: (!z.is_nan()).then_some(z),
            forest: f64::from_le_bytes(eight(28)),
            alarms: Alarms::from_bits(bytes[36]),
        }
    }
}

pub(super) fn self_test(model: &Model<'_>) -> Result<(), SelfTestError> {
    if model.golden.is_empty() {
        return Err(SelfTestError::Empty);
    }
    for (place, row) in model.golden_rows().enumerate() {
        let differs = SelfTestError::Differs(place);
        let entry = model.catalogue.entry(row.key).ok_or(differs)?;
        let verdict = model.score(entry.key, row.counts);
        let z_ok = match (verdict.z.value(), row.z) {
            (Some(ours), Some(theirs)) => close(ours, theirs),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        let forest_ok = verdict.forest.is_some_and(|score| close(score.0, row.forest));
        if !(z_ok && forest_ok && verdict.alarms == row.alarms) {
            return Err(differs);
        }
    }
    Ok(())
}

fn close(ours: f64, theirs: f64) -> bool {
    (ours - theirs).abs() <= TOLERANCE * theirs.abs().max(1.0)
}
