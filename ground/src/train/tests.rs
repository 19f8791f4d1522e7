use std::fmt::Write as _;
use std::fs;

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::window::WindowLength;

use super::*;
use crate::config::{Auto, MaxSamples};
use crate::history::{self, ReadOptions};

/// `(window, point, description, fail, success)` as a file, read back.
pub(super) fn aggregates(rows: &[(u32, &str, &str, u32, u32)]) -> Aggregates {
    let folder = tempfile::tempdir().expect("a folder");
    let mut text = "edr_date,edr_point,description,state\n".to_owned();
    for (window, point, description, fail, success) in rows {
        let (hour, minute) = (window * 5 / 60, window * 5 % 60);
        for (state, count) in [("FAIL", fail), ("SUCCESS", success)] {
            for _ in 0..*count {
                writeln!(text, "2026-11-21 {hour:02}:{minute:02}:00,{point},{description},{state}")
                    .expect("text");
            }
        }
    }
    fs::write(folder.path().join("e_261121_235959.csv"), text).expect("written");
    let history = history::open(
        &format!("file://{}", folder.path().display()),
        "e",
        crate::config::HistoryConfig::default().timeout(),
    )
    .expect("a folder");
    let files = history.list().expect("a listing").files;
    let options = ReadOptions { window: WindowLength::FIVE_MINUTES, max_line_bytes: 1000, strict: true };
    history::aggregate(&*history, &files, &options, &|| ()).expect("counted")
}

/// 200 windows of one key around 10 %, and one at 90 %.
pub(super) fn usual() -> Aggregates {
    let mut rows: Vec<_> = (0..200).map(|window| (window, "DHCP", "x", 1 + window % 3, 18)).collect();
    rows.push((201, "DHCP", "x", 18, 2));
    rows.push((202, "AUTH", "once", 1, 3));
    aggregates(&rows)
}

pub(super) fn train(aggregates: &Aggregates, change: impl FnOnce(&mut RetrainConfig)) -> Training {
    let mut config = RetrainConfig::default();
    change(&mut config);
    Training::of(aggregates, &config).expect("trained")
}

#[test]
fn statistics_are_those_of_the_rates_of_a_keys_rows() {
    // 1 of 800 is 0.125 %, rounded up to 0.13; 7 of 160 is 4.375 %, rounded up to 4.38.
    let training =
        train(&aggregates(&[(0, "A", "x", 1, 799), (1, "A", "x", 7, 153), (0, "B", "y", 1, 1)]), |_| ());
    let [first, second] = training.statistics[..] else { panic!("two keys") };
    assert_eq!((first.samples, second.samples), (2, 1));
    assert!((first.mean_rate - 2.255).abs() < 1e-12);
    assert!((first.std_rate.expect("two rows") - 4.25 / 2.0_f64.sqrt()).abs() < 1e-12);
    assert_eq!((second.mean_rate, second.std_rate), (50.0, None));
}

#[test]
fn the_rate_that_stands_apart_scores_lowest() {
    let training = train(&usual(), |_| ());
    let score = |fail, success| {
        training.score(Counts { fail, success }.rate().expect("attempts")).expect("in training").0
    };
    assert!(score(18, 2) < -0.7);
    assert!(score(2, 18) > score(18, 2) + 0.2);
    assert_eq!(training.offset, AUTO_OFFSET);
    assert_eq!(training.score(Rate::from_hundredths(7777).expect("a rate")), None);
}

#[test]
fn a_forest_follows_from_its_random_state_alone() {
    let rows = usual();
    let on = |threads: usize, random_state| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| train(&rows, |config| config.random_state = random_state)).forest.bytes
    };
    assert_eq!(on(1, 42), on(5, 42));
    assert_ne!(on(2, 42), on(2, 43));
}

