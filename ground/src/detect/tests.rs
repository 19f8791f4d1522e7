use std::fs;

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::window::WindowLength;
use cabinwatch_shared::zscore::{ZScore, ZStatus};

use super::*;
use crate::commands::detect::{DetectArgs, DetectError, run};
use crate::commands::retrain::{self, RetrainArgs};
use crate::config::Config;
use crate::history::HistoryError;
use crate::tables::{Query, open_to_read};
use crate::train::folder::ModelFolder;

const HEADER: &str = "edr_date,edr_point,description,state\n";

/// A world with its folders, and a model trained on known rates:
/// `A | x` has 10, 20 and 30 %; `A | once` a single row; `B | same` twice 50 %.
struct World {
    folder: tempfile::TempDir,
    config: Config,
}

fn rows(time: &str, point: &str, description: &str, fail: usize, success: usize) -> String {
    let row = |state: &str| format!("{time},{point},{description},{state}\n");
    row("FAIL").repeat(fail) + &row("SUCCESS").repeat(success)
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = |kind: &str, name: &str| format!("{kind}://{}", folder.path().join(name).display());
        let mut config = Config::default();
        config.history.url = url("file", "edr");
        config.history.prefix = "e".to_owned();
        config.model.dir = folder.path().join("model");
        config.tables.url = url("sqlite", "tables.db");
        config.mail.url = url("file", "mail");
        fs::create_dir(folder.path().join("edr")).expect("a folder");
        let world = Self { folder, config };
        let training = [
            rows("2026-11-01 00:00:00", "A", "x", 1, 9),
            rows("2026-11-01 00:05:00", "A", "x", 2, 8),
            rows("2026-11-01 00:10:00", "A", "x", 3, 7),
            rows("2026-11-01 00:15:00", "A", "once", 1, 1),
            rows("2026-11-01 00:20:00", "B", "same", 1, 1),
            rows("2026-11-01 00:25:00", "B", "same", 2, 2),
            rows("2026-11-01 00:30:00", "A | B", "c", 1, 4),
            rows("2026-11-01 00:35:00", "A | B", "c", 1, 3),
        ];
        world.file("261101_004000", &training.concat());
        retrain::run(&world.config, &RetrainArgs::default(), &mut Vec::new()).expect("trained");
        world
    }

    fn file(&self, cut: &str, rows: &str) {
        let path = self.folder.path().join("edr").join(format!("e_{cut}.csv"));
        fs::write(path, format!("{HEADER}{rows}")).expect("written");
    }

    fn detect(&self, now: &str) -> Result<(DetectSummary, String), DetectError> {
        let now = Some(cabinwatch_shared::time::UnixMillis::parse(now).expect("a date").seconds());
        let mut out = Vec::new();
        let summary = run(&self.config, &DetectArgs { now, ..DetectArgs::default() }, &mut out)?;
        Ok((summary, String::from_utf8(out).expect("text")))
    }

    fn scored(&self, files: &[(&str, String)]) -> Vec<ScoredWindow> {
        files.iter().for_each(|(cut, rows)| self.file(cut, rows));
        let history = crate::history::open(&self.config.history.url, "e", self.config.history.timeout())
            .expect("a folder");
        let files: Vec<_> = history
            .list()
            .expect("a listing")
            .files
            .into_iter()
            .filter(|f| f.cut.0 > 1_795_000_000)
            .collect();
        let options = crate::history::ReadOptions::from_config(&self.config.history).expect("options");
        let aggregates = crate::history::aggregate(&*history, &files, &options, &|| ()).expect("counted");
        let folder = ModelFolder::of(&self.config.model).expect("named");
        let bundle = folder.read_bundle().expect("there");
        let model = folder.open_model(&bundle, &[folder.trusted().expect("a key")]).expect("a model");
        score(&aggregates, &model, self.config.detect.z_threshold, WindowVersion::default())
            .expect("same windows")
    }
}

#[test]
fn every_row_is_scored_as_the_semantics_say() {
    let world = World::new();
    let windows = world.scored(&[(
        "261121_080500",
        [
            rows("2026-11-21 08:00:00", "A", "x", 6, 4),
            rows("2026-11-21 08:00:00", "A", "once", 10, 0),
            rows("2026-11-21 08:00:00", "B", "same", 9, 1),
            rows("2026-11-21 08:00:00", "A", "new", 1, 0),
            rows("2026-11-21 08:00:00", "A | B", "c", 1, 0),
            rows("2026-11-21 08:00:00", "C", "fine", 0, 3),
            rows("2026-11-21 08:05:00", "A", "x", 0, 2),
        ]
        .concat(),
    )]);
    assert_eq!(windows.len(), 2);
    let row = |description: &str| {
        windows[0].rows.iter().find(|row| row.description == description).expect("a row").clone()
    };
    // The point A has 4 successes for each of its keys: 6 of 10, 10 of 14, 1 of 5.
    let x = row("x");
    assert_eq!((x.counts.fail, x.counts.success), (6, 4));
    // Mean 20, sample deviation 10: (60 - 20) / 10.
    assert_eq!(x.verdict.z, ZScore::Scored(4.0));
    assert!(x.verdict.alarms.z);
    let once = row("once");
    assert_eq!((once.counts.fail, once.counts.success, once.verdict.z), (10, 4, ZScore::TooFewSamples));
    assert!(!once.verdict.alarms.z);
    assert_eq!(row("same").verdict.z.status(), ZStatus::ZeroVariance);
    assert!(!row("same").verdict.alarms.z);
    assert_eq!(row("new").verdict.z.status(), ZStatus::UnseenKey);
    // A point that holds the separator finds its own statistics and successes.
    assert_eq!(row("c").verdict.z.status(), ZStatus::Scored);
    assert_eq!((row("c").edr_point.as_str(), row("c").counts.success), ("A | B", 0));
    assert_eq!(windows[0].points, [("A".to_owned(), 4), ("B".to_owned(), 1), ("C".to_owned(), 3)]);
    assert_eq!((windows[1].rows.len(), &windows[1].points), (0, &vec![("A".to_owned(), 2)]));
    assert!(windows.iter().all(|window| window.tail == Tail::fleet() && window.model == ModelVersion(1)));
}

