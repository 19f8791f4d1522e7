use cabinwatch_shared::model::{KeyIndex, ModelVersion};
use cabinwatch_shared::verdict::Alarms;
use cabinwatch_shared::wire::{
    Frame, KnownRow, ModelOutcome, ModelReport, PointName, Rollback, RollbackCause, SpelledRow, TrialCounts,
    WindowFrame,
};

use super::*;
use crate::model::tests::{Draft, demands};
use crate::pipeline::closing::ClosedWindow;

pub(super) fn agent() -> Agent {
    Agent::start_with(|settings| settings.demands = demands())
}

/// What the ground hears of models, in order.
pub(super) fn reports(agent: &Agent) -> Vec<(u32, ModelOutcome)> {
    let frames = agent.frames();
    let reports = frames.iter().filter_map(|frame| match frame.decode() {
        Frame::Model(ModelReport { version, outcome, .. }) => Some((version.0, outcome)),
        _ => None,
    });
    reports.collect()
}

pub(super) fn offer(agent: &mut Agent, draft: &Draft) {
    agent.take(offering(draft.sign()));
}

#[test]
fn a_model_scores_from_the_next_window_on_and_after_a_restart() {
    let mut agent = agent();
    agent.events(&[(0, "DHCP", "no address", FAIL)]);
    offer(&mut agent, &Draft::version(3));
    agent.restart();
    assert_eq!(agent.engine().model_version(), ModelVersion(3));
    agent.events(&[(0, "DHCP", "no address", FAIL), (1, "DHCP", "", SUCCESS), (1, "DNS", "new", FAIL)]);
    agent.pass(330);
    assert_eq!(reports(&agent), [(3, ModelOutcome::Activated)]);
    let frames = agent.frames();
    let Some(Frame::Window(window)) = frames.last().map(StoredBytes::decode) else { panic!("a window") };
    check_window(&window);
    let reader = Reader::open(&agent.path()).expect("a database");
    let body = reader.closed_windows(1).expect("readable").remove(0);
    let closed = ClosedWindow::from_record(&body).expect("decodes");
    assert_eq!(closed.model, ModelVersion(3));
    assert_eq!(closed.rows[0].z_score, Some(28.335));
    assert!(closed.rows[0].alarms.confirmed());
}

/// Two failures and a success of a known key: 66.67 %, z = 28.3, above the tree's split; one failure of an unknown key.
fn check_window(window: &WindowFrame<'_>) {
    assert_eq!(window.model, ModelVersion(3));
    let both = Alarms { z: true, forest: true };
    let known: Vec<_> = window.known.iter().map(|row| row.expect("packed")).collect();
    assert_eq!(known, [KnownRow { key: KeyIndex(0), fail: 2, alarms: both }]);
    let forest_only = 2;
    let spelled = SpelledRow { edr_point: "DNS", description: "new", fail: 1, alarms: forest_only };
    assert_eq!(window.spelled, [spelled]);
    assert_eq!((window.points[0].point, window.points[0].success), (PointName::Known(KeyIndex(0)), 1));
}

#[test]
fn a_refused_bundle_is_reported_once_however_often_it_is_offered() {
    let mut agent = agent();
    offer(&mut agent, &Draft::version(3));
    let canary = Draft { cohort: "canary", ..Draft::version(4) };
    offer(&mut agent, &canary);
    offer(&mut agent, &canary);
    agent.restart();
    offer(&mut agent, &canary);
    offer(&mut agent, &Draft::version(3));
    assert_eq!(reports(&agent), [(3, ModelOutcome::Activated), (4, ModelOutcome::NotForUs)]);
    assert_eq!(agent.counted(Counter::ModelsRefused), 1);
    assert_eq!(agent.engine().model_version(), ModelVersion(3));
}

#[test]
fn a_newer_model_takes_the_place_of_the_old_one_and_never_the_other_way() {
    let mut agent = agent();
    offer(&mut agent, &Draft::version(3));
    offer(&mut agent, &Draft::version(5));
    offer(&mut agent, &Draft::version(4));
    assert_eq!(agent.engine().model_version(), ModelVersion(5));
    let outcomes = [(3, ModelOutcome::Activated), (5, ModelOutcome::Activated), (4, ModelOutcome::NotForUs)];
    assert_eq!(reports(&agent), outcomes);
}

#[test]
fn a_model_that_was_damaged_in_the_database_is_dropped_and_reported() {
    let mut agent = agent();
    offer(&mut agent, &Draft::version(3));
    damage(&mut agent, 1);
    agent.restart();
    assert_eq!(agent.engine().model_version(), ModelVersion(0));
    let outcome = ModelOutcome::RolledBack(Rollback {
        to: ModelVersion(0),
        cause: RollbackCause::Damaged,
        trial: TrialCounts::default(),
    });
    assert_eq!(reports(&agent), [(3, ModelOutcome::Activated), (3, outcome)]);
    agent.restart();
    assert_eq!(reports(&agent).len(), 2);
    // The broker still has it whole.
    offer(&mut agent, &Draft::version(2));
    offer(&mut agent, &Draft::version(3));
    assert_eq!(agent.engine().model_version(), ModelVersion(3));
    assert_eq!(reports(&agent)[2..], [(2, ModelOutcome::NotForUs), (3, ModelOutcome::Activated)]);
}

/// Flips a bit in the middle of a slot's bundle.
pub(super) fn damage(agent: &mut Agent, slot: i64) {
    agent.stop();
    let connection = rusqlite::Connection::open(agent.path()).expect("opened");
    let sql = "SELECT bundle FROM models WHERE slot = ?1";
    let bundle = connection.query_row(sql, [slot], |row| row.get::<_, Vec<u8>>(0));
    if let Ok(mut bundle) = bundle {
        let middle = bundle.len() / 2;
        bundle[middle] ^= 0x40;
        let sql = "UPDATE models SET bundle = ?2 WHERE slot = ?1";
        connection.execute(sql, rusqlite::params![slot, bundle]).expect("written");
    }
}

#[test]
fn a_model_in_use_outlives_its_expiry() {
    let mut agent = agent();
    offer(&mut agent, &Draft { expires: T0 + 10, ..Draft::version(3) });
    agent.clock.advance(1000);
    agent.restart();
    assert_eq!(agent.engine().model_version(), ModelVersion(3));
}
