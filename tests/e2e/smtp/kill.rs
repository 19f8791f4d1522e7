//! `kill -9` in the middle of sending.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use cabinwatch_tests::process::Process;
use cabinwatch_tests::smtp::MailServer;
use cabinwatch_tests::wait::eventually;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::desk::{Desk, RECIPIENTS};

const LIMIT: Duration = Duration::from_secs(60);

const KILLS: u32 = 25;
/// The first period of the random test, in minutes; `detect` has reported on the first five.
const FIRST: u32 = 10;
const MOST_MINUTES: u32 = 500;

/// Starts a report and kills it when the server has come to this step.
fn kill_at(server: &MailServer, desk: &Desk, minute: u32, fault: &serde_json::Value) {
    let faults = server.process.said().matches("fault").count();
    server.misbehave(&json!([fault]));
    let mut run = Process::new(desk.report_command(minute), &desk.path("killed.log"));
    run.start();
    eventually("the server to come to that step", LIMIT, || {
        (server.process.said().matches("fault").count() > faults).then_some(())
    });
    run.kill();
    server.behave();
}

#[test]
fn killed_before_the_mails_text_goes_out_the_next_run_sends_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let desk = Desk::new(&server);
    desk.detect();
    for (minute, step) in (10..).zip(["connect", "starttls", "auth", "rcpt", "data"]) {
        kill_at(&server, &desk, minute, &json!({ "step": step }));
        assert_eq!(desk.states(), ["waiting"], "{step}");
        desk.report(minute);
        assert!(desk.queue().is_empty(), "{step}");
    }
    let deliveries = server.deliveries();
    assert_eq!(deliveries.len(), 3 * 6);
    assert!(deliveries.values().all(|count| *count == 1), "{deliveries:?}");
}

#[test]
fn killed_before_the_answer_the_mail_is_in_doubt_and_not_sent_again_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let desk = Desk::new(&server);
    desk.detect();
    kill_at(&server, &desk, 10, &json!({ "step": "end", "keep": true }));
    kill_at(&server, &desk, 11, &json!({ "step": "end" }));
    let round = desk.send(&[]);
    assert_eq!(round["doubtful"], 2, "{round}");
    assert_eq!(desk.states(), ["doubtful"; 2]);
    let why = desk.queue()[0]["why"].clone();
    assert_eq!(why, "the program was ended while it handed the mail over");
    assert_eq!(server.mails().len(), 2, "the first report, and the one that arrived before the kill");
}

/// Kills at random moments, wherever they fall: each mail arrives exactly once, or is shown to be in doubt and then
/// arrived at most once.
#[test]
fn killed_at_random_no_mail_is_lost_or_doubled() {
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let desk = Desk::new(&server);
    desk.detect();
    let start = Instant::now();
    desk.report(FIRST);
    // How long a run takes, as far as one can tell on a busy machine: the guess follows what is seen.
    let mut whole_run = start.elapsed();
    let (mut killed, mut last) = (0, FIRST);
    while killed < KILLS && last < MOST_MINUTES {
        last += 1;
        let mut run = desk.report_command(last).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let run = run.as_mut().expect("started");
        thread::sleep(whole_run.mul_f64(random.random_range(0.3..1.1)));
        let is_running = run.try_wait().expect("asked").is_none();
        run.kill().expect("killed");
        run.wait().expect("gone");
        killed += u32::from(is_running);
        whole_run = whole_run.mul_f64(if is_running { 1.05 } else { 0.8 });
    }
    (FIRST..=last).for_each(|minute| drop(desk.report(minute)));

    let ids = |mail: &Value| mail["message_id"].as_str().expect("an id").to_owned();
    let doubtful: Vec<String> = desk.queue().iter().map(ids).collect();
    assert!(desk.states().iter().all(|state| state == "doubtful"), "{:?}", desk.states());
    let deliveries = server.deliveries();
    let reports = last - FIRST;
    println!("{killed} of {reports} runs killed, {} mails in doubt", doubtful.len());
    assert_eq!(killed, KILLS, "of {reports} runs");
    assert!(deliveries.values().all(|count| *count == 1), "{deliveries:?}");
    let known = deliveries.keys().filter(|(id, _)| !doubtful.contains(id)).count();
    let expected = RECIPIENTS.len() * (2 + reports as usize - doubtful.len());
    assert_eq!(known, expected, "every mail that is not in doubt has arrived");
}
