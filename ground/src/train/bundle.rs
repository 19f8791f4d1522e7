//! Makes the signed bundle of what training computed.

use cabinwatch_shared::model::{
    AgentRelease, BundleContents, CatalogueRow, GoldenRow, Header, KeyIndex, Limits, Model, ModelVersion,
    SelfTestError, write_body,
};
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::window::WindowLength;

use super::keys::SigningPair;
use super::pack::ForestParts;
use super::{Training, reseal};
use crate::history::{AggregateRow, Aggregates};

/// Rows an agent tests itself with.
const GOLDEN_ROWS: usize = 20;
/// The oldest agent that reads this format.
const MINIMUM_AGENT: AgentRelease = AgentRelease(0, 1, 0);
const DAY_SECONDS: i64 = 86_400;

/// What a bundle says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BundleSettings<'a> {
    /// Its version.
    pub version: ModelVersion,
    /// When it is made.
    pub created: UnixSeconds,
    /// For how many days it may be activated.
    pub valid_days: u32,
    /// Which aircraft it is for.
    pub cohort: &'a str,
    /// A z score above this is an anomaly.
    pub z_threshold: f64,
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A reader would refuse it.
    #[error("the trained model does not make a usable bundle: {0}")]
    Refused(#[from] cabinwatch_shared::model::BundleError),
    /// It fails its own test.
    #[error("the bundle fails its own self-test: {0}")]
    SelfTest(#[from] SelfTestError),
    /// The header does not encode.
    #[error("the bundle's header does not encode: {0}")]
    Encode(#[from] postcard::Error),
}

/// What a bundle is made of, whoever computed it.
#[derive(Clone, Copy, Debug)]
pub struct BundleParts<'a> {
    /// Keys with statistics, sorted by point, then description.
    pub catalogue: &'a [CatalogueRow<'a>],
    /// The windows the statistics are of.
    pub window: WindowLength,
    /// The forest over `fail_rate`.
    pub forest: &'a ForestParts,
    /// A forest score below this is an anomaly.
    pub forest_offset: f64,
    /// What agents test themselves with; at least one.
    pub golden: &'a [(KeyIndex, Counts)],
}

/// Makes the bundle of what training computed.
///
/// # Errors
/// When a reader would refuse it.
pub fn bundle(
    aggregates: &Aggregates,
    training: &Training,
    settings: &BundleSettings<'_>,
    signer: &SigningPair,
) -> Result<Vec<u8>, BundleError> {
    let catalogue: Vec<CatalogueRow<'_>> =
        aggregates.keys().zip(training.statistics.iter().copied()).collect();
    let parts = BundleParts {
        catalogue: &catalogue,
        window: aggregates.window_length(),
        forest: &training.forest,
        forest_offset: training.offset,
        golden: &golden_inputs(aggregates),
    };
    seal(&parts, settings, signer)
}

/// Makes a bundle, signs it, and opens it again as an agent would.
///
/// # Errors
/// When a reader would refuse it.
pub fn seal(
    parts: &BundleParts<'_>,
    settings: &BundleSettings<'_>,
    signer: &SigningPair,
) -> Result<Vec<u8>, BundleError> {
    let text_bytes: usize =
        parts.catalogue.iter().map(|(key, _)| key.edr_point.len() + key.description.len()).sum();
    let header = Header {
        version: settings.version,
        created: settings.created,
        expires: UnixSeconds(settings.created.0.saturating_add(i64::from(settings.valid_days) * DAY_SECONDS)),
        cohort: settings.cohort,
        minimum_agent: MINIMUM_AGENT,
        window_seconds: parts.window.as_seconds(),
        z_threshold: settings.z_threshold,
        forest_offset: parts.forest_offset,
        forest: parts.forest.shape,
        keys: u32::try_from(parts.catalogue.len()).unwrap_or(u32::MAX),
        text_bytes: u32::try_from(text_bytes).unwrap_or(u32::MAX),
        golden_rows: 0,
    };
    let mut contents =
        BundleContents { header, catalogue: parts.catalogue, forest: &parts.forest.bytes, golden: &[] };
    let untested = body(&contents)?;
    let golden = golden_rows(&Model::open(&untested, &Limits::GROUND)?, parts.golden);
    contents.header.golden_rows = golden.len() as u16;
    contents.golden = &golden;
    let body = body(&contents)?;
    reseal::sign(&body, signer)
}

fn body(contents: &BundleContents<'_>) -> Result<Vec<u8>, postcard::Error> {
    let mut body = Vec::new();
    write_body(contents, &mut body)?;
    Ok(body)
}

/// Training rows from the lowest to the highest rate, evenly spread.
fn golden_inputs(aggregates: &Aggregates) -> Vec<(KeyIndex, Counts)> {
    let mut rows: Vec<AggregateRow<'_>> = aggregates.rows().collect();
    rows.sort_by_key(|row| row.counts.rate().map(|rate| rate.hundredths()));
    let mut places: Vec<usize> = evenly_spread(rows.len()).collect();
    places.dedup();
    let input = |place: usize| {
        let row = rows.get(place)?;
        Some((KeyIndex(u32::try_from(row.key_place).ok()?), row.counts))
    };
    places.into_iter().filter_map(input).collect()
}

/// As many places of so many as there are golden rows, the first and the last among them.
pub(super) fn evenly_spread(of: usize) -> impl Iterator<Item = usize> {
    let last = of.saturating_sub(1);
    (0..GOLDEN_ROWS).map(move |nth| last * nth / (GOLDEN_ROWS - 1))
}

/// The inputs with the scores they get here.
fn golden_rows(model: &Model<'_>, inputs: &[(KeyIndex, Counts)]) -> Vec<GoldenRow> {
    let golden = |(key, counts): &(KeyIndex, Counts)| {
        let verdict = model.score(model.catalogue().entry(*key)?.key, *counts);
        Some(GoldenRow {
            key: *key,
            counts: *counts,
            z: verdict.z.value(),
            forest: verdict.forest?.0,
            alarms: verdict.alarms,
        })
    };
    inputs.iter().filter_map(golden).collect()
}
