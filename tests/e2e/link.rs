//! The link as an aircraft has it: paid for by the byte, narrow, late, lossy, often away. Needs root, for the satellite
//! line.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::link_budget::{Json, Mode, measure, measure_json};
use cabinwatch_tests::mosquitto::Identity;
use cabinwatch_tests::producer::Producer;
use cabinwatch_tests::remote::{BadDay, DRAIN_LIMIT, LIMIT, Remote, TAIL, drain_a_day};
use cabinwatch_tests::satellite::Line;
use cabinwatch_tests::traffic::Traffic;
use cabinwatch_tests::wait::eventually;

#[test]
fn a_day_costs_less_than_60_kb_and_a_twentieth_of_json() {
    let json = thread::spawn(|| measure_json(Json::FullWindows));
    let cost = measure(Mode::Scheduled);
    let (_, json) = json.join().expect("the JSON is sent");
    println!("a day: {} bytes, {} of them frames; as JSON {json} bytes", cost.total(), cost.frames);
    println!("{cost:?}");
    assert!(cost.total() < 60_000 && cost.frames < 25_000);
    assert!(json >= 20 * cost.total());
    assert!(!cost.meter.contains_key("PUBLISH models/fleet"), "the model comes with every connection");
}

#[test]
fn a_days_backlog_drains_within_a_minute_on_a_poor_line() {
    let drained = drain_a_day(176, 40);
    println!("{drained:?}");
    assert!(drained.took < DRAIN_LIMIT, "{drained:?}");
}

#[test]
fn a_bad_days_backlog_drains_on_a_poor_line_and_a_live_window_overtakes_it() {
    let drained = drain_a_day(288, 257);
    println!("{drained:?}");
    assert!(drained.before_live < 288, "the live window came last: {drained:?}");
}

#[test]
fn a_day_without_a_link_stays_within_its_limits_and_the_losses_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let mut link = Remote::new(path, Identity::Passwords, Line { rtt_ms: 600, ..Line::GOOD });
    link.ground.ingest.start();
    let store = "outbox_max_frames = 200";
    link.configure(path, &link.broker_key(), "");
    let config = fs::read_to_string(link.aircraft.config()).expect("it was written");
    link.aircraft.configure(&format!("{config}{store}\n"));
    link.satellite.go_down();
    link.power_on();
    let mut producer = Producer::new("gate", path, &link.aircraft.event_socket());
    let mut day = BadDay::new(257);
    (0..30).for_each(|_| day.happen(&mut producer));
    let early = link.aircraft.agent.peak_memory();
    (30..=288).for_each(|_| day.happen(&mut producer));
    let late = link.aircraft.agent.peak_memory();
    let outbox = link.aircraft.status()["outbox"].clone();
    let dead = link.satellite.traffic();
    println!("peak memory {early} KiB after 30 windows, {late} after 289; outbox {outbox}");
    println!("into the dead line: {} SYNs, {} bytes", dead.up.syns, dead.up.bytes);
    assert!(outbox["frames"].as_u64().is_some_and(|frames| frames <= 201), "{outbox}");
    assert!(late < early + 4096, "memory grows with the backlog: {early} KiB, then {late} KiB");
    assert_eq!(dead.up.payload, 0);

    link.satellite.come_up();
    link.aircraft.agent.stop();
    link.power_on();
    eventually("all of it", LIMIT, || link.aircraft.has_sent_all().then_some(()));
    // What was lost since the last window closed is told with the next.
    let before = link.windows_stored();
    day.happen(&mut producer);
    eventually("another window", LIMIT, || (link.windows_stored() > before).then_some(()));
    eventually("all of it", LIMIT, || link.aircraft.has_sent_all().then_some(()));
    link.aircraft.agent.stop();
    link.ground.ingest.stop();
    let stored = link.ground.stored().expect("the tables can be read");
    let windows = link.windows_stored();
    println!("{windows} windows arrived; losses {:?}, {} gaps", stored.losses, stored.gaps);
    let lost = stored.losses.get("outbox_count").copied().unwrap_or(0);
    // The stream's first frame was among those that went.
    assert_eq!((lost > 0, windows + lost), (true, 289 + 1));
    assert_eq!(stored.losses.keys().collect::<Vec<_>>(), ["outbox_count"]);
    // With the connection the ground heard how far the backlog reaches.
    let told = link.ground.number("SELECT newest FROM streams").expect("the tables can be read");
    let waited = outbox["newest"].as_i64().expect("a number");
    assert!(waited > 200 && told >= waited, "the ground heard of {told} frames, of {waited} that waited");
}

