//! The link against a real broker: mosquitto, on a port the system picks, with a configuration of the test's own.
#![allow(clippy::expect_used, clippy::panic, reason = "a failed test has nobody to report to but its reader")]

mod rig;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cabinwatch_agent::config::{Config, LinkMode};
use cabinwatch_agent::pipeline::Input;
use cabinwatch_shared::model::Cohort;
use cabinwatch_shared::wire::{FrameSeq, LinkState, Topic};

use rig::{Agent, DEADLINE, Ground, Mosquitto, frames, free_port, is_online};

#[test]
fn backlog_and_live_frames_arrive_and_the_acknowledgement_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    let mut agent = Agent::start(folder.path(), broker.port, 300, |_| {});
    let first = agent.written - 299;
    let status = loop {
        if let LinkState::Online(status) = LinkState::parse(&ground.next("up/status")).expect("a status") {
            break status;
        }
    };
    assert_eq!((status.stream, status.newest), (agent.stream, FrameSeq(agent.written)));
    agent.write(2);
    let live = agent.written - 1..=agent.written;
    // The backlog waits for the acknowledgement for a while; on a busy machine it may be first all the same.
    let messages = ground.until_frames(first..=agent.written);
    let (live, backlog): (Vec<_>, Vec<_>) =
        messages.iter().partition(|frames| frames.iter().any(|number| live.contains(number)));
    assert!(live.iter().all(|frames| frames.len() == 1), "live frames go one by one: {live:?}");
    assert!(
        backlog.iter().any(|frames| frames.len() > 100),
        "a backlog goes many frames a message: {backlog:?}"
    );
    ground.commit(agent.stream, agent.written);
    agent.until_committed(agent.written);
    let stats = agent.link.as_ref().expect("running").stats().snapshot();
    assert!(stats.connected && stats.messages >= 3 && stats.bytes > 0, "{stats:?}");
}

#[test]
fn after_the_broker_was_killed_all_that_is_not_committed_arrives_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    // What comes before the ground listens again, comes again.
    let mut agent = Agent::start(folder.path(), broker.port, 50, |config| config.link.resend_seconds = 2);
    let all = agent.written;
    ground.until_frames(1..=all);
    ground.commit(agent.stream, all - 20);
    agent.until_committed(all - 20);
    broker.restart();
    // The broker has forgotten everything, the retained acknowledgement and our session included.
    ground.until_state(is_online);
    ground.until_frames(all - 19..=all);
    broker.kill();
    agent.write(5);
    broker.revive();
    ground.until_frames(all - 19..=all + 5);
}

#[test]
fn frames_that_the_ground_does_not_commit_are_sent_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    let agent = Agent::start(folder.path(), broker.port, 10, |config| config.link.resend_seconds = 1);
    ground.until_frames(1..=agent.written);
    ground.until_frames(1..=agent.written);
    ground.commit(agent.stream, agent.written);
    agent.until_committed(agent.written);
}

#[test]
fn a_retained_acknowledgement_spares_the_backlog_it_covers() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    let first = Agent::start(folder.path(), broker.port, 100, |_| {});
    let (stream, all) = (first.stream, first.written);
    ground.until_frames(1..=all);
    ground.commit(stream, all - 5);
    first.until_committed(all - 5);
    first.stop();
    let second = Agent::start(folder.path(), broker.port, 0, |_| {});
    assert_eq!(frames(&ground.next("up/frames")), (all - 4..=all).collect::<Vec<_>>());
    drop(second);
}

#[test]
fn a_published_model_is_offered_to_the_engine() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    let bundle: Vec<u8> = (0..500_000_u32).map(|byte| byte as u8).collect();
    ground.publish(&Topic::Model(&Cohort::fleet()), bundle.clone());
    let agent = Agent::start(folder.path(), broker.port, 0, |_| {});
    loop {
        if let Input::ModelOffered(offered) = agent.next_input() {
            assert_eq!(offered.bundle, bundle);
            break;
        }
    }
}

