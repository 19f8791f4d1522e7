//! An aircraft for tests: it writes frames and messages with the shared code, as an agent does, and a model to go
//! with them.

use std::sync::LazyLock;

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::forest::{Child, ForestShape, Node, path_length};
use cabinwatch_shared::model::{KeyIndex, ModelVersion};
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::Alarms;
use cabinwatch_shared::window::WindowLength;
use cabinwatch_shared::wire::{
    Encoding, Frame, FrameSeq, KnownRow, KnownRows, MessageHead, PointName, PointRow, SpelledRow, StreamId,
    WindowFrame, write_envelope_head, write_frame, write_head,
};
use cabinwatch_shared::zscore::KeyStatistics;

use crate::tables::KnownModel;
use crate::train::{BundleParts, BundleSettings, ForestParts, SigningPair, seal};

pub(super) const DHCP: FaultKey<'static> =
    FaultKey { edr_point: "DHCP", description: "no address available" };

/// The bytes of a frame.
pub(super) fn frame_bytes(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.write(&mut bytes).expect("encodes");
    bytes
}

/// A window of which all is spelled out, as from an agent without a model.
pub(super) fn spelled_window(number: i64) -> Vec<u8> {
    frame_bytes(&Frame::Window(WindowFrame {
        start: UnixSeconds(1_795_248_600 + 300 * number),
        length: 300,
        model: ModelVersion(0),
        points: [PointRow { point: PointName::Spelled("DHCP"), success: 1 }].into_iter().collect(),
        known: KnownRows::default(),
        spelled: core::iter::once(SpelledRow {
            edr_point: DHCP.edr_point,
            description: DHCP.description,
            fail: 9,
            alarms: 0,
        })
        .collect(),
    }))
}

/// A window of which the model's catalogue has all keys, with the alarms of the agent.
pub(super) fn known_window(number: i64, version: u32, alarms: Alarms) -> Vec<u8> {
    let row = KnownRow { key: KeyIndex(0), fail: 9, alarms };
    frame_bytes(&Frame::Window(WindowFrame {
        start: UnixSeconds(1_795_248_600 + 300 * number),
        length: 300,
        model: ModelVersion(version),
        points: [PointRow { point: PointName::Known(KeyIndex(0)), success: 1 }].into_iter().collect(),
        known: KnownRows::pack([row]).expect("in order"),
        spelled: core::iter::empty().collect(),
    }))
}

/// A message of frames with consecutive numbers.
pub(super) fn message(stream: u64, oldest: u64, first: u64, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    write_envelope_head(Encoding::Plain, &mut out);
    out.extend(content(stream, oldest, first, frames));
    out
}

/// The same, deflated.
pub(super) fn deflated(stream: u64, oldest: u64, first: u64, frames: &[Vec<u8>]) -> Vec<u8> {
    let content = content(stream, oldest, first, frames);
    let mut out = Vec::new();
    write_envelope_head(Encoding::Deflate { inflated: content.len() as u32 }, &mut out);
    out.extend(miniz_oxide::deflate::compress_to_vec(&content, 6));
    out
}

fn content(stream: u64, oldest: u64, first: u64, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    let (oldest, first) = (FrameSeq(oldest), FrameSeq(first));
    write_head(&MessageHead { stream: StreamId(stream), oldest, first }, &mut out).expect("encodes");
    frames.iter().for_each(|frame| write_frame(frame, &mut out).expect("fits"));
    out
}

/// A signed model that knows one key, expects 10 % of it with a deviation of 2, and isolates rates above 50 %.
pub(super) fn model(version: u32) -> KnownModel {
    static SIGNER: LazyLock<SigningPair> = LazyLock::new(|| {
        let folder = tempfile::tempdir().expect("a folder");
        SigningPair::create(&folder.path().join("signing.key")).expect("a key")
    });
    let mut forest = Vec::from(0_u32.to_le_bytes());
    forest.extend(Node::pack(0, 50.0, Child::Leaf(1), Child::Leaf(0)).expect("in range").to_bytes());
    forest.extend(path_length(1, 1).to_le_bytes());
    forest.extend(path_length(1, 255).to_le_bytes());
    let shape = ForestShape { features: 1, max_samples: 256, trees: 1, nodes: 1, lengths: 2 };
    let parts = BundleParts {
        catalogue: &[(DHCP, KeyStatistics { samples: 40, mean_rate: 10.0, std_rate: Some(2.0) })],
        window: WindowLength::FIVE_MINUTES,
        forest: &ForestParts { shape, bytes: forest },
        forest_offset: -0.5,
        golden: &[(KeyIndex(0), Counts { fail: 9, success: 1 })],
    };
    let version = ModelVersion(version);
    let settings = BundleSettings {
        version,
        created: UnixSeconds(1_795_000_000),
        valid_days: 90,
        cohort: "fleet",
        z_threshold: 3.0,
    };
    let bundle = seal(&parts, &settings, &SIGNER).expect("a bundle");
    KnownModel { version, cohort: "fleet".to_owned(), bundle }
}
