//! A server that refuses, delays, stalls and cuts the line at each step.

use cabinwatch_tests::program::Ended;
use cabinwatch_tests::smtp::MailServer;
use serde_json::{Value, json};

use super::desk::{Desk, RECIPIENTS};

/// The steps at which nobody can have the mail yet.
const EARLY: [&str; 7] = ["connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data"];

/// Every recipient has every mail once.
fn assert_each_once(server: &MailServer, mails: usize) {
    let deliveries = server.deliveries();
    assert_eq!(deliveries.len(), mails * RECIPIENTS.len(), "{deliveries:?}");
    assert!(deliveries.values().all(|count| *count == 1), "{deliveries:?}");
}

fn kept(reported: &Value) -> (&str, &str) {
    let text =
        |key: &str| reported["delivery"][key].as_str().unwrap_or_else(|| panic!("no {key} in {reported}"));
    (text("state"), text("why"))
}

#[test]
fn not_now_means_that_the_mail_is_kept_and_sent_by_a_later_run_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let desk = Desk::new(&server);
    desk.detect();
    let steps = EARLY.iter().chain(&["end"]);
    for (minute, step) in (10..).zip(steps) {
        server.misbehave(&json!([{ "step": step, "reply": format!("451 4.3.0 busy at {step}") }]));
        let reported = desk.report(minute);
        let (state, why) = kept(&reported);
        assert_eq!(state, "waiting", "{reported}");
        assert!(why.contains(&format!("451 4.3.0 busy at {step}")), "{why}");
        server.behave();
        // The very same report: it waits already, and is not made twice.
        assert_eq!(desk.report(minute)["delivery"]["as"], "sent");
        assert_eq!(desk.report(minute)["delivery"]["as"], "before");
    }
    assert_each_once(&server, 9);
    assert!(desk.queue().is_empty());
}

#[test]
fn a_later_run_sends_what_waits_before_its_own_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = MailServer::start(folder.path());
    let desk = Desk::new(&server);
    server.process.kill();
    let reported = desk.detect();
    assert_eq!(kept(&reported).0, "waiting");
    for minute in [10, 11] {
        assert_eq!(kept(&desk.report(minute)).0, "waiting");
    }
    server.process.start();
    let reported = desk.report(12);
    assert_eq!(reported["round"]["sent"].as_array().expect("a list").len(), 4, "{reported}");
    assert_each_once(&server, 4);
    let last = server.mails().pop().expect("four mails");
    assert_eq!(last["headers"]["subject"], reported["subject"]);
}

#[test]
fn a_person_is_told_that_the_mail_waits_and_the_run_has_succeeded() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = MailServer::start(folder.path());
    let desk = Desk::new(&server);
    server.process.kill();
    let mut detect = desk.command(&["detect", "--now", "2026-11-20T14:06:00Z"]);
    let printed = Ended::well(&mut detect);
    assert!(printed.contains("combined_repeated"), "the run's own summary: {printed}");
    for said in ["WARNING: the mail is kept: it is waiting.", "localhost:", "report send", "1 waiting"] {
        assert!(printed.contains(said), "{said} in {printed}");
    }
    let said = Ended::badly(&mut desk.command(&["report", "send"]), 1);
    assert!(said.contains("not every mail was sent: 1 wait"), "{said}");
    let listed = Ended::well(&mut desk.command(&["report", "queue"]));
    assert!(listed.contains("waiting") && listed.contains("0 of 3"), "{listed}");

    server.process.start();
    assert!(Ended::well(&mut desk.command(&["report", "send"])).contains("Mails sent: 1."));
    assert!(Ended::well(&mut detect).contains("This very report was sent before"));
    assert!(Ended::well(&mut desk.command(&["report", "queue"])).contains("No mail waits."));
    assert_each_once(&server, 1);
}

#[test]
fn after_a_failure_the_server_is_left_alone_for_a_while_unless_somebody_asks() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let mut desk = Desk::new(&server);
    desk.number("retry_seconds", 3600);
    server.misbehave(&json!([{ "step": "connect", "reply": "421 4.3.2 closed for today" }]));
    desk.detect();
    let attempts = || server.process.said().matches("fault").count();
    assert_eq!(attempts(), 1);
    server.behave();
    let reported = desk.detect();
    assert!(kept(&reported).1.contains("the next attempt is due at"), "{reported}");
    assert!(kept(&reported).1.contains("closed for today"), "{reported}");
    assert!(server.mails().is_empty());

    desk.send(&[]);
    assert_each_once(&server, 1);
}

#[test]
fn never_means_that_the_mail_is_set_aside_with_the_servers_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let desk = Desk::new(&server);
    desk.detect();
    for (minute, step) in (10..).zip(["mail", "rcpt", "data", "end"]) {
        server.misbehave(&json!([{ "step": step, "reply": format!("554 5.7.1 no {step} from you") }]));
        let reported = desk.report(minute);
        let (state, why) = kept(&reported);
        assert_eq!(state, "refused", "{reported}");
        assert!(why.contains(&format!("554 5.7.1 no {step} from you")), "{why}");
    }
    server.behave();
    // No run tries them again, nor does who sends what waits.
    desk.report(20);
    desk.send(&[]);
    assert_each_once(&server, 2);
    assert_eq!(desk.states(), ["refused"; 4]);
    let listed = Ended::well(&mut desk.command(&["report", "queue"]));
    assert!(listed.contains("554 5.7.1 no rcpt from you"), "{listed}");

    desk.send(&["--refused"]);
    assert_each_once(&server, 6);
}