const NEXT_CONTACT: u32 = 3600;

fn on_schedule(config: &mut Config) {
    config.link.mode = LinkMode::Scheduled;
    config.link.every_seconds = NEXT_CONTACT;
}

#[test]
fn a_scheduled_contact_ends_when_all_is_committed_and_says_when_the_next_one_is_due() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    let agent = Agent::start(folder.path(), broker.port, 10, on_schedule);
    ground.until_frames(1..=agent.written);
    ground.commit(agent.stream, agent.written);
    ground.until_state(|state| *state == LinkState::Away { seconds: NEXT_CONTACT });
    agent.until_committed(agent.written);
    let stats = agent.link.as_ref().expect("running").stats();
    let deadline = Instant::now() + DEADLINE;
    while stats.snapshot().next_contact.is_none() {
        assert!(Instant::now() < deadline, "{:?}", stats.snapshot());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!stats.snapshot().connected);
    assert!(agent.stop() < DEADLINE, "the wait for the next contact is cut short");
}

#[test]
fn between_contacts_a_new_alarm_is_a_reason_to_connect_and_the_same_one_again_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    let mut agent = Agent::start(folder.path(), broker.port, 1, on_schedule);
    let contact = |agent: &Agent, frames: std::ops::RangeInclusive<u64>| {
        let messages = ground.until_frames(frames);
        ground.commit(agent.stream, agent.written);
        ground.until_state(|state| matches!(state, LinkState::Away { .. }));
        agent.until_committed(agent.written);
        messages
    };
    contact(&agent, 1..=agent.written);
    agent.write_alarm(4);
    contact(&agent, agent.written..=agent.written);
    // No reason to connect: neither a window without an alarm, nor one with the alarm that the ground knows.
    agent.write(1);
    agent.write_alarm(4);
    agent.write_alarm(5);
    let messages = contact(&agent, agent.written - 2..=agent.written);
    assert_eq!(messages.len(), 1, "all that gathered comes in one message: {messages:?}");
}

#[test]
fn a_model_that_is_not_decided_on_does_not_hold_a_contact_open_and_comes_again_with_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    let bundle = vec![7_u8; 1000];
    ground.publish(&Topic::Model(&Cohort::fleet()), bundle.clone());
    let agent = Agent::start(folder.path(), broker.port, 1, |config| {
        on_schedule(config);
        config.link.every_seconds = 1;
    });
    ground.until_frames(1..=agent.written);
    ground.commit(agent.stream, agent.written);
    let offer = || loop {
        if let Input::ModelOffered(offered) = agent.next_input() {
            assert_eq!(offered.bundle, bundle);
            return offered;
        }
    };
    // One that the engine lets go, and one that it keeps for later.
    drop(offer());
    let _kept = offer();
    (offer().on_decided)();
    for _ in 0..3 {
        ground.until_state(|state| matches!(state, LinkState::Away { .. }));
    }
    let more = agent.engine.try_iter().filter(|input| matches!(input, Input::ModelOffered(_))).count();
    assert_eq!(more, 0, "what is decided on comes no more");
}

#[test]
fn a_stopping_agent_says_offline() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    let agent = Agent::start(folder.path(), broker.port, 0, |_| {});
    ground.until_state(is_online);
    assert!(agent.stop() < DEADLINE, "the farewell is bounded");
    ground.until_state(|state| *state == LinkState::Offline);
}

#[test]
fn an_agent_that_stops_with_its_hands_full_says_offline_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Mosquitto::open(folder.path());
    let ground = Ground::at(&broker);
    for _ in 0..20 {
        let mut agent = Agent::start(folder.path(), broker.port, 500, |_| {});
        ground.until_state(is_online);
        agent.write(100);
        agent.stop();
        ground.until_state(|state| *state == LinkState::Offline);
    }
}

