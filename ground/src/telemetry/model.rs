//! The model file: magic, version, checksum, header, forest. `docs/telemetry.md` specifies it.

use std::fmt;

use cabinwatch_shared::forest::{CheckedForest, Forest, ForestError, ForestShape};
use cabinwatch_shared::time::UnixSeconds;
use serde::{Deserialize, Serialize};

use super::features::{FEATURES, Features, Scaling};
use super::read::MAX_TEXT;
use crate::train::ForestParts;

/// The file's name in a model folder.
pub const MODEL_FILE: &str = "telemetry.cwt";
/// The format this program writes and reads.
pub const MODEL_VERSION: u8 = 1;
/// Largest file that is read.
pub const MAX_MODEL_BYTES: u64 = 64 << 20;
/// Most protocols a model knows.
pub const MAX_PROTOCOLS: usize = 4096;

const MAGIC: [u8; 4] = *b"CWTM";

/// Tells models apart: the checksum of the file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ModelId(pub u32);

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Why bytes are no model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Another file.
    #[error("it is no telemetry model")]
    NotAModel,
    /// Another format.
    #[error("it has format {0}; this program reads format {MODEL_VERSION}")]
    Version(u8),
    /// Damaged.
    #[error("its checksum does not match: it is damaged")]
    Checksum,
    /// A header that is none.
    #[error("its header is damaged: {0}")]
    Header(&'static str),
    /// A forest that is none.
    #[error("its forest is damaged: {0}")]
    Forest(#[from] ForestError),
}

/// What was learnt.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) id: ModelId,
    /// When it was trained.
    pub(super) trained: UnixSeconds,
    /// On how many rows.
    pub(super) rows: u64,
    pub(super) features: Features,
    /// A score below this is an anomaly.
    pub(super) offset: f64,
    pub(super) forest: CheckedForest<Box<[u8]>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header<'a> {
    trained: UnixSeconds,
    rows: u64,
    scalings: [Scaling; 3],
    offset: f64,
    forest: ForestShape,
    #[serde(borrow)]
    protocols: Vec<&'a str>,
}

/// Writes a model.
pub(super) fn encode(
    trained: UnixSeconds,
    rows: u64,
    features: &Features,
    offset: f64,
    forest: &ForestParts,
) -> Result<Vec<u8>, postcard::Error> {
    let header = Header {
        trained,
        rows,
        scalings: features.scalings,
        offset,
        forest: forest.shape,
        protocols: features.protocols.iter().map(AsRef::as_ref).collect(),
    };
    let mut content = postcard::to_extend(&header, Vec::new())?;
    content.extend(&forest.bytes);
    let mut file = MAGIC.to_vec();
    file.push(MODEL_VERSION);
    file.extend(crc32fast::hash(&content).to_le_bytes());
    file.extend(content);
    Ok(file)
}

/// Reads a model. Nothing in it is believed: a checksum tells damage, not intent.
pub(super) fn decode(file: &[u8]) -> Result<Model, DecodeError> {
    let rest = file.strip_prefix(&MAGIC).ok_or(DecodeError::NotAModel)?;
    let (&version, rest) = rest.split_first().ok_or(DecodeError::NotAModel)?;
    if version != MODEL_VERSION {
        return Err(DecodeError::Version(version));
    }
    let (checksum, content) = rest.split_first_chunk().ok_or(DecodeError::Checksum)?;
    let id = ModelId(u32::from_le_bytes(*checksum));
    if crc32fast::hash(content) != id.0 {
        return Err(DecodeError::Checksum);
    }
    let (header, forest): (Header<'_>, _) =
        postcard::take_from_bytes(content).map_err(|_| DecodeError::Header("it is cut short"))?;
    check(&header).map_err(DecodeError::Header)?;
    let (_, behind) = Forest::open(header.forest, forest)?;
    if !behind.is_empty() {
        return Err(DecodeError::Header("there is something behind the forest"));
    }
    Ok(Model {
        id,
        trained: header.trained,
        rows: header.rows,
        features: Features {
            scalings: header.scalings,
            protocols: header.protocols.into_iter().map(Box::from).collect(),
        },
        offset: header.offset,
        forest: CheckedForest::open(header.forest, Box::from(forest))?,
    })
}

fn check(header: &Header<'_>) -> Result<(), &'static str> {
    let sound =
        |scaling: &Scaling| scaling.mean.is_finite() && scaling.scale.is_finite() && scaling.scale > 0.0;
    if !header.scalings.iter().all(sound) {
        return Err("a mean is not finite, or a scale not positive");
    }
    if !(-1.0..=0.0).contains(&header.offset) {
        return Err("the offset is not between -1 and 0");
    }
    if usize::from(header.forest.features) != FEATURES {
        return Err("the forest is one for other features");
    }
    if header.protocols.len() > MAX_PROTOCOLS || header.protocols.iter().any(|name| name.len() > 4 * MAX_TEXT)
    {
        return Err("there are too many protocols, or one is too long");
    }
    if !header.protocols.is_sorted_by(|one, next| one < next) {
        return Err("the protocols are not sorted");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