#[test]
fn one_refused_recipient_is_named_and_the_others_get_the_mail() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let desk = Desk::new(&server);
    server
        .misbehave(&json!([{ "step": "rcpt", "address": RECIPIENTS[1], "reply": "550 5.1.1 no such user" }]));
    let reported = desk.detect();
    assert_eq!(reported["delivery"]["as"], "sent", "{reported}");
    let named = format!("{}: 550 5.1.1 no such user", RECIPIENTS[1]);
    assert_eq!(reported["delivery"]["refused"], json!([named]));
    assert_eq!(server.mails()[0]["recipients"], json!([RECIPIENTS[0], RECIPIENTS[2]]));
    assert!(desk.queue().is_empty());
}

#[test]
fn one_recipient_that_has_to_wait_gets_the_mail_later_and_the_others_do_not_get_it_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let desk = Desk::new(&server);
    server
        .misbehave(&json!([{ "step": "rcpt", "address": RECIPIENTS[2], "reply": "452 4.2.2 mailbox full" }]));
    let reported = desk.detect();
    assert_eq!(kept(&reported), ("waiting", "452 4.2.2 mailbox full"));
    assert_eq!(server.deliveries().len(), 2);
    server.behave();
    desk.send(&[]);
    assert_each_once(&server, 1);
}

#[test]
fn a_line_that_goes_silent_or_is_cut_before_the_mails_end_costs_nothing_but_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let mut desk = Desk::new(&server);
    desk.detect();
    let faults =
        EARLY.iter().flat_map(|step| [json!({ "step": step, "cut": true }), json!({ "step": step })]);
    let mut mails = 1;
    for (minute, fault) in (10..).zip(faults) {
        server.misbehave(&json!([fault]));
        if fault["cut"] != true {
            desk.impatient();
        }
        let reported = desk.report(minute);
        desk.patient();
        let (state, why) = kept(&reported);
        assert_eq!(state, "waiting", "{fault}: {reported}");
        let words = if fault["cut"] == true { "the line was closed" } else { "no answer in time" };
        assert!(why.contains(words), "{fault}: {why}");
        server.behave();
        desk.send(&[]);
        mails += 1;
    }
    assert_each_once(&server, mails);
}

#[test]
fn a_line_that_is_cut_behind_the_mails_end_leaves_it_in_doubt_until_somebody_decides() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let mut desk = Desk::new(&server);
    desk.detect();
    desk.number("accept_seconds", 2);
    let faults = [
        json!({ "step": "end", "cut": true, "keep": true }),
        json!({ "step": "end", "cut": true }),
        json!({ "step": "end", "keep": true }),
        json!({ "step": "end" }),
    ];
    for (minute, fault) in (10..).zip(&faults) {
        server.misbehave(&json!([fault]));
        let reported = desk.report(minute);
        assert_eq!(kept(&reported).0, "doubtful", "{fault}: {reported}");
    }
    server.behave();
    desk.patient();
    // Two of them have arrived. Neither a later run, nor the same report once more, nor a plain `send` repeats one.
    desk.report(10);
    desk.report(20);
    desk.send(&[]);
    assert_each_once(&server, 4);
    assert_eq!(desk.states(), ["doubtful"; 4]);

    let ids: Vec<String> =
        desk.queue().iter().map(|mail| mail["message_id"].as_str().expect("an id").to_owned()).collect();
    // Somebody has found the first one in the mailbox.
    let first = desk.queue()[0]["name"].as_str().expect("a name").to_owned();
    Ended::well(&mut desk.command(&["report", "discard", &first]));
    desk.send(&["--doubtful"]);
    assert!(desk.queue().is_empty());
    let count = |id: &String| server.deliveries().get(&(id.clone(), RECIPIENTS[0].to_owned())).copied();
    // Under the same Message-ID, by which a mailbox that has it already knows the second one.
    assert_eq!(ids.iter().map(count).collect::<Vec<_>>(), [Some(1), Some(1), Some(2), Some(1)]);
}

#[test]
fn a_line_that_is_cut_amid_the_mail_neither_loses_nor_doubles_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let mut desk = Desk::new(&server);
    desk.detect();
    desk.number("accept_seconds", 2);
    for (minute, fault) in (10..).zip([json!({ "step": "text", "cut": true }), json!({ "step": "text" })]) {
        server.misbehave(&json!([fault]));
        let reported = desk.report(minute);
        // A mail that fits into the line's buffers is out of our hands as a whole before the cut is noticed.
        assert!(["waiting", "doubtful"].contains(&kept(&reported).0), "{reported}");
    }
    server.behave();
    desk.patient();
    desk.send(&["--doubtful"]);
    assert_each_once(&server, 3);
}