#[test]
fn without_a_broker_the_agent_stops_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let agent = Agent::start(folder.path(), free_port(), 3, |config| {
        let hour = 3_600_000;
        (config.link.backoff_min_millis, config.link.backoff_max_millis) = (hour, hour);
    });
    assert!(agent.stop() < DEADLINE, "the wait for the next try is cut short");
}

#[test]
fn a_broker_that_never_answers_is_given_up_and_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = mute.local_addr().expect("an address").port();
    let _agent = Agent::start(folder.path(), port, 3, |config| config.link.stuck_seconds = 1);
    let _first = mute.accept().expect("a connection");
    mute.accept().expect("another one");
}

/// A certificate authority of the test's own, and a certificate for 127.0.0.1.
fn make_certificates(folder: &Path) {
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").current_dir(folder).args(arguments).output();
        let output =
            output.expect("openssl is not installed; run `make setup`, which installs what the tests need");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    fs::write(folder.join("names.cnf"), "subjectAltName=IP:127.0.0.1\n").expect("written");
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let mut authority = vec!["req", "-x509", "-days", "2", "-subj", "/CN=Test authority"];
    authority.extend(key);
    authority.extend(["-keyout", "ca.key", "-out", "ca.pem"]);
    openssl(&authority);
    let mut request = vec!["req", "-subj", "/CN=broker"];
    request.extend(key);
    request.extend(["-keyout", "broker.key", "-out", "broker.csr"]);
    openssl(&request);
    openssl(&[
        "x509",
        "-req",
        "-in",
        "broker.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "names.cnf",
        "-out",
        "broker.pem",
    ]);
}

fn guarded_broker(folder: &Path) -> Mosquitto {
    make_certificates(folder);
    let passwords = folder.join("passwords");
    let mut file = fs::File::create(&passwords).expect("made");
    writeln!(file, "TC-JJA:correct horse").expect("written");
    let hashed = Command::new("mosquitto_passwd").arg("-U").arg(&passwords).status();
    assert!(hashed.expect("mosquitto_passwd is not installed; run `make setup`").success());
    let at = |name: &str| folder.join(name).display().to_string();
    // The broker gives up root for a user of its own, who must read these.
    Mosquitto::start(
        folder,
        &format!(
            "user root\nallow_anonymous false\npassword_file {}\ncertfile {}\nkeyfile {}",
            at("passwords"),
            at("broker.pem"),
            at("broker.key")
        ),
    )
}

#[test]
fn tls_and_password_let_the_agent_in_and_a_wrong_password_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = guarded_broker(folder.path());
    fs::write(folder.path().join("password"), "wrong\n").expect("written");
    let password_file = folder.path().join("password");
    let ca_file = folder.path().join("ca.pem");
    let mut agent = Agent::start(folder.path(), broker.port, 3, |config| {
        config.link.broker = format!("mqtts://127.0.0.1:{}", broker.port);
        config.link.user = "TC-JJA".to_owned();
        config.link.password_file = password_file.clone();
        config.link.ca_file = ca_file;
    });
    let connected = |agent: &Agent| agent.link.as_ref().expect("running").stats().snapshot().connected;
    let log = || fs::read_to_string(folder.path().join("mosquitto.log")).unwrap_or_default();
    let deadline = Instant::now() + DEADLINE;
    while !log().contains("not authorised") {
        assert!(!connected(&agent) && Instant::now() < deadline, "{}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
    // The file is read for each connection, so the right password counts as soon as it is there.
    fs::write(&password_file, "correct horse\n").expect("written");
    let deadline = Instant::now() + DEADLINE;
    while !connected(&agent) {
        assert!(Instant::now() < deadline, "{}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
    agent.write(1);
    let deadline = Instant::now() + DEADLINE;
    while agent.link.as_ref().expect("running").stats().snapshot().messages == 0 {
        assert!(Instant::now() < deadline, "nothing sent");
        std::thread::sleep(Duration::from_millis(20));
    }
}
