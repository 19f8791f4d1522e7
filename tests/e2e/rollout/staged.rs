//! From the canary to the fleet, or back.

use cabinwatch_tests::program::Ended;

use super::{Airline, TRIAL, lines};

const PROMOTE: [&str; 5] = ["promote", "--from", "canary", "--to", "fleet"];

#[test]
fn a_good_model_goes_from_the_canary_to_the_fleet() {
    let airline = Airline::start(&["TC-CAN", "TC-FLA", "TC-FLB"]);
    let said = Ended::badly(&mut airline.desk(&PROMOTE), 1);
    assert!(said.contains("`canary` has no model"), "{said}");
    let first = airline.release("fleet");
    let tried = airline.release("canary");
    let mut canary = airline.plane("TC-CAN", "canary");
    let mut fleet = ["TC-FLA", "TC-FLB"].map(|tail| airline.plane(tail, "fleet"));
    canary.takes(tried);
    fleet.iter().for_each(|plane| plane.takes(first));

    airline.stand("canary", "on_trial", 1);
    let said = Ended::badly(&mut airline.desk(&PROMOTE), 1);
    assert!(said.contains("0 of 1 aircraft have passed its trial"), "{said}");

    canary.fly(TRIAL);
    airline.stand("canary", "passed", 1);
    let said = Ended::well(&mut airline.desk(&PROMOTE));
    let promoted = airline.newest("fleet");
    assert!(promoted > tried && said.contains(&format!("Model {promoted} (")), "{said}");
    for plane in &mut fleet {
        plane.takes(promoted);
        plane.fly(TRIAL);
    }
    airline.stand("fleet", "passed", 2);
    assert_eq!((canary.version(), fleet[0].version()), (tried, promoted));

    // Said again it is done again, and nothing changes.
    Ended::well(&mut airline.desk(&PROMOTE));
    assert_eq!(airline.newest("fleet"), promoted);
    // The next model has a version of its own.
    assert!(airline.release("canary") > promoted);
    canary.stop();
    fleet.into_iter().for_each(super::Plane::stop);
}

#[test]
fn a_model_that_alarms_on_everything_rolls_back_by_itself_and_is_not_promoted() {
    let airline = Airline::start(&["TC-CAN", "TC-FLA"]);
    let good = airline.release("canary");
    let fleet_good = airline.release("fleet");
    let (mut canary, mut fleet) = (airline.plane("TC-CAN", "canary"), airline.plane("TC-FLA", "fleet"));
    for (plane, version) in [(&mut canary, good), (&mut fleet, fleet_good)] {
        plane.takes(version);
        plane.fly(TRIAL);
    }
    airline.stand("canary", "passed", 1);
    airline.stand("fleet", "passed", 1);

    let noisy = airline.release_noisy("canary");
    canary.takes(noisy);
    // An outage that both models see decides nothing; everyday trouble does.
    canary.outage(TRIAL);
    assert_eq!(canary.version(), noisy);
    canary.fly(TRIAL);
    canary.takes(good);
    airline.stand("canary", "rolled_back", 1);
    let details = airline.cohort("canary")["aircraft"][0]["details"].to_string();
    assert!(details.contains(&format!("rolled back to model {good} (alarms)")), "{details}");

    let said = Ended::badly(&mut airline.desk(&PROMOTE), 1);
    assert!(said.contains("1 of 1 aircraft rolled it back"), "{said}");
    assert_eq!(fleet.version(), fleet_good);

    // The broker goes on offering it; the aircraft does not take it again, also after a restart.
    canary.aircraft.agent.stop();
    canary.start();
    canary.fly(TRIAL);
    assert_eq!(canary.version(), good);

    // Whoever insists leaves a reason, and the fleet defends itself.
    let mut forced = airline.desk(&PROMOTE);
    Ended::badly(forced.arg("--force").arg(" "), 2);
    let mut forced = airline.desk(&PROMOTE);
    Ended::well(forced.arg("--force").arg("a drill"));
    let journal = lines(&airline.path("model").join("promotions.jsonl"));
    assert_eq!(journal.last().expect("a promotion")["reason"], "a drill");
    fleet.takes(airline.newest("fleet"));
    fleet.fly(TRIAL);
    fleet.takes(fleet_good);
    airline.stand("fleet", "rolled_back", 1);
    let said = Ended::well(&mut airline.desk(&["model", "status"]));
    assert!(said.contains("by force: a drill") && said.contains("TC-FLA"), "{said}");
    canary.stop();
    fleet.stop();
}
