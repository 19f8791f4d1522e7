use std::fs;

use cabinwatch_shared::model::{AgentRelease, Limits, Model, Recipient, SignedBundle};
use cabinwatch_shared::time::UnixMillis;

use super::*;
use crate::config::ModelConfig;
use crate::train::folder::{ModelFolder, Origin};

/// One tree that isolates rates above 50 %.
const FOREST: &str = r#"{"format": "cabinwatch-forest", "version": 1, "scikit_learn": "1.9.1", "n_features": 1,
    "max_samples": 256, "offset": "-0.5", "trees": [
    {"children_left": [1, -1, -1], "children_right": [2, -1, -1], "feature": [0, -2, -2],
     "threshold": ["50.0", null, null], "n_node_samples": [256, 255, 1]}],
    "expected": {"rows": [["90.0"]], "scores": ["-0.9345794551089974"], "verdicts": [-1]}}"#;

const NOW: UnixSeconds = UnixSeconds(1_795_000_000);

fn imported() -> ImportedModel {
    let folder = tempfile::tempdir().expect("a folder");
    let statistics = folder.path().join("zscore_stats.csv");
    let text = "fault_key,mean_rate,std_rate\nPORTAL | LOGIN | x,10,2\nDHCP | y,40,\n";
    fs::write(&statistics, text).expect("written");
    ImportedModel {
        statistics: read_statistics(&statistics).expect("statistics"),
        forest: read_forest(FOREST.as_bytes()).expect("a forest"),
    }
}

fn write(folder: &ModelFolder, model: &ImportedModel) -> Vec<u8> {
    let (version, (signer, _)) =
        (folder.next_version().expect("free"), folder.signing_pair().expect("a key"));
    let settings =
        BundleSettings { version, created: NOW, valid_days: 90, cohort: "fleet", z_threshold: 3.0 };
    let bundle = model.bundle(WindowLength::FIVE_MINUTES, &settings, &signer).expect("a bundle");
    let record = ImportRecord {
        model_version: version,
        imported: NOW,
        statistics_file: "zscore_stats.csv".to_owned(),
        fault_keys: model.statistics.len(),
        catalogue_keys: model.catalogue().len(),
        forest_file: "FOREST.json".to_owned(),
        scikit_learn: model.forest.scikit_learn.clone(),
        compared_rates: model.forest.compared,
    };
    folder.write_imported(model, &record, &bundle, signer.public()).expect("written");
    bundle
}

#[test]
fn an_agent_takes_an_imported_bundle() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = ModelConfig { dir: dir.path().to_owned(), ..ModelConfig::default() };
    let folder = ModelFolder::of(&config).expect("named");
    let bundle = write(&folder, &imported());
    let signed = SignedBundle::parse(&bundle, &Limits::AGENT).expect("within an agent's limits");
    let body = signed.verify(&[folder.trusted().expect("a key")]).expect("signed by the folder's key");
    let model = Model::open(body, &Limits::AGENT).expect("a model");
    assert_eq!((model.self_test(), model.golden_rows().count()), (Ok(()), 20));
    let recipient = Recipient {
        floor: ModelVersion(0),
        now: Some(UnixMillis(NOW.0 * 1000)),
        cohort: "fleet",
        agent: AgentRelease(0, 1, 0),
        window_seconds: 300,
    };
    assert_eq!(model.check_recipient(&recipient), Ok(()));
    let high = Counts { fail: 90, success: 10 };
    // The text does not say where the point ends, so both ways are scored alike.
    for (edr_point, description) in [("PORTAL", "LOGIN | x"), ("PORTAL | LOGIN", "x")] {
        let verdict = model.score(FaultKey { edr_point, description }, high);
        assert!(verdict.alarms.confirmed() && verdict.z.value() == Some(40.0), "{edr_point}: {verdict:?}");
    }
    let single = model.score(FaultKey { edr_point: "DHCP", description: "y" }, high);
    assert!(!single.alarms.z && single.alarms.forest, "{single:?}");
}

#[test]
fn the_folder_says_where_its_model_comes_from_and_versions_go_up() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = ModelConfig { dir: dir.path().to_owned(), ..ModelConfig::default() };
    let folder = ModelFolder::of(&config).expect("named");
    fs::write(dir.path().join("evaluation.json"), "{\"model_version\": 1}").expect("written");
    write(&folder, &imported());
    assert!(!dir.path().join("evaluation.json").exists(), "it is about another model");
    assert!(matches!(folder.origin(ModelVersion(1)), Some(Origin::Imported(_))));
    assert_eq!(folder.origin(ModelVersion(2)), None);
    write(&folder, &imported());
    assert!(folder.origin(ModelVersion(1)).is_none() && folder.origin(ModelVersion(2)).is_some());
    let statistics = fs::read_to_string(dir.path().join("zscore_stats.csv")).expect("there");
    assert_eq!(statistics, "fault_key,mean_rate,std_rate\nDHCP | y,40.0,\nPORTAL | LOGIN | x,10.0,2.0\n");
}
