//! The whole service against real brokers. Each test waits for what must happen, with a deadline far above what it
//! takes.

mod rig;

use std::net::SocketAddr;
use std::time::Duration;

use cabinwatch_shared::verdict::Alarms;
use cabinwatch_tests::broker::free_port;

use super::*;
use crate::ingest::fixture::{known_window, message, model, spelled_window};
use crate::ingest::monitor::Store;
use crate::tables::Query;
use rig::{DEADLINE, Ground, Mosquitto, Plane, eventually};

async fn frames_reach_the_tables_and_the_aircraft_learns_it(broker: &str) {
    let mut ground = Ground::new(broker);
    ground.tables().put_model(&model(3)).expect("stored");
    ground.start().await;
    let planes = [Plane::connect(broker, "TC-JJA").await, Plane::connect(broker, "TC-JJB").await];
    let both = Alarms { z: true, forest: true };
    for plane in &planes {
        send_until_committed(plane, &known_window(1, 3, both)).await;
        plane.send(message(7, 1, 2, &[spelled_window(2), vec![9, 9], spelled_window(4)])).await;
        plane.committed(4).await;
        plane.send(message(7, 8, 8, &[spelled_window(8)])).await;
        plane.committed(8).await;
    }
    ground.rows(8).await;
    let summary = ground.stop().await;
    assert_eq!((summary.frames, summary.windows, summary.set_aside, summary.gaps), (10, 8, 2, 6));
    let tables = ground.tables();
    assert_eq!(tables.gaps(&Query::default()).expect("read").len(), 2);
    assert_eq!(
        tables.rows(crate::tables::Table::CombinedRepeated, &Query::default()).expect("read").len(),
        2
    );
}

async fn what_comes_while_ingest_is_away_waits_at_the_broker(broker: &str) {
    let mut ground = Ground::new(broker);
    let plane = Plane::connect(broker, "TC-JJA").await;
    ground.start().await;
    send_until_committed(&plane, &spelled_window(1)).await;
    ground.stop().await;
    plane.send(message(7, 1, 2, &[spelled_window(2)])).await;
    ground.start().await;
    plane.committed(2).await;
    ground.kill().await;
    plane.send(message(7, 1, 3, &[spelled_window(3)])).await;
    ground.start().await;
    plane.committed(3).await;
    ground.rows(3).await;
    ground.stop().await;
}