#[test]
fn whatever_happens_to_the_line_every_event_is_counted_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let mut link = Remote::new(path, Identity::Passwords, Line { rtt_ms: 600, kbit: 256, loss_percent: 1 });
    link.ground.ingest.start();
    let plane = path.join("plane");
    let keys = format!("{}{}", link.broker.access(TAIL), Aircraft::sources(&plane, ""));
    link.aircraft = Aircraft::new(&plane, TAIL, &link.url, &format!("keep_alive_seconds = 5\n{keys}"))
        .behind(&link.satellite);
    link.power_on();
    let traffic = Traffic::start(&link.aircraft, 5);
    let connections = |link: &mut Remote| link.satellite.traffic().up.opened;

    println!("the broker is gone in the middle of a message, again and again");
    for number in 0..6 {
        link.relay.cut_after(3000 + number * 1111);
        eventually("enough bytes to cut it off", LIMIT, || link.relay.has_cut().then_some(()));
    }
    println!("a hand-over: 20 s of nothing");
    link.satellite.go_down();
    thread::sleep(Duration::from_secs(20));
    link.satellite.come_up();
    println!("a broker that freezes with its connections open, so that they are half open");
    let before = connections(&mut link);
    link.broker.process.freeze();
    eventually("the agent to build a new client", LIMIT, || (connections(&mut link) > before).then_some(()));
    link.broker.process.thaw();
    println!("a broker that is killed and comes back");
    link.broker.process.kill();
    thread::sleep(Duration::from_secs(2));
    link.broker.process.start();

    let expected = traffic.finish();
    eventually("the last window to arrive, and the outbox to be empty", LIMIT, || {
        let arrived = expected.has_arrived(&link.ground.stored().ok()?);
        (arrived && link.aircraft.has_sent_all()).then_some(())
    });
    println!("{:?}", link.satellite.traffic());
    link.aircraft.agent.stop();
    link.ground.ingest.stop();
    let stored = link.ground.stored().expect("the tables can be read");
    expected.check(&stored);
    assert_eq!((stored.set_aside, stored.streams), (0, 1));
}

/// Contacts that resume TLS, and a model that does not come again.
fn contacts_are_cheap(identity: Identity) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let mut link = Remote::new(path, identity, Line::GOOD);
    link.ground.ingest.start();
    let schedule = format!("{}mode = \"scheduled\"\nevery_seconds = 1\n", link.broker_key());
    link.configure(path, &schedule, "");
    link.power_on();
    eventually("five contacts", LIMIT, || {
        let up = link.satellite.traffic().up;
        (up.ended >= 5).then_some(())
    });
    link.aircraft.agent.stop();
    let sizes: BTreeMap<usize, (usize, usize)> =
        link.relay.conversations().iter().map(|talk| (talk.up.len(), talk.down.len())).enumerate().collect();
    println!("{identity:?}: bytes up and down of each contact: {sizes:?}");
    let all = |number: usize| sizes.get(&number).map_or(0, |(up, down)| up + down);
    // The certificates of the tests are small; a public authority's are several times as large.
    assert!(all(3) < all(0) * 9 / 10, "the fourth contact shows certificates again: {sizes:?}");
    let state = "SELECT count(*) FROM aircraft WHERE online = 0 AND next_contact > last_contact";
    eventually("the ground to know that it is away", LIMIT, || {
        (link.ground.number(state).ok()? == 1).then_some(())
    });
    link.ground.ingest.stop();
}

#[test]
fn contacts_are_cheap_by_passwords() {
    contacts_are_cheap(Identity::Passwords);
}

#[test]
fn contacts_are_cheap_by_certificates() {
    contacts_are_cheap(Identity::Certificates);
}
