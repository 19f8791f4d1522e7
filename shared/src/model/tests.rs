use std::vec::Vec;

use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;

use super::*;
use crate::forest::{Child, Node, path_length};
use crate::zscore::{KeyStatistics, ZStatus};

const DHCP: FaultKey<'static> = FaultKey { edr_point: "DHCP", description: "no address available" };
const DNS: FaultKey<'static> = FaultKey { edr_point: "DNS", description: "server failure" };

fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn public_key() -> PublicKey {
    PublicKey(signing_key().verifying_key().to_bytes())
}

/// One tree that isolates every rate above 50 %.
fn forest() -> (ForestShape, Vec<u8>) {
    let shape = ForestShape { features: 1, max_samples: 256, trees: 1, nodes: 1, lengths: 2 };
    let mut bytes = Vec::from(0_u32.to_le_bytes());
    bytes.extend(Node::pack(0, 50.0, Child::Leaf(1), Child::Leaf(0)).expect("in range").to_bytes());
    bytes.extend(path_length(1, 1).to_le_bytes());
    bytes.extend(path_length(1, 255).to_le_bytes());
    (shape, bytes)
}

fn golden() -> GoldenRow {
    let alarms = Alarms { z: true, forest: true };
    let counts = Counts { fail: 9, success: 1 };
    let forest = -libm::exp2(-1.0 / crate::forest::average_path_length(256));
    GoldenRow { key: KeyIndex(0), counts, z: Some(40.0), forest, alarms }
}

fn body(golden: &[GoldenRow]) -> Vec<u8> {
    let catalogue = [
        (DHCP, KeyStatistics { samples: 40, mean_rate: 10.0, std_rate: Some(2.0) }),
        (DNS, KeyStatistics { samples: 1, mean_rate: 3.0, std_rate: None }),
    ];
    let (shape, forest) = forest();
    let header = Header {
        version: ModelVersion(3),
        created: UnixSeconds(1_795_000_000),
        expires: UnixSeconds(1_797_592_000),
        cohort: "fleet",
        minimum_agent: AgentRelease(0, 1, 0),
        window_seconds: 300,
        z_threshold: 3.0,
        forest_offset: -0.5,
        forest: shape,
        keys: 2,
        text_bytes: 41,
        golden_rows: golden.len() as u16,
    };
    let mut body = Vec::new();
    write_body(&BundleContents { header, catalogue: &catalogue, forest: &forest, golden }, &mut body)
        .expect("a body");
    body
}

fn bundle() -> Vec<u8> {
    let mut bundle = Vec::new();
    write_unsigned(public_key(), &body(&[golden()]), &mut bundle);
    let signature = signing_key().sign(&bundle);
    bundle.extend(signature.to_bytes());
    bundle
}

fn verified(bundle: &[u8]) -> Result<&[u8], BundleError> {
    SignedBundle::parse(bundle, &Limits::AGENT)?.verify(&[public_key()])
}

#[test]
fn a_signed_bundle_opens_and_passes_its_own_test() {
    let bundle = bundle();
    let model = Model::open(verified(&bundle).expect("signed"), &Limits::AGENT).expect("a model");
    assert_eq!(model.self_test(), Ok(()));
    assert_eq!(model.catalogue().len(), 2);
}

#[test]
fn the_first_bytes_are_pinned() {
    let bundle = bundle();
    assert_eq!(bundle[..5], *b"CWMB\x01");
    assert_eq!(bundle[5..37], public_key().0);
    // The header: version 3, created, expires (both zigzag), cohort, minimum agent.
    let header = &bundle[41..];
    assert_eq!(header[..1], [3]);
    assert_eq!(header[1..6], [0x80, 0x9b, 0xec, 0xaf, 0x0d]);
    assert_eq!(header[11..17], *b"\x05fleet");
    assert_eq!(header[17..20], [0, 1, 0]);
    assert_eq!(header[20..22], [0xac, 0x02]);
    assert_eq!(header[22..30], 3.0_f64.to_le_bytes());
}

