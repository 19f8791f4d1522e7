//! A new model's trial, and the way back.

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::wire::{ModelOutcome, Rollback, RollbackCause, TrialCounts};

use super::models::{agent, damage, offer, reports};
use super::*;
use crate::model::tests::Draft;

/// Windows until a quiet model has passed: three, and eight verdicts.
const PASSING: usize = 4;
/// Windows until a noisy one is given up: as many verdicts beside the worst window.
const CONDEMNING: usize = 5;

/// A window in which of ten attempts so many fail. Below half of them no good model alarms.
pub(super) fn window(agent: &mut Agent, fail: usize) {
    let at = agent.clock.wall().0 / 1000 - T0;
    let state = |attempt| if attempt < fail { FAIL } else { SUCCESS };
    let events: Vec<_> = (0..10).map(|attempt| (at, "DHCP", "no address", state(attempt))).collect();
    agent.events(&events);
    agent.clock.advance(330);
    agent.tick();
}

pub(super) fn windows(agent: &mut Agent, count: usize, fail: usize) {
    (0..count).for_each(|_| window(agent, fail));
}

/// An agent whose model 3 has passed its trial.
pub(super) fn proven() -> Agent {
    let mut agent = agent();
    offer(&mut agent, &Draft::version(3));
    windows(&mut agent, PASSING, 1);
    agent
}

fn version(agent: &mut Agent) -> u32 {
    agent.engine().model_version().0
}

fn last(agent: &Agent) -> (u32, ModelOutcome) {
    *reports(agent).last().expect("a report")
}

/// Windows of one row each, which the model before finds nothing in.
fn counts(windows: u32, alarms: u32) -> TrialCounts {
    TrialCounts { windows, rows: windows, alarms, quiet: 2 * windows, new_alarms: alarms }
}

fn given_up(to: u32, trial: TrialCounts) -> ModelOutcome {
    ModelOutcome::RolledBack(Rollback { to: ModelVersion(to), cause: RollbackCause::Alarms, trial })
}

#[test]
fn a_quiet_model_passes_its_trial_and_says_so_once() {
    let mut agent = agent();
    offer(&mut agent, &Draft::version(3));
    windows(&mut agent, PASSING - 1, 1);
    assert_eq!(reports(&agent), [(3, ModelOutcome::Activated)]);
    windows(&mut agent, 3, 1);
    let passed = ModelOutcome::TrialPassed(counts(4, 0));
    assert_eq!(reports(&agent), [(3, ModelOutcome::Activated), (3, passed)]);
    assert_eq!(agent.counted(Counter::ModelTrialsPassed), 1);
}

#[test]
fn a_model_that_alarms_on_everything_gives_way_to_the_one_before_and_is_not_taken_again() {
    let mut agent = proven();
    offer(&mut agent, &Draft::noisy(4));
    windows(&mut agent, CONDEMNING - 1, 1);
    assert_eq!(version(&mut agent), 4);
    window(&mut agent, 1);
    assert_eq!(version(&mut agent), 3);
    assert_eq!(last(&agent), (4, given_up(3, counts(5, 10))));
    let told = reports(&agent).len();
    // The broker offers it at each connection, before and after a restart.
    offer(&mut agent, &Draft::noisy(4));
    agent.restart();
    offer(&mut agent, &Draft::noisy(4));
    assert_eq!((version(&mut agent), reports(&agent).len()), (3, told));
    // Nor is another one of its version; a higher one is.
    offer(&mut agent, &Draft::version(4));
    assert_eq!((version(&mut agent), last(&agent)), (3, (4, ModelOutcome::NotForUs)));
    offer(&mut agent, &Draft::version(5));
    assert_eq!(version(&mut agent), 5);
}

#[test]
fn what_the_model_before_sees_too_is_no_fault_of_the_new_one() {
    let mut agent = proven();
    offer(&mut agent, &Draft::version(4));
    windows(&mut agent, 3 * PASSING, 9);
    assert_eq!(last(&agent), (4, ModelOutcome::Activated), "an outage decides nothing");
    windows(&mut agent, PASSING, 1);
    let trial = TrialCounts { windows: 16, rows: 16, alarms: 24, quiet: 8, new_alarms: 0 };
    assert_eq!((version(&mut agent), last(&agent)), (4, (4, ModelOutcome::TrialPassed(trial))));
}

#[test]
fn a_noisy_model_is_found_out_in_the_middle_of_an_outage() {
    let mut agent = proven();
    offer(&mut agent, &Draft::noisy(4));
    windows(&mut agent, 2, 9);
    windows(&mut agent, CONDEMNING, 1);
    assert_eq!(version(&mut agent), 3);
}

#[test]
fn a_first_model_that_alarms_on_everything_leaves_windows_unscored() {
    let mut agent = agent();
    offer(&mut agent, &Draft::noisy(3));
    windows(&mut agent, CONDEMNING, 1);
    assert_eq!((version(&mut agent), last(&agent)), (0, (3, given_up(0, counts(5, 10)))));
    agent.restart();
    assert_eq!(version(&mut agent), 0);
}

#[test]
fn a_trial_goes_on_after_a_restart_where_it_was() {
    let mut agent = proven();
    offer(&mut agent, &Draft::noisy(4));
    for _ in 0..CONDEMNING {
        agent.restart();
        window(&mut agent, 1);
        agent.restart();
    }
    assert_eq!((version(&mut agent), last(&agent)), (3, (4, given_up(3, counts(5, 10)))));
}

