//! `kill -9` while a model is being taken.

use std::thread;
use std::time::Duration;

use cabinwatch_tests::program::Ended;
use cabinwatch_tests::wait::eventually;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Airline, LIMIT, TRIAL};

const RELEASES: u64 = 10;

#[test]
fn an_agent_that_is_killed_while_it_takes_models_takes_each_of_them_once() {
    let seed = std::env::var("KILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_121);
    println!("seed {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let airline = Airline::start(&["TC-KIL"]);
    let mut plane = airline.plane("TC-KIL", "fleet");
    let mut versions = Vec::new();
    for release in 0..RELEASES {
        // Every third hands over to another key.
        if release % 3 == 1 {
            let key = format!("key{release}");
            airline.new_key(&key);
            Ended::well(airline.desk(&["model", "rotate", "--to"]).arg(airline.key(&key)));
            airline.sign_with(&key);
            Ended::well(&mut airline.desk(&["publish"]));
            versions.push(airline.newest("fleet"));
        } else {
            versions.push(airline.release("fleet"));
        }
        let wait = random.random_range(0..60);
        for _ in 0..random.random_range(1..4) {
            thread::sleep(Duration::from_millis(wait));
            plane.aircraft.agent.kill();
            plane.start();
        }
        plane.takes(versions[versions.len() - 1]);
    }
    plane.fly(TRIAL);
    airline.stand("fleet", "passed", 1);
    plane.stop();
    let count = |sql: &str| airline.ingest.number(sql).expect("the tables");
    eventually("every report to arrive", LIMIT, || {
        let sql = "SELECT count(DISTINCT model_version) FROM model_reports WHERE outcome = 'activated'";
        (count(sql) == versions.len() as i64).then_some(())
    });
    // Taken once, told once; nothing else was refused, rolled back, lost or set aside; and it was one database all along.
    assert_eq!(
        count("SELECT count(*) FROM model_reports WHERE outcome = 'activated'"),
        versions.len() as i64
    );
    assert_eq!(count("SELECT count(*) FROM model_reports"), versions.len() as i64 + 1);
    assert_eq!(count("SELECT count(*) FROM streams"), 1);
    assert_eq!(
        count(
            "SELECT (SELECT count(*) FROM losses WHERE reason <> 'unclean_end') + (SELECT count(*) FROM gaps) \
             + (SELECT count(*) FROM set_aside)"
        ),
        0
    );
}
