//! Signing keys that hand over.

use std::fs;
use std::path::Path;

use cabinwatch_tests::program::Ended;
use cabinwatch_tests::wait::eventually;

use super::{Airline, LIMIT, TRIAL};

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

/// Hands over to a new key and publishes with it; the version.
fn rotate(airline: &Airline, to: &str) -> u64 {
    airline.new_key(to);
    let mut rotate = airline.desk(&["model", "rotate", "--to"]);
    let said = Ended::well(rotate.arg(airline.key(to)));
    assert!(said.contains(&airline.public(to)), "{said}");
    airline.sign_with(to);
    Ended::well(&mut airline.desk(&["publish"]));
    airline.newest("fleet")
}

#[test]
fn aircraft_follow_keys_that_hand_over_awake_or_asleep_and_believe_old_ones_no_more() {
    let airline = Airline::start(&["TC-AAA", "TC-BBB", "TC-CCC"]);
    let first = airline.release("fleet");
    let (mut awake, mut asleep) = (airline.plane("TC-AAA", "fleet"), airline.plane("TC-BBB", "fleet"));
    for plane in [&mut awake, &mut asleep] {
        plane.takes(first);
        plane.fly(TRIAL);
    }
    airline.stand("fleet", "passed", 2);
    asleep.aircraft.agent.stop();
    // Who has the old key, and does not know that it stepped down.
    copy_folder(&airline.path("model"), &airline.path("stolen"));

    let second = rotate(&airline, "second");
    awake.takes(second);
    airline.sign_with("first");
    let said = Ended::badly(&mut airline.desk(&["retrain"]), 1);
    assert!(said.contains("has handed over to") && said.contains("model.signing_key"), "{said}");

    // The thief's model is newer than anything, and comes by the same topic.
    let stolen = airline.path("stolen");
    let mut config = fs::read_to_string(airline.path("desk.toml")).expect("a configuration");
    config = config.replace(&airline.path("model").display().to_string(), &stolen.display().to_string());
    config = config.replace("tables.db", "thief.db");
    fs::write(airline.path("desk.toml"), config).expect("written");
    for _ in 0..4 {
        Ended::well(&mut airline.desk(&["retrain"]));
    }
    Ended::well(&mut airline.desk(&["publish"]));
    eventually("the thief's model to be refused", LIMIT, || {
        let sql = "SELECT count(*) FROM model_reports WHERE tail = 'TC-AAA' AND outcome = 'untrusted'";
        (airline.ingest.number(sql).ok()? == 1).then_some(())
    });
    assert_eq!(awake.version(), second);

    airline.sign_with("second");
    let third = rotate(&airline, "third");
    awake.takes(third);
    // One that missed both hand-overs, and one that was never there and knows only the first key.
    asleep.start();
    asleep.takes(third);
    let new = airline.plane("TC-CCC", "fleet");
    new.takes(third);
    // The broker kept the thief's for the one that slept, too.
    let sql = "SELECT sum(CASE tail WHEN 'TC-AAA' THEN 1 WHEN 'TC-BBB' THEN 10 ELSE 100 END) FROM model_reports \
               WHERE outcome = 'untrusted'";
    eventually("the other's refusal", LIMIT, || (airline.ingest.number(sql).ok()? >= 11).then_some(()));
    assert_eq!(airline.ingest.number(sql).expect("the tables"), 11);
    let fourth = airline.release("fleet");
    [awake, asleep, new].into_iter().for_each(|plane| {
        plane.takes(fourth);
        plane.stop();
    });
}