#[test]
fn a_model_that_comes_during_a_trial_is_compared_with_the_last_one_that_passed() {
    let mut agent = proven();
    offer(&mut agent, &Draft::noisy(4));
    windows(&mut agent, 2, 1);
    offer(&mut agent, &Draft::noisy(5));
    windows(&mut agent, CONDEMNING, 1);
    // Model 4 never proved itself, so it is nothing to go back to.
    assert_eq!((version(&mut agent), last(&agent)), (3, (5, given_up(3, counts(5, 10)))));
}

#[test]
fn windows_that_close_together_are_scored_by_the_model_of_their_moment() {
    let mut agent = proven();
    offer(&mut agent, &Draft::noisy(4));
    let at = agent.clock.wall().0 / 1000 - T0;
    agent.settings.counting.lateness_seconds = 3600;
    agent.restart();
    for window in 0..8 {
        let one = |state| (at + window * 300, "DHCP", "no address", state);
        agent.clock.advance(if window == 0 { 0 } else { 300 });
        let attempts: Vec<_> =
            (0..10).map(|attempt| one(if attempt == 0 { FAIL } else { SUCCESS })).collect();
        agent.events(&attempts);
    }
    agent.commit();
    agent.settings.counting.lateness_seconds = 30;
    agent.restart();
    agent.clock.advance(400);
    agent.tick();
    let models: Vec<_> = agent
        .frames()
        .iter()
        .filter_map(|frame| match frame.decode() {
            Frame::Window(window) => Some(window.model.0),
            _ => None,
        })
        .collect();
    assert_eq!(models[PASSING..], [4, 4, 4, 4, 4, 3, 3, 3]);
    assert_eq!(version(&mut agent), 3);
}

#[test]
fn damage_to_the_model_in_use_brings_back_the_one_before_it() {
    let mut agent = proven();
    offer(&mut agent, &Draft::version(4));
    windows(&mut agent, PASSING, 1);
    damage(&mut agent, 1);
    agent.restart();
    assert_eq!(version(&mut agent), 3);
    let outcome = ModelOutcome::RolledBack(Rollback {
        to: ModelVersion(3),
        cause: RollbackCause::Damaged,
        trial: TrialCounts::default(),
    });
    assert_eq!(last(&agent), (4, outcome));
    agent.restart();
    assert_eq!(version(&mut agent), 3);
    // It was not the model's fault: a sound copy is taken, on trial as any.
    offer(&mut agent, &Draft::version(4));
    assert_eq!((version(&mut agent), last(&agent)), (4, (4, ModelOutcome::Activated)));
}

#[test]
fn damage_to_both_leaves_none_and_the_next_one_starts_over() {
    let mut agent = proven();
    offer(&mut agent, &Draft::version(4));
    damage(&mut agent, 1);
    damage(&mut agent, 2);
    agent.restart();
    assert_eq!(version(&mut agent), 0);
    // What was published long ago stays in the past even now.
    offer(&mut agent, &Draft::version(3));
    assert_eq!((version(&mut agent), last(&agent)), (0, (3, ModelOutcome::NotForUs)));
    offer(&mut agent, &Draft::version(4));
    assert_eq!(version(&mut agent), 4);
}

#[test]
fn damage_to_the_model_before_begins_the_trial_anew_without_it() {
    let mut agent = proven();
    offer(&mut agent, &Draft::noisy(4));
    windows(&mut agent, CONDEMNING - 1, 1);
    damage(&mut agent, 2);
    agent.restart();
    windows(&mut agent, CONDEMNING - 1, 1);
    assert_eq!(version(&mut agent), 4);
    window(&mut agent, 1);
    assert_eq!((version(&mut agent), last(&agent)), (0, (4, given_up(0, counts(5, 10)))));
}

#[test]
fn a_model_outlives_a_change_of_cohort_but_not_one_of_the_windows_length() {
    let mut agent = proven();
    agent.settings.demands.cohort = "canary".parse().expect("a cohort");
    agent.restart();
    assert_eq!(version(&mut agent), 3);
    agent.settings.demands.window_seconds = 60;
    agent.restart();
    assert_eq!(version(&mut agent), 0);
    assert!(matches!(
        last(&agent),
        (3, ModelOutcome::RolledBack(Rollback { cause: RollbackCause::Unfit, .. }))
    ));
}

#[test]
fn a_kill_before_the_commit_leaves_the_old_model_and_the_next_offer_finds_it() {
    let mut agent = proven();
    let before = reports(&agent);
    // The transaction does not reach the disk: the process ends while it tries.
    agent.stop.store(true, std::sync::atomic::Ordering::Relaxed);
    agent.engine().store.keep_free(1 << 20);
    agent.engine().store.refuse_writes();
    let large = Draft { padding: 100_000, ..Draft::version(4) };
    assert!(agent.engine().take(offering(large.sign())).is_err());
    agent.stop.store(false, std::sync::atomic::Ordering::Relaxed);
    agent.restart();
    assert_eq!((version(&mut agent), reports(&agent)), (3, before));
    offer(&mut agent, &large);
    assert_eq!(version(&mut agent), 4);
}

#[test]
fn a_model_that_finds_no_room_is_taken_when_it_is_offered_again() {
    let mut agent = proven();
    agent.engine().store.fill_the_disk();
    let large = Draft { padding: 1_000_000, ..Draft::version(4) };
    offer(&mut agent, &large);
    assert_eq!(version(&mut agent), 3);
    agent.events(&[(0, "DNS", "refused", FAIL)]);
    agent.commit();
    agent.engine().store.make_room_on_the_disk();
    offer(&mut agent, &large);
    assert_eq!(version(&mut agent), 4);
}