/// Sends frame 1 until it is acknowledged, as an agent does: until ingest has subscribed, the broker keeps nothing.
async fn send_until_committed(plane: &Plane, frame: &[u8]) {
    let start = Instant::now();
    while plane.acks.borrow().is_none() {
        assert!(start.elapsed() < DEADLINE, "no ack");
        plane.send(message(7, 1, 1, &[frame.to_vec()])).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A message as large as may be, from frame 2 on, with 100 windows again and again; and how many frames it has.
fn largest_message() -> (Vec<u8>, u64) {
    let count = (cabinwatch_shared::wire::MAX_MESSAGE_BYTES - 64) / (spelled_window(2).len() + 1);
    let frames: Vec<_> = (0..count as i64).map(|number| spelled_window(2 + number % 100)).collect();
    (message(7, 1, 2, &frames), count as u64)
}

async fn the_largest_message_passes(broker: &str) {
    let mut ground = Ground::new(broker);
    let plane = Plane::connect(broker, "TC-JJA").await;
    ground.start().await;
    send_until_committed(&plane, &spelled_window(1)).await;
    let (message, frames) = largest_message();
    plane.send(message).await;
    plane.committed(1 + frames).await;
    ground.rows(101).await;
    ground.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_frames_reach_the_tables_and_the_aircraft_learns_it() {
    frames_reach_the_tables_and_the_aircraft_learns_it(&Mosquitto::start().url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_keeps_what_comes_while_ingest_is_away() {
    what_comes_while_ingest_is_away_waits_at_the_broker(&Mosquitto::start().url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_passes_the_largest_message() {
    the_largest_message_passes(&Mosquitto::start().url()).await;
}

fn embedded() -> String {
    crate::broker::Embedded::start(SocketAddr::from(([127, 0, 0, 1], 0))).expect("starts").url()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_broker_brings_frames_to_the_tables_and_acks_to_the_aircraft() {
    frames_reach_the_tables_and_the_aircraft_learns_it(&embedded()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_broker_keeps_what_comes_while_ingest_is_away() {
    what_comes_while_ingest_is_away_waits_at_the_broker(&embedded()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_broker_passes_the_largest_message() {
    the_largest_message_passes(&embedded()).await;
}

/// Two members of a group that both have their share; the number of the last frame sent.
async fn both_get_their_share(broker: &str, plane: &Plane) -> ([Ground; 2], u64) {
    let mut one = Ground::new(broker);
    one.config.ingest.group_messages = 4;
    let mut other = one.another();
    one.join("ground").await;
    send_until_committed(plane, &spelled_window(1)).await;
    other.join("ground").await;
    let mut seq = 1;
    while other.summary.borrow().frames == 0 {
        seq += 1;
        plane.send(message(7, 1, seq, &[spelled_window(seq as i64)])).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    plane.committed(seq).await;
    ([one, other], seq)
}

/// No message is sent twice here: what a member that leaves was given and did not store would be missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_leaves_its_group_loses_nothing() {
    let broker = Mosquitto::start();
    let plane = Plane::connect(&broker.url(), "TC-JJA").await;
    let ([mut stays, mut leaves], mut seq) = both_get_their_share(&broker.url(), &plane).await;
    for _ in 0..40 {
        seq += 1;
        plane.send(message(7, 1, seq, &[spelled_window(seq as i64)])).await;
    }
    leaves.stop().await;
    plane.committed(seq).await;
    stays.rows(seq as usize).await;
    stays.stop().await;
}

/// A member's patience with the broker must not keep it from waiting for the tables.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_tables_are_slow_leaves_once_they_have_answered() {
    let broker = Mosquitto::start();
    let plane = Plane::connect(&broker.url(), "TC-JJA").await;
    let mut member = Ground::new(&broker.url());
    member.join("ground").await;
    send_until_committed(&plane, &spelled_window(1)).await;
    let slow = rusqlite::Connection::open(member.database()).expect("opened");
    slow.busy_timeout(DEADLINE).expect("set");
    slow.execute_batch("BEGIN IMMEDIATE").expect("locked");
    plane.send(message(7, 1, 2, &[spelled_window(2)])).await;
    let storing = || match member.monitor.snapshot().store {
        Store::Storing { messages, .. } if messages > 0 => Some(()),
        _ => None,
    };
    eventually("the group in hand", storing).await;
    let release = tokio::spawn(async move {
        // Longer than leaving a group may take, and less than a write waits for the lock.
        tokio::time::sleep(Duration::from_secs(12)).await;
        slow.execute_batch("COMMIT").expect("unlocked");
    });
    tokio::time::timeout(DEADLINE, member.stop()).await.expect("it ends");
    release.await.expect("released");
    plane.committed(2).await;
    member.rows(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_aircraft_is_told_again_how_far_the_ground_is_even_if_messages_come_first() {
    let broker = Mosquitto::start();
    let mut ground = Ground::new(&broker.url());
    let told = Plane::connect(&broker.url(), "TC-JJA").await;
    ground.start().await;
    send_until_committed(&told, &spelled_window(1)).await;
    ground.stop().await;
    let (tail, other) = (told.tail.clone(), Plane::connect(&broker.url(), "TC-JJB").await);
    drop(told);
    other.forget_acks(&tail).await;
    // The broker delivers it as soon as ingest connects, before it has answered anything that ingest asks.
    other.send(largest_message().0).await;
    let told = Plane::connect(&broker.url(), "TC-JJA").await;
    ground.start().await;
    told.committed(1).await;
    ground.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_broker_shares_frames_too() {
    let broker = embedded();
    let plane = Plane::connect(&broker, "TC-JJA").await;
    let (members, seq) = both_get_their_share(&broker, &plane).await;
    members[0].rows(seq as usize).await;
    for mut member in members {
        member.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_crashes_is_connected_to_again() {
    let mut broker = Mosquitto::start();
    let mut ground = Ground::new(&broker.url());
    let plane = Plane::connect(&broker.url(), "TC-JJA").await;
    ground.start().await;
    send_until_committed(&plane, &spelled_window(1)).await;
    broker.crash();
    eventually("a second connection", || (ground.summary.borrow().connections >= 2).then_some(())).await;
    // The broker may have forgotten the session and the aircraft its subscription: both start anew.
    let again = Plane::connect(&broker.url(), "TC-JJB").await;
    send_until_committed(&again, &spelled_window(1)).await;
    ground.rows(2).await;
    assert_eq!(ground.stop().await.gaps, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_while_the_tables_fail_and_all_is_once_they_work() {
    let broker = Mosquitto::start();
    let mut ground = Ground::new(&broker.url());
    let plane = Plane::connect(&broker.url(), "TC-JJA").await;
    ground.start().await;
    send_until_committed(&plane, &spelled_window(1)).await;
    let saboteur = ground.sabotage("window_index");
    plane.send(message(7, 1, 2, &[spelled_window(2)])).await;
    eventually("attempts that fail", || (ground.summary.borrow().retries >= 2).then_some(())).await;
    assert_eq!(plane.acks.borrow().map(|ack| ack.seq.0), Some(1));
    saboteur.execute_batch("DROP TRIGGER full").expect("dropped");
    plane.committed(2).await;
    ground.rows(2).await;
    ground.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_messages_do_not_pile_up_while_the_tables_fail_and_all_are_stored_once_they_work() {
    const MESSAGES: usize = ALWAYS_FIT as usize + 16;
    let broker = Mosquitto::start();
    let mut ground = Ground::new(&broker.url());
    let plane = Plane::connect(&broker.url(), "TC-JJA").await;
    ground.start().await;
    send_until_committed(&plane, &spelled_window(1)).await;
    let saboteur = ground.sabotage("set_aside");
    let receive_maximum = || ground.monitor.snapshot().receive_maximum;
    assert!(receive_maximum() > MESSAGES);
    for number in 0..MESSAGES {
        let mut junk = vec![0xff; crate::broker::MAX_PACKET_BYTES as usize - 100];
        junk[..8].copy_from_slice(&number.to_le_bytes());
        plane.send(junk).await;
    }
    eventually("fewer messages at a time", || (receive_maximum() == usize::from(ALWAYS_FIT)).then_some(()))
        .await;
    saboteur.execute_batch("DROP TRIGGER full").expect("dropped");
    let set_aside = || ground.tables().set_aside(&Query::default()).expect("read").len();
    eventually("all of them", || (set_aside() == MESSAGES).then_some(())).await;
    ground.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_a_broker_that_is_not_there_and_stops_when_told() {
    let port = free_port();
    let mut ground = Ground::new(&format!("mqtt://127.0.0.1:{port}"));
    ground.start().await;
    tokio::task::yield_now().await;
    assert_eq!(ground.stop().await, Summary::default());
}
