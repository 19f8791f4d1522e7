//! The fault keys a model knows, sorted, with their statistics.

use core::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::BundleError;
use crate::bytes::{take_array, take_bytes, take_chunks};
use crate::fault_key::FaultKey;
use crate::zscore::KeyStatistics;

/// Bytes of one entry: text offset (4), point length (4), description length (4), samples (8), mean (8),
/// deviation (8), all little-endian; a deviation that is no number means there is none.
pub const KEY_RECORD_BYTES: usize = 36;

/// A key's place in the catalogue: how a frame names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyIndex(pub u32);

/// One key and its statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CatalogueEntry<'a> {
    /// The key.
    pub key: FaultKey<'a>,
    /// Its statistics.
    pub statistics: KeyStatistics,
}

/// The catalogue on borrowed bytes: sorted by point, then description, each key once.
#[derive(Clone, Copy, Debug)]
pub struct Catalogue<'a> {
    records: &'a [[u8; KEY_RECORD_BYTES]],
    text: &'a str,
}

impl<'a> Catalogue<'a> {
    pub(super) fn open(keys: u32, text_bytes: u32, bytes: &'a [u8]) -> Result<(Self, &'a [u8]), BundleError> {
        let (records, rest) = take_chunks(bytes, keys as usize).ok_or(BundleError::Length)?;
        let (text, rest) = take_bytes(rest, text_bytes as usize).ok_or(BundleError::Length)?;
        let text = core::str::from_utf8(text).map_err(|_| BundleError::Catalogue(0))?;
        let catalogue = Self { records, text };
        let mut before: Option<FaultKey<'a>> = None;
        for index in 0..keys {
            let garbled = BundleError::Catalogue(index);
            let entry = catalogue.entry(KeyIndex(index)).ok_or(garbled)?;
            let numbers_ok = entry.statistics.mean_rate.is_finite()
                && entry.statistics.std_rate.is_none_or(|std_rate| std_rate.is_finite() && std_rate >= 0.0);
            if !numbers_ok || before.is_some_and(|before| before >= entry.key) {
                return Err(garbled);
            }
            before = Some(entry.key);
        }
        Ok((catalogue, rest))
    }

    /// How many keys there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The entry at a place.
    #[must_use]
    pub fn entry(&self, index: KeyIndex) -> Option<CatalogueEntry<'a>> {
        let record = self.records.get(index.0 as usize)?;
        let key = self.key_of(record)?;
        let (_, numbers) = take_bytes(record, 12)?;
        let (samples, numbers) = take_array(numbers)?;
        let (mean_rate, numbers) = take_array(numbers)?;
        let (std_rate, _) = take_array(numbers)?;
        let std_rate = f64::from_le_bytes(*std_rate);
        let statistics = KeyStatistics {
            samples: u64::from_le_bytes(*samples),
            mean_rate: f64::from_le_bytes(*mean_rate),
            std_rate: (!std_rate.is_nan()).then_some(std_rate),
        };
        Some(CatalogueEntry { key, statistics })
    }

    /// Finds a key by its text.
    #[must_use]
    pub fn find(&self, key: FaultKey<'_>) -> Option<(KeyIndex, CatalogueEntry<'a>)> {
        let place = self.records.binary_search_by(|record| {
            // A key compares as its two texts; entries were checked when the catalogue was opened.
            self.key_of(record).map_or(Ordering::Less, |known| {
                (known.edr_point, known.description).cmp(&(key.edr_point, key.description))
            })
        });
        let index = KeyIndex(u32::try_from(place.ok()?).ok()?);
        self.entry(index).map(|entry| (index, entry))
    }

    /// All entries, in order.
    pub fn entries(&self) -> impl Iterator<Item = CatalogueEntry<'a>> + '_ {
        (0..self.records.len()).filter_map(|index| self.entry(KeyIndex(index as u32)))
    }

    fn key_of(&self, record: &[u8; KEY_RECORD_BYTES]) -> Option<FaultKey<'a>> {
        let (offset, rest) = take_array(record)?;
        let (point_bytes, rest) = take_array(rest)?;
        let (description_bytes, _) = take_array(rest)?;
        let text = self.text.get(u32::from_le_bytes(*offset) as usize..)?;
        let (edr_point, text) = text.split_at_checked(u32::from_le_bytes(*point_bytes) as usize)?;
        let (description, _) = text.split_at_checked(u32::from_le_bytes(*description_bytes) as usize)?;
        Some(FaultKey { edr_point, description })
    }
}
