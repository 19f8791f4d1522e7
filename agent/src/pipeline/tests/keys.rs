//! Signing keys that hand over, and what becomes of those that did.

use cabinwatch_shared::wire::ModelOutcome;

use super::models::{agent, offer, reports};
use super::trials::{proven, windows};
use super::*;
use crate::model::tests::{Draft, public};

fn version(agent: &mut Agent) -> u32 {
    agent.engine().model_version().0
}

/// Offers a model that must be refused because of who signed it.
fn untrusted(agent: &mut Agent, draft: &Draft) {
    let before = version(agent);
    offer(agent, draft);
    let outcome = reports(agent).last().map(|(_, outcome)| *outcome);
    assert_eq!((version(agent), outcome), (before, Some(ModelOutcome::Untrusted)));
}

#[test]
fn a_key_hands_over_with_a_model_and_is_believed_no_more() {
    let mut agent = proven();
    offer(&mut agent, &Draft::signed_by(4, 8, &[7]));
    assert_eq!(version(&mut agent), 4);
    assert_eq!(agent.counted(Counter::KeysHandedOver), 1);
    untrusted(&mut agent, &Draft::version(5));
    agent.restart();
    untrusted(&mut agent, &Draft::version(6));
    // The new key goes on, whether or not the bundle still tells how it got there.
    offer(&mut agent, &Draft::signed_by(7, 8, &[]));
    assert_eq!(version(&mut agent), 7);
    offer(&mut agent, &Draft::signed_by(8, 8, &[7]));
    assert_eq!(version(&mut agent), 8);
}

#[test]
fn two_hand_overs_in_a_row_are_followed_also_by_who_missed_the_first() {
    let mut agent_at_both = proven();
    offer(&mut agent_at_both, &Draft::signed_by(4, 8, &[7]));
    offer(&mut agent_at_both, &Draft::signed_by(5, 9, &[7, 8]));
    let mut agent_asleep = proven();
    offer(&mut agent_asleep, &Draft::signed_by(5, 9, &[7, 8]));
    for mut agent in [agent_at_both, agent_asleep] {
        assert_eq!(version(&mut agent), 5);
        assert_eq!(agent.counted(Counter::KeysHandedOver), 2);
        untrusted(&mut agent, &Draft::version(6));
        untrusted(&mut agent, &Draft::signed_by(7, 8, &[]));
        untrusted(&mut agent, &Draft::signed_by(8, 8, &[7]));
        agent.restart();
        offer(&mut agent, &Draft::signed_by(9, 9, &[]));
        assert_eq!(version(&mut agent), 9);
    }
}

#[test]
fn an_old_bundle_sent_again_brings_no_old_key_back() {
    let mut agent = proven();
    let (first, second) = (Draft::signed_by(4, 8, &[7]), Draft::signed_by(5, 9, &[7, 8]));
    offer(&mut agent, &first);
    offer(&mut agent, &second);
    untrusted(&mut agent, &first);
    offer(&mut agent, &second);
    assert_eq!(version(&mut agent), 5);
    // Not even when the key of the day says so: what stepped down stays down.
    untrusted(&mut agent, &Draft::signed_by(6, 8, &[9]));
    offer(&mut agent, &Draft::signed_by(7, 9, &[]));
    assert_eq!(version(&mut agent), 7);
}

#[test]
fn a_hand_over_in_a_bundle_that_is_refused_changes_nothing() {
    let mut agent = proven();
    let drafts = [
        Draft { expires: T0 - 1, ..Draft::signed_by(4, 8, &[7]) },
        Draft { cohort: "canary", ..Draft::signed_by(4, 8, &[7]) },
        Draft { golden_forest: -0.4, ..Draft::signed_by(4, 8, &[7]) },
        Draft::signed_by(3, 8, &[7]),
    ];
    drafts.iter().for_each(|draft| offer(&mut agent, draft));
    assert_eq!(agent.counted(Counter::KeysHandedOver), 0);
    untrusted(&mut agent, &Draft::signed_by(5, 8, &[]));
    offer(&mut agent, &Draft::version(6));
    assert_eq!(version(&mut agent), 6);
}

#[test]
fn a_hand_over_outlives_the_model_that_brought_it() {
    let mut agent = proven();
    offer(&mut agent, &Draft { signer: 8, stepped_down: &[7], ..Draft::noisy(4) });
    windows(&mut agent, 5, 1);
    assert_eq!(version(&mut agent), 3, "model 4 is given up");
    agent.restart();
    // Model 3 was believed when it came, so it stays.
    assert_eq!(version(&mut agent), 3);
    untrusted(&mut agent, &Draft::version(5));
    offer(&mut agent, &Draft::signed_by(6, 8, &[]));
    assert_eq!(version(&mut agent), 6);
}

#[test]
fn of_several_configured_keys_each_hands_over_only_its_own_place() {
    let mut agent = agent();
    agent.settings.demands.trusted = vec![public(7), public(17)];
    agent.restart();
    offer(&mut agent, &Draft::signed_by(4, 8, &[7]));
    untrusted(&mut agent, &Draft::version(5));
    offer(&mut agent, &Draft::signed_by(6, 17, &[]));
    offer(&mut agent, &Draft::signed_by(7, 8, &[]));
    assert_eq!(version(&mut agent), 7);
}

#[test]
fn other_keys_in_the_configuration_end_what_the_old_ones_began() {
    let mut agent = proven();
    offer(&mut agent, &Draft::signed_by(4, 8, &[7]));
    // The engineer learns that the new key is in wrong hands, and pins a fresh one.
    agent.settings.demands.trusted = vec![public(20)];
    agent.restart();
    assert_eq!(version(&mut agent), 0, "what the lost key signed is not used either");
    untrusted(&mut agent, &Draft::signed_by(5, 8, &[]));
    offer(&mut agent, &Draft::signed_by(6, 20, &[]));
    assert_eq!(version(&mut agent), 6);
}

#[test]
fn a_further_key_in_the_configuration_brings_no_old_one_back() {
    let mut agent = proven();
    offer(&mut agent, &Draft::signed_by(4, 8, &[7]));
    agent.settings.demands.trusted.push(public(20));
    agent.restart();
    assert_eq!(version(&mut agent), 4);
    untrusted(&mut agent, &Draft::version(5));
    // To pin the new key beside or in place of the old one changes nothing either.
    for trusted in [vec![public(7), public(8)], vec![public(8)]] {
        agent.settings.demands.trusted = trusted;
        agent.restart();
        assert_eq!(version(&mut agent), 4);
    }
}

#[test]
fn an_agent_without_its_database_follows_the_line_from_the_key_it_was_installed_with() {
    let mut agent = proven();
    offer(&mut agent, &Draft::signed_by(4, 8, &[7]));
    agent.stop();
    std::fs::remove_file(agent.path()).expect("removed");
    agent.restart();
    untrusted(&mut agent, &Draft::signed_by(5, 8, &[]));
    offer(&mut agent, &Draft::signed_by(6, 9, &[7, 8]));
    assert_eq!(version(&mut agent), 6);
}
