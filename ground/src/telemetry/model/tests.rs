use cabinwatch_shared::forest::{Child, Node, path_length};
use proptest::prelude::*;

use super::*;

/// One tree that splits once, on the port.
fn forest() -> ForestParts {
    let shape = ForestShape { features: 4, max_samples: 2, trees: 1, nodes: 1, lengths: 1 };
    let node = Node::pack(0, 1.5, Child::Leaf(0), Child::Leaf(0)).expect("in range");
    let bytes = [&0_u32.to_le_bytes()[..], &node.to_bytes(), &path_length(1, 1).to_le_bytes()].concat();
    ForestParts { shape, bytes }
}

fn features() -> Features {
    let scaling = |mean, scale| Scaling { mean, scale };
    Features {
        scalings: [scaling(443.0, 1.0), scaling(0.5, 2.0), scaling(-1.0, 4.0)],
        protocols: ["TCP", "UDP"].map(Box::from).to_vec(),
    }
}

fn file() -> Vec<u8> {
    encode(UnixSeconds(1_793_491_200), 300, &features(), -0.5, &forest()).expect("encoded")
}

/// The same content with another checksum, so that the checks behind it are reached.
fn resealed(mut file: Vec<u8>) -> Vec<u8> {
    let checksum = crc32fast::hash(&file[9..]);
    file[5..9].copy_from_slice(&checksum.to_le_bytes());
    file
}

/// A file as if a program without checks had written it.
fn written(features: &Features, offset: f64, forest: &ForestParts) -> Option<DecodeError> {
    let file = encode(UnixSeconds(0), 1, features, offset, forest).expect("encoded");
    decode(&file).err()
}

#[test]
fn the_bytes_are_those_of_format_1() {
    let mut expected = b"CWTM\x01".to_vec();
    expected.extend([0x90, 0x9d, 0x11, 0x6f]);
    // Trained (zigzag varint), rows (varint).
    expected.extend([0x80, 0x84, 0xb4, 0xae, 0x0d, 0xac, 0x02]);
    for number in [443.0_f64, 1.0, 0.5, 2.0, -1.0, 4.0, -0.5] {
        expected.extend(number.to_le_bytes());
    }
    // Features, sample size, trees, nodes, lengths; then the protocols.
    expected.extend([4, 2, 1, 1, 1, 2, 3]);
    expected.extend(b"TCP\x03UDP");
    expected.extend([0; 4]);
    expected.extend([0x00, 0x20, 0x00, 0x08, 0x00, 0x00, 0xc0, 0x3f]);
    expected.extend(1.0_f64.to_le_bytes());
    assert_eq!(file(), expected);
}

#[test]
fn a_model_is_read_back() {
    let model = decode(&file()).expect("a model");
    assert_eq!((model.trained, model.rows, model.offset), (UnixSeconds(1_793_491_200), 300, -0.5));
    assert_eq!(model.features, features());
    assert_eq!(model.forest.forest().shape(), forest().shape);
    assert_eq!(model.id.to_string().len(), 8);
}

#[test]
fn every_changed_byte_is_noticed() {
    let file = file();
    for at in 0..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 0x10;
        assert!(decode(&damaged).is_err(), "byte {at}");
        assert!(decode(&file[..at]).is_err(), "cut at {at}");
    }
    assert_eq!(decode(b"CWMB\x02").err(), Some(DecodeError::NotAModel));
    assert_eq!(decode(b"CWTM\x02").err(), Some(DecodeError::Version(2)));
}

#[test]
fn a_header_that_makes_no_sense_is_refused_whatever_its_checksum() {
    let with = |change: fn(&mut Features)| {
        let mut features = features();
        change(&mut features);
        matches!(written(&features, -0.5, &forest()), Some(DecodeError::Header(_)))
    };
    assert!(with(|features| features.scalings[0].mean = f64::NAN));
    assert!(with(|features| features.scalings[1].scale = 0.0));
    assert!(with(|features| features.scalings[2].scale = f64::INFINITY));
    assert!(with(|features| features.protocols.reverse()));
    assert!(with(|features| features.protocols[1] = "TCP".into()));
    assert!(with(|features| features.protocols = vec!["x".repeat(5 * MAX_TEXT).into()]));
    assert!(matches!(written(&features(), f64::NAN, &forest()), Some(DecodeError::Header(_))));
    let mut longer = forest();
    longer.bytes.push(0);
    assert!(matches!(written(&features(), -0.5, &longer), Some(DecodeError::Header(_))));
    let mut other = forest();
    other.shape.features = 1;
    assert!(matches!(written(&features(), -0.5, &other), Some(DecodeError::Header(_))));
    let mut cut = forest();
    cut.bytes.pop();
    assert_eq!(written(&features(), -0.5, &cut), Some(DecodeError::Forest(ForestError::Truncated)));
}

proptest! {
    #[test]
    fn random_bytes_break_nothing(content in prop::collection::vec(any::<u8>(), 0..300), places in prop::collection::vec((9_usize..100, any::<u8>()), 0..4)) {
        let _ = decode(&content);
        let _ = decode(&resealed([b"CWTM\x01....".to_vec(), content].concat()));
        let mut changed = file();
        for (at, byte) in places {
            if let Some(place) = changed.get_mut(at) {
                *place = byte;
            }
        }
        if let Ok(model) = decode(&resealed(changed)) {
            let row = model.features.row_of([1, 2, 3], None);
            let score = model.forest.forest().score(&row).0;
            prop_assert!((-1.0..=0.0).contains(&score));
        }
    }
}
