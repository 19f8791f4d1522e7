use std::os::unix::fs::MetadataExt as _;

use cabinwatch_shared::model::BundleError as BundleRefused;
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::time::UnixSeconds;

use super::*;
use crate::train::tests::{aggregates, train, usual};
use crate::train::{BundleSettings, bundle, keys, same_model};

fn canary() -> Cohort {
    "canary".parse().expect("a cohort")
}

fn model_config(dir: &Path) -> ModelConfig {
    ModelConfig { dir: dir.to_owned(), ..ModelConfig::default() }
}

fn retrain(folder: &ModelFolder, aggregates: &Aggregates) -> Result<ModelVersion, FolderError> {
    let version = folder.next_version()?;
    retrain_as(version, folder, aggregates)?;
    Ok(version)
}

fn retrain_as(
    version: ModelVersion,
    folder: &ModelFolder,
    aggregates: &Aggregates,
) -> Result<(), FolderError> {
    let training = train(aggregates, |_| ());
    let (signer, _) = folder.signing_pair()?;
    let settings = BundleSettings {
        version,
        created: UnixSeconds(1_795_000_000),
        valid_days: 90,
        cohort: "fleet",
        z_threshold: 3.0,
    };
    let bytes = bundle(aggregates, &training, &settings, &signer).expect("a bundle");
    let evaluation = Evaluation::of(aggregates, &training, version, 3.0);
    folder.write(aggregates, &training, &evaluation, &bytes, signer.public())
}

#[test]
fn a_folder_gets_a_model_that_agents_accept_and_versions_go_up() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = ModelFolder::of(&model_config(&dir.path().join("new"))).expect("named");
    let rows = usual();
    assert_eq!(retrain(&folder, &rows).expect("trained"), ModelVersion(1));
    assert_eq!(retrain(&folder, &rows).expect("trained"), ModelVersion(2));
    let bytes = folder.read_bundle().expect("there");
    let body = SignedBundle::parse(&bytes, &Limits::AGENT)
        .and_then(|bundle| bundle.verify(&[folder.trusted().expect("a key")]))
        .expect("signed");
    let model = Model::open(body, &Limits::AGENT).expect("a model");
    assert_eq!(model.self_test(), Ok(()));
    assert_eq!(model.golden_rows().count(), 20);
    assert_eq!(model.header().version, ModelVersion(2));
    let key = FaultKey { edr_point: "DHCP", description: "x" };
    assert!(model.score(key, Counts { fail: 18, success: 2 }).alarms.confirmed());
    let files = ["zscore_stats.csv", "evaluation.json", "signing.key", "signing.pub"];
    assert!(files.iter().all(|file| dir.path().join("new").join(file).exists()));
}

#[test]
fn a_damaged_or_foreign_bundle_is_never_scored_with() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = ModelFolder::of(&model_config(dir.path())).expect("named");
    assert!(matches!(folder.read_bundle(), Err(FolderError::NoModel(_))));
    retrain(&folder, &usual()).expect("trained");
    let mut bytes = folder.read_bundle().expect("there");
    let other = SigningPair::create(&dir.path().join("other.key")).expect("a key");
    let refused = folder.open_model(&bytes, &[other.public()]).expect_err("refused").to_string();
    assert!(refused.contains("model.cwm") && refused.contains("not among the trusted"), "{refused}");
    bytes[100] ^= 1;
    assert!(folder.open_model(&bytes, &[folder.trusted().expect("a key")]).is_err());
    fs::write(folder.bundle_path(), &bytes).expect("written");
    assert!(matches!(folder.next_version(), Err(FolderError::Bundle { .. })));
}

#[test]
fn of_two_trainings_at_once_only_the_first_leaves_its_model() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = ModelFolder::of(&model_config(dir.path())).expect("named");
    let both = folder.next_version().expect("free");
    retrain_as(both, &folder, &usual()).expect("the first");
    let first = folder.read_bundle().expect("there");
    let overtaken = retrain_as(both, &folder, &aggregates(&[(0, "A", "x", 1, 1)])).expect_err("the second");
    assert!(matches!(overtaken, FolderError::Overtaken { version: ModelVersion(1), .. }), "{overtaken}");
    assert_eq!(folder.read_bundle().expect("there"), first);
}

#[test]
fn what_a_killed_process_left_unfinished_is_gone_with_the_next_model() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = ModelFolder::of(&model_config(dir.path())).expect("named");
    make_folder(&folder.dir().join(PROMOTED_FOLDER)).expect("made");
    let left =
        [dir.path(), &dir.path().join(PROMOTED_FOLDER)].map(|dir| dir.join(durable::unfinished_name()));
    left.iter().for_each(|path| fs::write(path, "half a mod").expect("written"));
    retrain(&folder, &usual()).expect("trained");
    assert!(left.iter().all(|path| !path.exists()), "{left:?}");
}

#[test]
fn a_configured_key_signs_and_leaves_its_public_half_in_the_folder() {
    let dir = tempfile::tempdir().expect("a folder");
    let key = dir.path().join("fleet.key");
    let pair = SigningPair::create(&key).expect("a key");
    let config = ModelConfig { signing_key: key, ..model_config(&dir.path().join("model")) };
    let folder = ModelFolder::of(&config).expect("named");
    retrain(&folder, &usual()).expect("trained");
    assert_eq!(folder.trusted().expect("a key"), pair.public());
    let own = keys::read_public(&dir.path().join("model/signing.pub")).expect("there");
    assert_eq!(own, pair.public());
    assert!(!dir.path().join("model/signing.key").exists());
}

