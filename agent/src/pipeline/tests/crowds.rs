//! More distinct fault keys than the database holds, as from a daemon that writes an address into each message.

use super::*;

/// More than the keys that stay in memory, so that the database has some to give.
const MOST: u64 = 1_500;
/// Of which 256 are counted by name.
const KEYS_IN_A_WINDOW: i64 = 300;

fn crowded() -> Agent {
    Agent::start_with(|settings| settings.retention.keys = MOST)
}

/// Each key fails once; none fails in two windows.
fn crowd(agent: &mut Agent, window: i64) {
    let names: Vec<_> =
        (0..KEYS_IN_A_WINDOW).map(|key| format!("station {} rejected", window * 1000 + key)).collect();
    let events: Vec<_> = names.iter().map(|name| (window * 300, "WIFI", name.as_str(), FAIL)).collect();
    agent.events(&events);
    agent.commit();
    agent.clock.advance(300);
    agent.pass(31);
    agent.clock.advance(-31);
}

fn count(agent: &Agent, sql: &str) -> u64 {
    let database = rusqlite::Connection::open(agent.path()).expect("opens");
    database.query_row(sql, [], |row| row.get(0)).map(i64::unsigned_abs).expect("a number")
}

fn keys(agent: &Agent) -> u64 {
    count(agent, "SELECT count(*) FROM keys")
}

fn failures(agent: &Agent) -> u64 {
    agent.windows().iter().flat_map(|(_, _, failures)| failures).map(|(_, count)| count).sum()
}

#[test]
fn the_oldest_stored_events_go_so_that_the_keys_of_the_others_fit() {
    let mut agent = crowded();
    for window in 0..5 {
        crowd(&mut agent, window);
    }
    assert_eq!(count(&agent, "SELECT min(id) FROM events"), 1, "within the limit all stay");
    for window in 5..20 {
        crowd(&mut agent, window);
        assert!(keys(&agent) <= MOST, "{} keys after window {window}", keys(&agent));
    }
    assert!(keys(&agent) > MOST / 2, "no more goes than must: {} keys", keys(&agent));
    let gone = count(&agent, "SELECT min(id) FROM events") - 1;
    assert!(gone > 0);
    assert_eq!(agent.counted(Counter::GaveWay), gone);
    // The windows have left as frames, and nothing of them is missing.
    assert_eq!(agent.windows().len(), 20);
    assert_eq!(failures(&agent), 20 * 300);
    assert_eq!(agent.counted(Counter::KeyOverflow), 20 * 44);
    assert!(agent.engine().state.unreported.is_empty(), "it is no loss");
}

#[test]
fn after_a_restart_the_same_limit_holds() {
    let mut agent = crowded();
    for window in 0..20 {
        crowd(&mut agent, window);
        agent.restart();
    }
    assert!(keys(&agent) <= MOST, "{} keys", keys(&agent));
    assert_eq!(failures(&agent), 20 * 300);
}

#[test]
fn keys_of_open_windows_never_go() {
    let mut agent = Agent::start_with(|settings| settings.retention.keys = 1);
    let names: Vec<_> = (0..200).map(|key| format!("station {key} rejected")).collect();
    for name in &names {
        agent.events(&[(0, "WIFI", name, FAIL)]);
        agent.commit();
    }
    agent.engine().commit_checkpoint().expect("committed");
    agent.pass(120);
    assert_eq!(keys(&agent), 200);
    agent.restart();
    agent.pass(300);
    assert_eq!(failures(&agent), 200);
}
