use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{FrameSeq, ModelReport, RollbackCause, StreamId};

use super::*;
use crate::config::TablesConfig;
use crate::tables::{Batch, FrameId, KnownModel};

const RULES: Rules = Rules { min_aircraft: 1, min_passed_percent: 80, max_failed_percent: 0 };
const TRIAL: TrialCounts = TrialCounts { windows: 12, rows: 100, alarms: 3, quiet: 98, new_alarms: 1 };

fn rolled_back() -> ModelOutcome {
    ModelOutcome::RolledBack(Rollback { to: ModelVersion(3), cause: RollbackCause::Alarms, trial: TRIAL })
}

/// Tables of a fleet on model 3 and canaries that were given model 4.
struct Fleet {
    _dir: tempfile::TempDir,
    tables: Box<dyn Tables>,
    frames: u64,
}

impl Fleet {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", dir.path().join("tables.db").display());
        let mut tables = crate::tables::open(&url, &TablesConfig::default()).expect("opened");
        for (version, cohort) in [(2, "canary"), (3, "fleet"), (4, "canary")] {
            let model =
                KnownModel { version: ModelVersion(version), cohort: cohort.to_owned(), bundle: vec![1] };
            tables.put_model(&model).expect("stored");
        }
        Self { _dir: dir, tables, frames: 0 }
    }

    fn aircraft(&mut self, tail: &str, cohort: Option<&str>, model: u32, stream: u64) {
        let record = AircraftRecord {
            model: Some(ModelVersion(model)),
            stream: Some(StreamId(stream)),
            cohort: cohort.map(str::to_owned),
            ..AircraftRecord::of(tail.parse().expect("a tail"))
        };
        self.tables.commit(&Batch { aircraft: vec![record], ..Batch::default() }).expect("stored");
    }

    /// A canary that reports these outcomes of model 4, one after the other, with a clock that runs backwards.
    fn canary(&mut self, tail: &str, outcomes: &[ModelOutcome]) {
        self.aircraft(tail, Some("canary"), 2, 7);
        outcomes.iter().for_each(|outcome| self.reports(tail, 7, *outcome));
    }

    fn reports(&mut self, tail: &str, stream: u64, outcome: ModelOutcome) {
        self.frames += 1;
        let frame = FrameId {
            tail: tail.parse().expect("a tail"),
            stream: StreamId(stream),
            seq: FrameSeq(self.frames),
        };
        let at = UnixSeconds(1_000_000 - self.frames as i64);
        let report = ModelReport { version: ModelVersion(4), at, outcome };
        let model_reports = vec![ModelReportRecord { frame, report }];
        self.tables.commit(&Batch { model_reports, ..Batch::default() }).expect("stored");
    }

    fn rollout(&self) -> Rollout {
        Rollout::of(self.tables.as_ref(), "canary").expect("read")
    }

    fn standing(&self) -> Standing {
        self.rollout().aircraft[0].1
    }
}

#[test]
fn an_aircraft_stands_as_it_last_said() {
    let cases: [(&[ModelOutcome], Standing); 7] = [
        (&[], Standing::Silent),
        (&[ModelOutcome::NotForUs], Standing::Refused(ModelOutcome::NotForUs)),
        (&[ModelOutcome::Activated], Standing::OnTrial),
        (&[ModelOutcome::Activated, ModelOutcome::TrialPassed(TRIAL)], Standing::Passed(TRIAL)),
        // The broker offers it again, and it is not newer than itself.
        (
            &[ModelOutcome::Activated, ModelOutcome::TrialPassed(TRIAL), ModelOutcome::NotForUs],
            Standing::Passed(TRIAL),
        ),
        (
            &[ModelOutcome::Activated, rolled_back()],
            Standing::RolledBack(Rollback {
                to: ModelVersion(3),
                cause: RollbackCause::Alarms,
                trial: TRIAL,
            }),
        ),
        // Damaged, and taken again.
        (&[ModelOutcome::Activated, rolled_back(), ModelOutcome::Activated], Standing::OnTrial),
    ];
    for (outcomes, expected) in cases {
        let mut fleet = Fleet::new();
        fleet.canary("TC-JJA", outcomes);
        assert_eq!(fleet.standing(), expected, "after {outcomes:?}");
    }
}

#[test]
fn what_an_earlier_database_said_is_over() {
    let mut fleet = Fleet::new();
    fleet.canary("TC-JJA", &[ModelOutcome::Activated, ModelOutcome::TrialPassed(TRIAL)]);
    fleet.aircraft("TC-JJA", Some("canary"), 0, 8);
    assert_eq!(fleet.standing(), Standing::Silent);
    fleet.reports("TC-JJA", 8, ModelOutcome::Activated);
    assert_eq!(fleet.standing(), Standing::OnTrial);
}

