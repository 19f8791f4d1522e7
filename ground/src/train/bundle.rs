//! Makes the signed bundle of what training computed.

use cabinwatch_shared::model::{
    AgentRelease, BundleContents, CatalogueRow, GoldenRow, Header, KeyIndex, Limits, Model, ModelVersion,
    SelfTestError, SignedBundle, write_body, write_unsigned,
};
use cabinwatch_shared::time::UnixSeconds;

use super::Training;
use super::keys::SigningPair;
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

/// Makes a bundle, signs it, and opens it again as an agent would.
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
    let text_bytes: usize =
        catalogue.iter().map(|(key, _)| key.edr_point.len() + key.description.len()).sum();
    let header = Header {
        version: settings.version,
        created: settings.created,
        expires: UnixSeconds(settings.created.0.saturating_add(i64::from(settings.valid_days) * DAY_SECONDS)),
        cohort: settings.cohort,
        minimum_agent: MINIMUM_AGENT,
        window_seconds: aggregates.window_length().as_seconds(),
        z_threshold: settings.z_threshold,
        forest_offset: training.offset,
        forest: training.forest.shape,
        keys: catalogue.len() as u32,
        text_bytes: u32::try_from(text_bytes).unwrap_or(u32::MAX),
        golden_rows: 0,
    };
    let mut contents =
        BundleContents { header, catalogue: &catalogue, forest: &training.forest.bytes, golden: &[] };
    let untested = body(&contents)?;
    let golden = golden_rows(&Model::open(&untested, &Limits::GROUND)?, aggregates);
    contents.header.golden_rows = golden.len() as u16;
    contents.golden = &golden;
    let body = body(&contents)?;
    let mut bundle = Vec::with_capacity(body.len() + 128);
    write_unsigned(signer.public(), &body, &mut bundle);
    bundle.extend(signer.sign(&bundle));
    let verified = SignedBundle::parse(&bundle, &Limits::GROUND)?.verify(&[signer.public()])?;
    Model::open(verified, &Limits::GROUND)?.self_test()?;
    Ok(bundle)
}

fn body(contents: &BundleContents<'_>) -> Result<Vec<u8>, postcard::Error> {
    let mut body = Vec::new();
    write_body(contents, &mut body)?;
    Ok(body)
}

/// Training rows from the lowest to the highest rate, evenly spread, with the scores they get here.
fn golden_rows(model: &Model<'_>, aggregates: &Aggregates) -> Vec<GoldenRow> {
    let mut rows: Vec<AggregateRow<'_>> = aggregates.rows().collect();
    rows.sort_by_key(|row| row.counts.rate().map(|rate| rate.hundredths()));
    let last = rows.len().saturating_sub(1);
    let mut places: Vec<usize> = (0..GOLDEN_ROWS).map(|nth| last * nth / (GOLDEN_ROWS - 1)).collect();
    places.dedup();
    let golden = |place: usize| {
        let row = rows.get(place)?;
        let verdict = model.score(row.key, row.counts);
        Some(GoldenRow {
            key: KeyIndex(u32::try_from(row.key_place).ok()?),
            counts: row.counts,
            z: verdict.z.value(),
            forest: verdict.forest?.0,
            alarms: verdict.alarms,
        })
    };
    places.into_iter().filter_map(golden).collect()
}