/// The bundle's version and cohort, for a reader that trusts this key.
fn opened(bundle: &[u8], trusted: PublicKey) -> Result<(ModelVersion, String), BundleRefused> {
    let body = SignedBundle::parse(bundle, &Limits::AGENT)?.verify(&[trusted])?;
    let model = Model::open(body, &Limits::AGENT)?;
    assert_eq!(model.self_test(), Ok(()));
    Ok((model.header().version, model.header().cohort.to_owned()))
}

#[test]
fn a_key_that_hands_over_signs_nothing_more_and_the_next_one_tells_of_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = model_config(&dir.path().join("model"));
    let folder = ModelFolder::of(&config).expect("named");
    retrain(&folder, &usual()).expect("trained");
    let first = folder.trusted().expect("a key");
    let path = dir.path().join("second.key");
    let new = SigningPair::create(&path).expect("a key");
    let second = new.public();
    let (bundle, version) = folder.hand_over_to(new).expect("handed over");
    assert_eq!((version, folder.read_bundle().expect("there")), (ModelVersion(2), bundle.clone()));
    for trusted in [first, second] {
        assert_eq!(opened(&bundle, trusted), Ok((version, "fleet".to_owned())));
    }
    // Where the model comes from is still known.
    assert!(matches!(folder.origin(version), Some(Origin::Trained(_))));
    assert!(matches!(retrain(&folder, &usual()), Err(FolderError::HandOver(_))));
    let folder = ModelFolder::of(&ModelConfig { signing_key: path, ..config }).expect("named");
    assert_eq!(retrain(&folder, &usual()).expect("trained"), ModelVersion(3));
    let bundle = folder.read_bundle().expect("there");
    assert!(opened(&bundle, first).is_ok() && opened(&bundle, second).is_ok());
    assert_eq!(folder.trusted_line().expect("the keys"), [first, second]);
}

#[test]
fn a_model_signed_again_is_the_same_model_under_a_version_nobody_else_gets() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = ModelFolder::of(&model_config(dir.path())).expect("named");
    retrain(&folder, &usual()).expect("trained");
    let (bundle, trusted) = (folder.read_bundle().expect("there"), folder.trusted().expect("a key"));
    let (signer, _) = folder.signing_pair().expect("a key");
    let again = reseal(&bundle, &[trusted], ModelVersion(7), Some("canary"), &signer).expect("signed again");
    assert_eq!(opened(&again, trusted), Ok((ModelVersion(7), "canary".to_owned())));
    assert!(same_model(&bundle, &again).expect("bundles"));
    folder.write_promoted(&canary(), ModelVersion(7), &again).expect("written");
    assert_eq!(folder.next_version().expect("free"), ModelVersion(8));
    retrain(&folder, &aggregates(&[(0, "A", "x", 1, 1)])).expect("trained");
    assert!(!same_model(&folder.read_bundle().expect("there"), &again).expect("bundles"));
    assert!(reseal(&bundle, &[PublicKey([1; 32])], ModelVersion(9), None, &signer).is_err());
}

/// The same model under another version, for the canaries.
fn signed_again(folder: &ModelFolder, version: ModelVersion) -> Vec<u8> {
    let (signer, _) = folder.signing_pair().expect("a key");
    let bundle = folder.read_bundle().expect("there");
    reseal(&bundle, &[signer.public()], version, Some("canary"), &signer).expect("signed again")
}

/// Runs `act` while another process holds the folder, and lets go once `act` waits for it, or is done without having
/// waited. `before_release` is what that other process does meanwhile.
fn while_held<T: Send>(
    folder: &ModelFolder,
    act: impl FnOnce() -> T + Send,
    before_release: impl FnOnce(),
) -> T {
    let held = folder.lock().expect("free");
    std::thread::scope(|scope| {
        let acting = scope.spawn(act);
        while !acting.is_finished() && !is_waited_for(&held) {
            std::thread::yield_now();
        }
        before_release();
        drop(held);
        acting.join().expect("no panic")
    })
}

/// Whether somebody waits for the lock on a file, as the kernel tells.
fn is_waited_for(file: &File) -> bool {
    let inode = format!(":{} ", file.metadata().expect("a file").ino());
    let locks = fs::read_to_string("/proc/locks").expect("the kernel's list");
    locks.lines().any(|lock| lock.contains("->") && lock.contains(&inode))
}

#[test]
fn a_hand_over_waits_for_a_promotion_and_takes_the_version_after_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = ModelFolder::of(&model_config(&dir.path().join("model"))).expect("named");
    retrain(&folder, &usual()).expect("trained");
    let promoted = signed_again(&folder, ModelVersion(2));
    make_folder(&folder.dir().join(PROMOTED_FOLDER)).expect("made");
    let new = SigningPair::create(&dir.path().join("second.key")).expect("a key");
    let handed_over = while_held(
        &folder,
        || folder.hand_over_to(new),
        || fs::write(folder.promoted_path(&canary()), &promoted).expect("written"),
    );
    let (_, version) = handed_over.expect("handed over");
    assert_eq!(version, ModelVersion(3));
}

#[test]
fn a_promotion_waits_for_a_training_and_gives_way_to_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = ModelFolder::of(&model_config(dir.path())).expect("named");
    retrain(&folder, &usual()).expect("trained");
    let version = folder.next_version().expect("free");
    let promoted = signed_again(&folder, version);
    let trained = signed_again(&folder, version);
    let overtaken = while_held(
        &folder,
        || folder.write_promoted(&canary(), version, &promoted),
        || fs::write(folder.bundle_path(), &trained).expect("written"),
    );
    assert!(matches!(overtaken, Err(FolderError::Overtaken { version: ModelVersion(2), .. })));
    assert!(!folder.promoted_path(&canary()).exists());
}