#[test]
fn a_row_gets_both_verdicts() {
    let body = body(&[golden()]);
    let model = Model::open(&body, &Limits::AGENT).expect("a model");
    let verdict = model.score(DHCP, Counts { fail: 9, success: 1 });
    assert_eq!(verdict.z, ZScore::Scored(40.0));
    assert!(verdict.alarms.confirmed());
    let unseen = FaultKey { edr_point: "PORTAL", description: "page not served" };
    assert_eq!(model.score(unseen, Counts { fail: 1, success: 9 }).z.status(), ZStatus::UnseenKey);
    assert_eq!(model.score(DNS, Counts { fail: 1, success: 9 }).z.status(), ZStatus::TooFewSamples);
}

#[test]
fn a_changed_byte_anywhere_breaks_the_signature_or_the_format() {
    let bundle = bundle();
    for place in 0..bundle.len() {
        let mut changed = bundle.clone();
        changed[place] ^= 0x10;
        assert!(verified(&changed).is_err(), "byte {place} can be changed unseen");
    }
}

#[test]
fn a_bundle_cut_anywhere_or_with_bytes_behind_it_is_refused() {
    let mut bundle = bundle();
    for end in 0..bundle.len() {
        assert!(SignedBundle::parse(&bundle[..end], &Limits::AGENT).is_err(), "cut at {end}");
    }
    bundle.push(0);
    assert_eq!(SignedBundle::parse(&bundle, &Limits::AGENT).err(), Some(BundleError::Length));
}

#[test]
fn only_pinned_keys_are_believed() {
    let bundle = bundle();
    let parsed = SignedBundle::parse(&bundle, &Limits::AGENT).expect("a bundle");
    assert_eq!(parsed.verify(&[PublicKey([1; 32])]).err(), Some(BundleError::UnknownSigner));
}

#[test]
fn limits_are_checked_before_anything_is_read() {
    let limits = Limits { bundle_bytes: 100, keys: 1 };
    assert!(matches!(SignedBundle::parse(&bundle(), &limits), Err(BundleError::TooLarge { limit: 100, .. })));
    let limits = Limits { bundle_bytes: 10_000, keys: 1 };
    let too_many = BundleError::TooLarge { limit: 1, unit: "fault keys" };
    assert_eq!(Model::open(&body(&[]), &limits).err(), Some(too_many));
}

#[test]
fn a_golden_row_that_scores_differently_fails_the_self_test() {
    let wrong = GoldenRow { forest: -0.4, ..golden() };
    let body = body(&[golden(), wrong]);
    let model = Model::open(&body, &Limits::AGENT).expect("a model");
    assert_eq!(model.self_test(), Err(SelfTestError::Differs(1)));
}

#[test]
fn a_model_for_others_is_refused_with_its_reason() {
    let body = body(&[golden()]);
    let model = Model::open(&body, &Limits::AGENT).expect("a model");
    let fits = Recipient {
        active: ModelVersion(2),
        now: Some(UnixMillis(1_795_100_000_000)),
        cohort: "fleet",
        agent: AgentRelease(0, 1, 0),
        window_seconds: 300,
    };
    assert_eq!(model.check_recipient(&fits), Ok(()));
    let refused = |recipient: Recipient<'_>| model.check_recipient(&recipient).expect_err("refused");
    assert_eq!(
        refused(Recipient { active: ModelVersion(3), ..fits }),
        NotForUs::NotNewer { offered: 3, active: 3 }
    );
    assert_eq!(refused(Recipient { cohort: "canary", ..fits }), NotForUs::Cohort);
    assert!(matches!(refused(Recipient { now: Some(UnixMillis(i64::MAX)), ..fits }), NotForUs::Expired(_)));
    assert!(matches!(refused(Recipient { agent: AgentRelease(0, 0, 9), ..fits }), NotForUs::AgentTooOld(_)));
    assert!(matches!(refused(Recipient { window_seconds: 60, ..fits }), NotForUs::WindowLength { .. }));
}

proptest! {
    #[test]
    fn any_bytes_are_a_model_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = SignedBundle::parse(&bytes, &Limits::AGENT);
        let _ = Model::open(&bytes, &Limits::AGENT);
    }

    #[test]
    fn a_damaged_body_is_a_model_or_an_error(place in 0_usize..300, value in any::<u8>()) {
        let mut body = body(&[golden()]);
        let place = place % body.len();
        body[place] = value;
        if let Ok(model) = Model::open(&body, &Limits::AGENT) {
            let _ = model.self_test();
        }
    }
}