#[test]
fn the_configured_threshold_decides_and_it_is_strict() {
    let mut world = World::new();
    let files = [("261121_080500", rows("2026-11-21 08:00:00", "A", "x", 6, 4))];
    world.config.detect.z_threshold = 4.0;
    assert!(!world.scored(&files)[0].rows[0].verdict.alarms.z);
    world.config.detect.z_threshold = 3.999;
    assert!(world.scored(&files)[0].rows[0].verdict.alarms.z);
}

#[test]
fn a_run_reads_the_recent_files_writes_the_tables_and_mails() {
    let world = World::new();
    world.file("261121_080500", &rows("2026-11-21 08:00:00", "A", "x", 6, 4));
    world.file("261121_060000", &rows("2026-11-21 05:55:00", "A", "x", 10, 0));
    let (summary, out) = world.detect("2026-11-21T08:06:00Z").expect("detected");
    assert_eq!((summary.windows, summary.rows, summary.tables["zscore_all"]), (1, 1, 1));
    assert!(out.contains("zscore_all"), "{out}");
    let rows = |world: &World| {
        let tables = open_to_read(&world.config.tables.url, &world.config.tables).expect("tables");
        tables.rows(Table::ZscoreAll, &Query::default()).expect("rows")
    };
    let first = rows(&world);
    assert_eq!(first.len(), 1);
    assert_eq!(fs::read_dir(world.folder.path().join("mail")).expect("a folder").count(), 1);
    world.detect("2026-11-21T08:06:00Z").expect("detected again");
    assert_eq!(rows(&world), first);
}

/// As of an aircraft that boots with a wrong clock.
#[test]
fn a_row_with_a_date_long_ago_does_not_have_all_anomalies_since_then_reported_again() {
    let world = World::new();
    let many = rows("2026-11-21 08:00:00", "A", "x", 100, 0);
    world.file("261121_080500", &many);
    let mails = |out: &str| out.lines().find(|line| line.starts_with("Mail ")).expect("a mail").to_owned();
    let (_, out) = world.detect("2026-11-21T08:06:00Z").expect("detected");
    assert!(mails(&out).contains(" 1 confirmed anomaly"), "{out}");
    let calm = rows("2026-11-21 08:10:00", "A", "x", 2, 8) + &rows("1970-01-01 00:00:00", "A", "x", 2, 8);
    world.file("261121_081500", &calm);
    let (_, out) = world.detect("2026-11-21T08:16:00Z").expect("detected");
    assert!(mails(&out).contains(" no confirmed anomalies"), "{out}");
}

#[test]
fn without_a_recent_file_the_newest_are_read_and_the_run_says_so() {
    let mut world = World::new();
    world.config.history.newest_files = 1;
    world.file("261121_080500", &rows("2026-11-21 08:00:00", "A", "x", 6, 4));
    let (summary, out) = world.detect("2026-11-22T00:00:00Z").expect("detected");
    assert_eq!(summary.rows, 1);
    assert!(out.contains("newest 1"), "{out}");
}

#[test]
fn an_empty_folder_is_an_error_that_names_folder_and_pattern() {
    let world = World::new();
    fs::remove_file(world.folder.path().join("edr/e_261101_004000.csv")).expect("removed");
    let error = world.detect("2026-11-21T08:06:00Z").expect_err("refused");
    assert!(matches!(error, DetectError::History(HistoryError::NoFiles(_))));
    let text = error.to_string();
    assert!(text.contains("e_YYMMDD_HHMMSS*.csv") && text.contains("/edr"), "{text}");
}

#[test]
fn a_model_for_other_windows_is_refused() {
    let mut world = World::new();
    world.config.history.window_seconds = 60;
    assert!(matches!(world.detect("2026-11-21T08:06:00Z"), Err(DetectError::Window(_))));
    assert_eq!(WindowLength::FIVE_MINUTES.as_seconds(), 300);
}

#[test]
fn without_a_model_the_error_says_how_to_get_one() {
    let world = World::new();
    fs::remove_file(world.folder.path().join("model/model.cwm")).expect("removed");
    let error = world.detect("2026-11-21T08:06:00Z").expect_err("refused").to_string();
    assert!(error.contains("retrain") && error.contains("model.cwm"), "{error}");
}
