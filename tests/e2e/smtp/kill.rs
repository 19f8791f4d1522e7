//! `kill -9` in the middle of sending.

use std::time::{Duration, Instant};

use cabinwatch_tests::program::Running;
use cabinwatch_tests::smtp::MailServer;
use cabinwatch_tests::wait::eventually;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::desk::Desk;

const LIMIT: Duration = Duration::from_secs(60);

/// Starts a report and kills it when the server has come to this step.
fn kill_at(server: &MailServer, desk: &Desk, minute: u32, fault: &serde_json::Value) {
    let faults = server.said().matches("fault").count();
    server.misbehave(&json!([fault]));
    let run = Running::start(&mut desk.report_command(minute), &desk.path("killed.log"));
    eventually("the server to come to that step", LIMIT, || {
        (server.said().matches("fault").count() > faults).then_some(())
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
    desk.report(9);
    let whole_run = start.elapsed();
    let mut killed = 0;
    for minute in 10..40 {
        let mut run =
            desk.report_command(minute).stdout(std::process::Stdio::null()).spawn().expect("started");
        std::thread::sleep(whole_run.mul_f64(random.random_range(0.3..1.1)));
        killed += u32::from(run.try_wait().expect("asked").is_none());
        run.kill().expect("killed");
        run.wait().expect("gone");
    }
    for minute in 10..40 {
        desk.report(minute);
    }
    let doubtful: Vec<String> =
        desk.queue().iter().map(|mail| mail["message_id"].as_str().expect("an id").to_owned()).collect();
    let deliveries = server.deliveries();
    println!("{killed} of 30 killed before their end, {} in doubt", doubtful.len());
    assert!(killed > 0, "no run was killed");
    assert!(deliveries.values().all(|count| *count == 1), "{deliveries:?}");
    let known = deliveries.keys().filter(|(id, _)| !doubtful.contains(id)).count();
    assert_eq!(known, 3 * (32 - doubtful.len()), "every mail that is not in doubt has arrived");
    assert!(desk.states().iter().all(|state| state == "doubtful"));
}
