use std::vec::Vec;

use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;

use super::*;
use crate::forest::{Child, Node, path_length};
use crate::zscore::{KeyStatistics, ZStatus};

const DHCP: FaultKey<'static> = FaultKey { edr_point: "DHCP", description: "no address available" };
const DNS: FaultKey<'static> = FaultKey { edr_point: "DNS", description: "server failure" };

fn public_key() -> PublicKey {
    public(7)
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
    bundle_after(&[], 7)
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> PublicKey {
    PublicKey(key(seed).verifying_key().to_bytes())
}

/// What the key of `from` signs to step down.
fn hand_over(from: u8, to: u8) -> HandOver {
    let signature = key(from).sign(&statement(public(from), public(to))).to_bytes();
    HandOver { from: public(from), to: public(to), signature }
}

/// Signed by `signer`, with these hand-overs before it.
fn bundle_after(hand_overs: &[HandOver], signer: u8) -> Vec<u8> {
    let mut bundle = Vec::new();
    write_unsigned(hand_overs, public(signer), &body(&[golden()]), &mut bundle);
    let signature = key(signer).sign(&bundle);
    bundle.extend(signature.to_bytes());
    bundle
}

/// Whether a reader that trusts these keys believes it.
fn believed(bundle: &[u8], trusted: &[u8]) -> Result<(), BundleError> {
    let trusted: Vec<PublicKey> = trusted.iter().map(|seed| public(*seed)).collect();
    SignedBundle::parse(bundle, &Limits::AGENT)?.verify(&trusted).map(drop)
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
    assert_eq!(bundle[..6], *b"CWMB\x02\0");
    assert_eq!(bundle[6..38], public_key().0);
    // The header: version 3, created, expires (both zigzag), cohort, minimum agent.
    let header = &bundle[42..];
    assert_eq!(header[..1], [3]);
    assert_eq!(header[1..6], [0x80, 0x9b, 0xec, 0xaf, 0x0d]);
    assert_eq!(header[11..17], *b"\x05fleet");
    assert_eq!(header[17..20], [0, 1, 0]);
    assert_eq!(header[20..22], [0xac, 0x02]);
    assert_eq!(header[22..30], 3.0_f64.to_le_bytes());
}

#[test]
fn the_bytes_of_a_hand_over_are_pinned() {
    let step = hand_over(6, 7);
    let bundle = bundle_after(&[step], 7);
    assert_eq!(bundle[..6], *b"CWMB\x02\x01");
    assert_eq!(bundle[6..38], public(6).0);
    assert_eq!(bundle[38..102], step.signature);
    assert_eq!(bundle[102..134], public(7).0);
    let signed = statement(public(6), public(7));
    assert_eq!(signed[..22], *b"cabinwatch hand-over 1");
    assert_eq!((&signed[22..54], &signed[54..]), (&public(6).0[..], &public(7).0[..]));
    // ed25519 signatures are deterministic, so this pins what is signed.
    assert_eq!(step.signature[..8], [128, 24, 195, 252, 17, 34, 104, 45]);
}

#[test]
fn trust_follows_hand_overs_from_any_key_on_the_way() {
    let bundle = bundle_after(&[hand_over(1, 2), hand_over(2, 3)], 3);
    for trusted in [1, 2, 3] {
        assert_eq!(believed(&bundle, &[trusted]), Ok(()), "trusted key {trusted}");
    }
    assert_eq!(believed(&bundle, &[4]), Err(BundleError::UnknownSigner));
    let parsed = SignedBundle::parse(&bundle, &Limits::AGENT).expect("a bundle");
    assert!(parsed.hand_overs().eq([hand_over(1, 2), hand_over(2, 3)]));
}

#[test]
fn a_hand_over_that_the_old_key_did_not_sign_is_none() {
    let forged = HandOver { signature: hand_over(9, 2).signature, ..hand_over(1, 2) };
    assert_eq!(believed(&bundle_after(&[forged], 2), &[1]), Err(BundleError::Signature));
    // One for another key does not do either.
    let elsewhere = HandOver { to: public(2), ..hand_over(1, 3) };
    assert_eq!(believed(&bundle_after(&[elsewhere], 2), &[1]), Err(BundleError::Signature));
    // Nor does a later one make up for it.
    assert_eq!(believed(&bundle_after(&[forged, hand_over(2, 3)], 3), &[1]), Err(BundleError::Signature));
    // Whoever trusts a later key need not care what was before.
    assert_eq!(believed(&bundle_after(&[forged, hand_over(2, 3)], 3), &[2]), Ok(()));
}

#[test]
fn a_hand_over_alone_is_not_enough_the_new_key_must_have_signed_the_bundle() {
    let mut bundle = bundle_after(&[hand_over(1, 2)], 2);
    let signed = bundle.len() - SIGNATURE_BYTES;
    bundle.truncate(signed);
    let by_the_old_key = key(1).sign(&bundle);
    bundle.extend(by_the_old_key.to_bytes());
    assert_eq!(believed(&bundle, &[1]), Err(BundleError::Signature));
}

#[test]
fn a_key_stands_in_the_line_once_and_the_line_has_an_end() {
    for circle in [&[hand_over(1, 1)][..], &[hand_over(1, 2), hand_over(2, 1)]] {
        let bundle = bundle_after(circle, 1);
        assert_eq!(believed(&bundle, &[1]), Err(BundleError::HandOvers));
    }
    let line = |steps: u8| (1..=steps).map(|from| hand_over(from, from + 1)).collect::<Vec<_>>();
    assert_eq!(believed(&bundle_after(&line(16), 17), &[1]), Ok(()));
    assert_eq!(believed(&bundle_after(&line(17), 18), &[1]), Err(BundleError::HandOvers));
}

#[test]
fn a_changed_byte_in_a_hand_over_breaks_it() {
    let bundle = bundle_after(&[hand_over(1, 2)], 2);
    for place in 0..140 {
        let mut changed = bundle.clone();
        changed[place] ^= 0x10;
        assert!(believed(&changed, &[1]).is_err(), "byte {place} can be changed unseen");
    }
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
        floor: ModelVersion(2),
        now: Some(UnixMillis(1_795_100_000_000)),
        cohort: "fleet",
        agent: AgentRelease(0, 1, 0),
        window_seconds: 300,
    };
    assert_eq!(model.check_recipient(&fits), Ok(()));
    let refused = |recipient: Recipient<'_>| model.check_recipient(&recipient).expect_err("refused");
    assert_eq!(
        refused(Recipient { floor: ModelVersion(3), ..fits }),
        NotForUs::NotNewer { offered: 3, floor: 3 }
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
