//! Whatever is offered, however often the power goes, and whatever the flash forgets: the rules hold, and what the ground
//! hears is what is so.

use std::collections::BTreeSet;

use cabinwatch_shared::model::PublicKey;
use cabinwatch_shared::wire::{ModelOutcome, RollbackCause};
use proptest::prelude::*;

use super::models::{agent, damage, offer, reports};
use super::trials::window;
use super::*;
use crate::model::tests::{Draft, public};
use crate::store::{Reader, Slot};

/// What may happen to an aircraft.
#[derive(Clone, Debug)]
enum Happening {
    /// The broker offers a bundle.
    Offer { version: u32, noisy: bool, fit: bool, signer: u8, stepped_down: &'static [u8] },
    /// The process ends without a word and starts again.
    Restart,
    /// A window passes, quiet or in an outage.
    Window { outage: bool },
    /// A slot of the database changes by itself.
    Damage { slot: i64 },
}

/// Keys 7, 8 and 9 hand over in this order. Key 6 belongs to somebody else.
fn any_happening() -> impl Strategy<Value = Happening> {
    let signers = prop_oneof![
        4 => Just((7, &[][..])),
        2 => Just((8, &[7][..])),
        1 => Just((8, &[][..])),
        1 => Just((9, &[7, 8][..])),
        1 => Just((9, &[8][..])),
        1 => Just((7, &[8][..])),
        1 => Just((6, &[][..])),
    ];
    let offer = (1_u32..12, any::<bool>(), prop::bool::weighted(0.9), signers);
    prop_oneof![
        4 => offer.prop_map(|(version, noisy, fit, (signer, stepped_down))| {
            Happening::Offer { version, noisy, fit, signer, stepped_down }
        }),
        2 => Just(Happening::Restart),
        8 => prop::bool::weighted(0.2).prop_map(|outage| Happening::Window { outage }),
        1 => (1_i64..3).prop_map(|slot| Happening::Damage { slot }),
    ]
}

fn happen(agent: &mut Agent, happening: &Happening) {
    match *happening {
        Happening::Offer { version, noisy, fit, signer, stepped_down } => {
            let draft = if noisy { Draft::noisy(version) } else { Draft::version(version) };
            let golden_forest = if fit { draft.golden_forest } else { -0.4 };
            offer(agent, &Draft { golden_forest, signer, stepped_down, ..draft });
        }
        Happening::Restart => agent.restart(),
        Happening::Window { outage } => window(agent, if outage { 9 } else { 1 }),
        Happening::Damage { slot } => {
            damage(agent, slot);
            agent.restart();
        }
    }
}

/// What the ground makes of the reports, and what it must never see.
#[derive(Default)]
struct Heard {
    in_use: u32,
    highest: u32,
    given_up: BTreeSet<u32>,
    on_trial: bool,
}

impl Heard {
    fn of(reports: &[(u32, ModelOutcome)]) -> Result<Self, TestCaseError> {
        let mut heard = Self::default();
        for (version, outcome) in reports {
            heard.hear(*version, *outcome)?;
        }
        Ok(heard)
    }

    fn hear(&mut self, version: u32, outcome: ModelOutcome) -> Result<(), TestCaseError> {
        match outcome {
            ModelOutcome::Activated => {
                prop_assert!(
                    version > self.in_use && version >= self.highest,
                    "{version} after {}",
                    self.highest
                );
                prop_assert!(
                    self.given_up.iter().all(|given_up| version > *given_up),
                    "{version} was given up"
                );
                (self.in_use, self.highest, self.on_trial) = (version, version, true);
            }
            ModelOutcome::TrialPassed(trial) => {
                prop_assert!(self.in_use == version && self.on_trial);
                prop_assert!(trial.windows >= 3 && trial.quiet >= 8);
                self.on_trial = false;
            }
            ModelOutcome::RolledBack(rollback) => {
                prop_assert!(self.in_use == version && rollback.to.0 < version);
                if rollback.cause == RollbackCause::Alarms {
                    prop_assert!(self.on_trial && rollback.trial.new_alarms > 0);
                    self.given_up.insert(version);
                }
                (self.in_use, self.on_trial) = (rollback.to.0, false);
            }
            ModelOutcome::Unreadable
            | ModelOutcome::Untrusted
            | ModelOutcome::NotForUs
            | ModelOutcome::SelfTestFailed => {}
        }
        Ok(())
    }
}

/// Which keys are believed, by the database.
fn believed(agent: &Agent) -> Vec<PublicKey> {
    let reader = Reader::open(&agent.path()).expect("a database");
    reader.model_memory().expect("readable").hand_overs.believed(&agent.settings.demands.trusted)
}

fn check(agent: &mut Agent) -> Result<(), TestCaseError> {
    let heard = Heard::of(&reports(agent))?;
    prop_assert_eq!(agent.engine().model_version().0, heard.in_use, "the ground knows what is in use");
    let reader = Reader::open(&agent.path()).expect("a database");
    let stored = reader.model(Slot::Active).expect("readable").map_or(0, |model| model.version.0);
    prop_assert_eq!(stored, heard.in_use);
    let memory = reader.model_memory().expect("readable");
    prop_assert_eq!(memory.trial.is_some(), heard.on_trial);
    prop_assert_eq!(memory.highest.0, heard.highest);
    prop_assert_eq!(memory.given_up.0, heard.given_up.last().copied().unwrap_or(0));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold_whatever_happens(happenings in prop::collection::vec(any_happening(), 1..40)) {
        let mut agent = agent();
        let mut place = 0;
        for happening in &happenings {
            happen(&mut agent, happening);
            check(&mut agent)?;
            // Trust goes down the line and never back.
            let now = believed(&agent);
            let line = [public(7), public(8), public(9)];
            prop_assert_eq!(now.len(), 1);
            let now = line.iter().position(|key| *key == now[0]);
            prop_assert!(now.is_some_and(|now| now >= place), "from {} to {:?}", place, now);
            place = now.unwrap_or(place);
        }
        // A restart more changes nothing.
        let told = reports(&agent);
        agent.restart();
        prop_assert_eq!(reports(&agent), told);
        check(&mut agent)?;
    }
}