#[test]
fn neighbouring_random_states_share_no_tree() {
    let values: Vec<f32> = (0..1000).map(|n| (n * n % 977) as f32).collect();
    let rows = TrainingRows::new(1, &values).expect("rows");
    let trees = |random_state| -> Vec<Vec<u8>> {
        let settings = |trees| ForestSettings { trees, max_samples: 64, random_state };
        let parts = grow_forest(&rows, &settings(20)).expect("a forest");
        let mut starts: Vec<u32> = parts
            .bytes
            .chunks(4)
            .take(20)
            .map(|bytes| u32::from_le_bytes(bytes.try_into().expect("four")))
            .collect();
        starts.push(parts.shape.nodes);
        let node = |start: u32| 80 + 8 * start as usize;
        // Only the thresholds: leaf places depend on the trees before.
        let thresholds = |tree: &[u32]| {
            parts.bytes[node(tree[0])..node(tree[1])].chunks(8).flat_map(|node| node[..4].to_vec()).collect()
        };
        starts.windows(2).map(thresholds).collect()
    };
    let (one, next) = (trees(7), trees(8));
    assert!(one.iter().all(|tree| !next.contains(tree)));
    assert!((0..20).all(|at| !one[at + 1..].contains(&one[at])));
}

#[test]
fn contamination_is_the_share_of_training_rows_below_the_offset() {
    let rows = usual();
    let training = train(&rows, |config| config.contamination = Contamination::Share(0.1));
    let scores =
        rows.rows().map(|row| training.score(row.counts.rate().expect("attempts")).expect("trained"));
    let anomalies = scores.filter(|score| score.is_anomaly(training.offset)).count();
    // Equal rates share a score, so the share is met at most, not exactly.
    assert!((1..=20).contains(&anomalies), "{anomalies} of 202");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let rows = usual();
    let refused = |change: fn(&mut RetrainConfig)| {
        let mut config = RetrainConfig::default();
        change(&mut config);
        Training::of(&rows, &config).expect_err("refused").to_string()
    };
    assert!(refused(|config| config.n_estimators = 0).contains("n_estimators"));
    assert!(refused(|config| config.max_samples = MaxSamples::Rows(0)).contains("max_samples"));
    assert!(refused(|config| config.max_samples = MaxSamples::Share(1.5)).contains("max_samples"));
    assert!(refused(|config| config.contamination = Contamination::Share(0.6)).contains("contamination"));
    let nothing = Training::of(&aggregates(&[(0, "A", "", 0, 5)]), &RetrainConfig::default());
    assert_eq!(nothing.err(), Some(TrainError::NoRows));
}

#[test]
fn max_samples_is_taken_as_scikit_learn_takes_it() {
    let samples = |max_samples, rows| {
        let config = RetrainConfig { max_samples, ..RetrainConfig::default() };
        ForestSettings::from_config(&config, rows).expect("settings").max_samples
    };
    assert_eq!(samples(MaxSamples::Auto(Auto::Auto), 1000), 256);
    assert_eq!(samples(MaxSamples::Auto(Auto::Auto), 100), 100);
    assert_eq!(samples(MaxSamples::Rows(300), 100), 100);
    assert_eq!(samples(MaxSamples::Share(0.25), 101), 25);
}

#[test]
fn a_single_training_row_makes_a_model_too() {
    let training = train(&aggregates(&[(0, "A", "x", 1, 1)]), |_| ());
    let (forest, _) = Forest::open(training.forest.shape, &training.forest.bytes).expect("a forest");
    assert_eq!(forest.score(&[50.0]).0, -0.5);
}

#[test]
fn the_evaluation_counts_what_the_detectors_say() {
    let rows = usual();
    let training = train(&rows, |_| ());
    let evaluation = Evaluation::of(&rows, &training, ModelVersion(1), 3.0);
    assert_eq!(
        (evaluation.rows, evaluation.keys, evaluation.keys_with_z, evaluation.windows),
        (202, 2, 1, 202)
    );
    assert_eq!((evaluation.anomaly_z, evaluation.anomaly_both), (1, 1));
    assert!(evaluation.anomaly_iforest >= 1);
    let percents: Vec<u8> =
        evaluation.score_percentiles.iter().map(|percentile| percentile.percent).collect();
    assert_eq!(percents, [0, 1, 5, 25, 50, 75, 95, 99, 100]);
    assert!(evaluation.score_percentiles.is_sorted_by(|a, b| a.score <= b.score));
}