#[test]
fn every_aircraft_is_in_one_cohort() {
    let mut fleet = Fleet::new();
    fleet.aircraft("TC-AAA", Some("canary"), 3, 1);
    fleet.aircraft("TC-BBB", None, 3, 1);
    fleet.aircraft("TC-CCC", None, 4, 1);
    fleet.aircraft("TC-DDD", Some("test"), 0, 1);
    let all = Rollout::all(fleet.tables.as_ref()).expect("read");
    let seen: Vec<_> = all
        .iter()
        .map(|rollout| {
            let tails: Vec<_> = rollout.aircraft.iter().map(|(tail, _)| tail.to_string()).collect();
            (rollout.cohort.as_str(), rollout.version.map_or(0, |version| version.0), tails.join(" "))
        })
        .collect();
    let expected = [("canary", 4, "TC-AAA TC-CCC"), ("fleet", 3, "TC-BBB"), ("test", 0, "TC-DDD")];
    assert_eq!(seen, expected.map(|(cohort, version, tails)| (cohort, version, tails.to_owned())));
}

#[test]
fn a_model_goes_on_when_enough_passed_and_none_failed() {
    let passed = [ModelOutcome::Activated, ModelOutcome::TrialPassed(TRIAL)];
    let mut fleet = Fleet::new();
    assert!(matches!(RULES.judge(&fleet.rollout()), Err(Objection::TooFew { aircraft: 0, .. })));
    ["TC-A", "TC-B", "TC-C", "TC-D"].iter().for_each(|tail| fleet.canary(tail, &passed));
    assert_eq!(RULES.judge(&fleet.rollout()), Ok(()));
    fleet.canary("TC-E", &[ModelOutcome::Activated]);
    assert_eq!(RULES.judge(&fleet.rollout()), Ok(()), "80 % have passed");
    assert_eq!(
        Rules { min_aircraft: 5, ..RULES }.judge(&fleet.rollout()),
        Err(Objection::TooFew { passed: 4, aircraft: 5, share: 80, least: 5 })
    );
    fleet.canary("TC-F", &[]);
    assert!(matches!(RULES.judge(&fleet.rollout()), Err(Objection::TooFew { passed: 4, aircraft: 6, .. })));
    fleet.canary("TC-E", &[rolled_back()]);
    let failed = Objection::Failed { failed: 1, aircraft: 6, allowed: 0 };
    assert_eq!(RULES.judge(&fleet.rollout()), Err(failed));
    let tolerant = Rules { max_failed_percent: 20, min_passed_percent: 60, ..RULES };
    assert_eq!(tolerant.judge(&fleet.rollout()), Ok(()));
    fleet.canary("TC-F", &[ModelOutcome::SelfTestFailed]);
    assert!(matches!(tolerant.judge(&fleet.rollout()), Err(Objection::Failed { failed: 2, .. })));
}

fn promotion() -> Promotion {
    Promotion {
        at: "2026-11-21T10:00:00Z".to_owned(),
        from: "canary".to_owned(),
        from_version: 4,
        to: "fleet".to_owned(),
        to_version: 5,
        numbers: Numbers { aircraft: 3, passed: 1, silent: 2, ..Numbers::default() },
        objection: Some("1 of 3".to_owned()),
        reason: Some("the \"other two\" are in the hangar".to_owned()),
    }
}

#[test]
fn the_journal_keeps_what_was_promoted_and_why() {
    let dir = tempfile::tempdir().expect("a folder");
    let journal = Journal::of(dir.path());
    assert_eq!(journal.read().expect("none yet"), []);
    let promotion = promotion();
    journal.add(&promotion).expect("written");
    journal.add(&promotion).expect("written");
    assert_eq!(journal.read().expect("read"), [promotion.clone(), promotion]);
    std::fs::write(dir.path().join("promotions.jsonl"), "{}\n").expect("written");
    let error = journal.read().expect_err("refused").to_string();
    assert!(error.contains("line 1"), "{error}");
}

#[test]
fn half_a_line_that_a_power_cut_left_in_the_journal_spoils_no_other() {
    let dir = tempfile::tempdir().expect("a folder");
    let (journal, path) = (Journal::of(dir.path()), dir.path().join("promotions.jsonl"));
    journal.add(&promotion()).expect("written");
    let whole = std::fs::read_to_string(&path).expect("there");
    std::fs::write(&path, format!("{whole}{}", &whole[..40])).expect("written");
    assert_eq!(journal.read().expect("read"), [promotion()]);
    journal.add(&promotion()).expect("written");
    assert_eq!(journal.read().expect("read"), [promotion(), promotion()]);
}
