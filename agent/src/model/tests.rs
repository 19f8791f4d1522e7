//! Bundles for tests, made and signed as the ground does it, and what becomes of them.

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::forest::{Child, ForestShape, Node, average_path_length, path_length};
use cabinwatch_shared::model::{
    BundleContents, GoldenRow, HandOver, Header, KeyIndex, statement, write_body, write_unsigned,
};
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
    /// A z score above this is an anomaly.
    pub(crate) z_threshold: f64,
    /// A forest score below this is an anomaly.
    pub(crate) forest_offset: f64,
    /// Bytes it is larger by.
    pub(crate) padding: usize,
    /// The keys that handed over, one to the next; the last to the signer.
    pub(crate) stepped_down: &'static [u8],
    pub(crate) signer: u8,
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn public(seed: u8) -> PublicKey {
    PublicKey(key(seed).verifying_key().to_bytes())
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
            z_threshold: 3.0,
            forest_offset: -0.5,
            padding: 0,
            stepped_down: &[],
            signer: 7,
        }
    }

    /// A model that alarms on every key it knows, whatever the rate.
    pub(crate) fn noisy(version: u32) -> Self {
        Self { z_threshold: -1000.0, forest_offset: 0.0, ..Self::version(version) }
    }

    /// Signed by another key, after hand-overs.
    pub(crate) fn signed_by(version: u32, signer: u8, stepped_down: &'static [u8]) -> Self {
        Self { signer, stepped_down, ..Self::version(version) }
    }

    /// One tree that isolates every rate above 50 %, and statistics for two keys.
    pub(crate) fn sign(&self) -> Vec<u8> {
        let refused = "refused".to_owned() + &"x".repeat(self.padding);
        let catalogue = [
            (FaultKey { edr_point: "DHCP", description: "no address" }, statistics(10.0, Some(2.0))),
            (FaultKey { edr_point: "DNS", description: &refused }, statistics(3.0, None)),
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
            z_threshold: self.z_threshold,
            forest_offset: self.forest_offset,
            forest: shape,
            keys: 2,
            text_bytes: ("DHCPno addressDNS".len() + refused.len()) as u32,
            golden_rows: 1,
        };
        let mut body = Vec::new();
        write_body(
            &BundleContents { header, catalogue: &catalogue, forest: &forest, golden: &golden },
            &mut body,
        )
        .expect("a body");
        let line: Vec<u8> = self.stepped_down.iter().copied().chain([self.signer]).collect();
        let hand_overs: Vec<HandOver> = line.windows(2).map(|pair| hand_over(pair[0], pair[1])).collect();
        let mut bundle = Vec::new();
        write_unsigned(&hand_overs, public(self.signer), &body, &mut bundle);
        let signature = key(self.signer).sign(&bundle);
        bundle.extend(signature.to_bytes());
        bundle
    }
}

fn hand_over(from: u8, to: u8) -> HandOver {
    let (from, to, signer) = (public(from), public(to), key(from));
    HandOver { from, to, signature: signer.sign(&statement(from, to)).to_bytes() }
}

fn statistics(mean_rate: f64, std_rate: Option<f64>) -> KeyStatistics {
    KeyStatistics { samples: if std_rate.is_some() { 40 } else { 1 }, mean_rate, std_rate }
}

pub(crate) fn demands() -> Demands {
    Demands {
        trusted: vec![public(7)],
        limits: Limits::AGENT,
        cohort: Cohort::fleet(),
        window_seconds: 300,
        trial: TrialRules { windows: 3, verdicts: 8, max_alarm_percent: 20, max_alone_percent: 98 },
    }
}

/// Offered to an agent that uses model 2.
fn offered(bundle: &[u8]) -> Result<CheckedModel, Refused> {
    check_offer(bundle, &demands(), &ModelMemory::default(), ModelVersion(2), NOW)
        .map(|accepted| accepted.model)
}

fn refused(draft: &Draft) -> Refused {
    offered(&draft.sign()).expect_err("refused")
}

#[test]
fn a_good_bundle_passes_and_scores() {
    let checked = offered(&Draft::version(3).sign()).expect("good");
    assert_eq!(checked.version(), ModelVersion(3));
    let model = checked.view().expect("opens");
    let key = FaultKey { edr_point: "DHCP", description: "no address" };
    assert!(model.score(key, Counts { fail: 9, success: 1 }).alarms.confirmed());
}

#[test]
fn each_flaw_has_its_outcome_and_the_version_is_named_once_it_is_believed() {
    let outcome = |draft: &Draft| (refused(draft).refusal.outcome(), refused(draft).version.0);
    let good = || Draft::version(3);
    assert_eq!(outcome(&Draft { signer: 8, ..good() }), (ModelOutcome::Untrusted, 0));
    assert_eq!(outcome(&Draft::version(2)), (ModelOutcome::NotForUs, 2));
    assert_eq!(outcome(&Draft { cohort: "canary", ..good() }), (ModelOutcome::NotForUs, 3));
    assert_eq!(outcome(&Draft { expires: 1_795_000_000, ..good() }), (ModelOutcome::NotForUs, 3));
    assert_eq!(outcome(&Draft { window_seconds: 60, ..good() }), (ModelOutcome::NotForUs, 3));
    assert_eq!(
        outcome(&Draft { minimum_agent: AgentRelease(99, 0, 0), ..good() }),
        (ModelOutcome::NotForUs, 3)
    );
    assert_eq!(outcome(&Draft { golden_forest: -0.4, ..good() }), (ModelOutcome::SelfTestFailed, 3));
    let junk = offered(b"junk").expect_err("refused");
    assert_eq!(junk.refusal.outcome(), ModelOutcome::Unreadable);
}

#[test]
fn a_changed_byte_is_refused() {
    let mut bundle = Draft::version(3).sign();
    let middle = bundle.len() / 2;
    bundle[middle] ^= 1;
    let changed = offered(&bundle).expect_err("refused");
    assert_eq!(changed.refusal.outcome(), ModelOutcome::Untrusted);
}

#[test]
fn a_bundle_beyond_the_limits_is_refused_unread() {
    let demands = Demands { limits: Limits { bundle_bytes: 100, keys: 8 }, ..demands() };
    let bundle = Draft::version(3).sign();
    let large =
        check_offer(&bundle, &demands, &ModelMemory::default(), ModelVersion(0), NOW).expect_err("refused");
    assert_eq!(large.refusal.outcome(), ModelOutcome::Unreadable);
}

#[test]
fn the_model_in_use_is_known_again_but_another_one_of_its_version_is_not() {
    let bundle = Draft::version(3).sign();
    let (active, memory) = (offered(&bundle).expect("good"), ModelMemory::default());
    let judge = |bundle: &[u8]| judge(bundle, &demands(), &memory, Some(&active), NOW);
    assert_eq!(judge(&bundle), Offer::AlreadyActive);
    let other = Draft { expires: 1_900_000_001, ..Draft::version(3) }.sign();
    assert!(matches!(judge(&other), Offer::Refuse(_)));
}
