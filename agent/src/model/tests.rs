//! Bundles for tests, made and signed as the ground does it, and what becomes of them.

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::forest::{Child, ForestShape, Node, average_path_length, path_length};
use cabinwatch_shared::model::{BundleContents, GoldenRow, Header, KeyIndex, write_body, write_unsigned};
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::Alarms;
use cabinwatch_shared::zscore::KeyStatistics;
use ed25519_dalek::{Signer, SigningKey};

use super::*;

const NOW: UnixMillis = UnixMillis(1_795_248_600_000);

/// A bundle to be: everything is right unless a test changes it.
pub(crate) struct Draft {
    pub(crate) version: u32,
    pub(crate) cohort: &'static str,
    pub(crate) expires: i64,
    pub(crate) minimum_agent: AgentRelease,
    pub(crate) window_seconds: u32,
    pub(crate) golden_forest: f64,
    pub(crate) signer: [u8; 32],
}

impl Draft {
    pub(crate) fn version(version: u32) -> Self {
        Self {
            version,
            cohort: "fleet",
            expires: 1_900_000_000,
            minimum_agent: AgentRelease(0, 0, 1),
            window_seconds: 300,
            golden_forest: -(-1.0 / average_path_length(256)).exp2(),
            signer: [7; 32],
        }
    }

    /// One tree that isolates every rate above 50 %, and statistics for two keys.
    pub(crate) fn sign(&self) -> Vec<u8> {
        let catalogue = [
            (FaultKey { edr_point: "DHCP", description: "no address" }, statistics(10.0, Some(2.0))),
            (FaultKey { edr_point: "DNS", description: "refused" }, statistics(3.0, None)),
        ];
        let shape = ForestShape { features: 1, max_samples: 256, trees: 1, nodes: 1, lengths: 2 };
        let mut forest = Vec::from(0_u32.to_le_bytes());
        let node = Node::pack(0, 50.0, Child::Leaf(1), Child::Leaf(0)).expect("in range");
        forest.extend(node.to_bytes());
        forest.extend(path_length(1, 1).to_le_bytes());
        forest.extend(path_length(1, 255).to_le_bytes());
        let golden = [GoldenRow {
            key: KeyIndex(0),
            counts: Counts { fail: 9, success: 1 },
            z: Some(40.0),
            forest: self.golden_forest,
            alarms: Alarms { z: true, forest: true },
        }];
        let header = Header {
            version: ModelVersion(self.version),
            created: UnixSeconds(1_795_000_000),
            expires: UnixSeconds(self.expires),
            cohort: self.cohort,
            minimum_agent: self.minimum_agent,
            window_seconds: self.window_seconds,
            z_threshold: 3.0,
            forest_offset: -0.5,
            forest: shape,
            keys: 2,
            text_bytes: "DHCPno addressDNSrefused".len() as u32,
            golden_rows: 1,
        };
        let mut body = Vec::new();
        write_body(
            &BundleContents { header, catalogue: &catalogue, forest: &forest, golden: &golden },
            &mut body,
        )
        .expect("a body");
        let key = SigningKey::from_bytes(&self.signer);
        let mut bundle = Vec::new();
        write_unsigned(PublicKey(key.verifying_key().to_bytes()), &body, &mut bundle);
        let signature = key.sign(&bundle);
        bundle.extend(signature.to_bytes());
        bundle
    }
}

fn statistics(mean_rate: f64, std_rate: Option<f64>) -> KeyStatistics {
    KeyStatistics { samples: if std_rate.is_some() { 40 } else { 1 }, mean_rate, std_rate }
}

pub(crate) fn demands() -> Demands {
    Demands {
        trusted: vec![PublicKey(SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes())],
        limits: Limits::AGENT,
        cohort: "fleet".to_owned(),
        window_seconds: 300,
    }
}

fn refused(draft: &Draft) -> Refused {
    check(&draft.sign(), &demands(), ModelVersion(2), Some(NOW)).expect_err("refused")
}

#[test]
fn a_good_bundle_passes_and_scores() {
    let checked = check(&Draft::version(3).sign(), &demands(), ModelVersion(2), Some(NOW)).expect("good");
    assert_eq!(checked.version(), ModelVersion(3));
    let model = checked.view().expect("opens");
    let key = FaultKey { edr_point: "DHCP", description: "no address" };
    assert!(model.score(key, Counts { fail: 9, success: 1 }).alarms.confirmed());
}

#[test]
fn each_flaw_has_its_outcome_and_the_version_is_named_once_it_is_believed() {
    let outcome = |draft: &Draft| (refused(draft).refusal.outcome(), refused(draft).version.0);
    let good = || Draft::version(3);
    assert_eq!(outcome(&Draft { signer: [8; 32], ..good() }), (ModelOutcome::Untrusted, 0));
    assert_eq!(outcome(&Draft::version(2)), (ModelOutcome::NotForUs, 2));
    assert_eq!(outcome(&Draft { cohort: "canary", ..good() }), (ModelOutcome::NotForUs, 3));
    assert_eq!(outcome(&Draft { expires: 1_795_000_000, ..good() }), (ModelOutcome::NotForUs, 3));
    assert_eq!(outcome(&Draft { window_seconds: 60, ..good() }), (ModelOutcome::NotForUs, 3));
    assert_eq!(
        outcome(&Draft { minimum_agent: AgentRelease(99, 0, 0), ..good() }),
        (ModelOutcome::NotForUs, 3)
    );
    assert_eq!(outcome(&Draft { golden_forest: -0.4, ..good() }), (ModelOutcome::SelfTestFailed, 3));
    let junk = check(b"junk", &demands(), ModelVersion(0), None).expect_err("refused");
    assert_eq!(junk.refusal.outcome(), ModelOutcome::Unreadable);
}

#[test]
fn a_changed_byte_is_refused() {
    let mut bundle = Draft::version(3).sign();
    let middle = bundle.len() / 2;
    bundle[middle] ^= 1;
    let changed = check(&bundle, &demands(), ModelVersion(0), None).expect_err("refused");
    assert_eq!(changed.refusal.outcome(), ModelOutcome::Untrusted);
}

#[test]
fn a_bundle_beyond_the_limits_is_refused_unread() {
    let demands = Demands { limits: Limits { bundle_bytes: 100, keys: 8 }, ..demands() };
    let large = check(&Draft::version(3).sign(), &demands, ModelVersion(0), None).expect_err("refused");
    assert_eq!(large.refusal.outcome(), ModelOutcome::Unreadable);
}

#[test]
fn the_model_in_use_is_known_again_but_another_one_of_its_version_is_not() {
    let bundle = Draft::version(3).sign();
    let active = check(&bundle, &demands(), ModelVersion(0), Some(NOW)).expect("good");
    assert_eq!(judge(&bundle, &demands(), Some(&active), NOW), Offer::AlreadyActive);
    let other = Draft { expires: 1_900_000_001, ..Draft::version(3) }.sign();
    assert!(matches!(judge(&other, &demands(), Some(&active), NOW), Offer::Refuse(_)));
}
