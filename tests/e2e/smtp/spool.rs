//! The mails that wait: several processes, too many of them, and a folder that can't be used.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use cabinwatch_tests::program::Ended;
use cabinwatch_tests::smtp::MailServer;

use super::desk::{Desk, json};

#[test]
fn runs_at_the_same_time_send_one_mail() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = MailServer::start(folder.path());
    let desk = Desk::new(&server);
    desk.detect();
    let at_once = |minutes: [u32; 6]| {
        let commands = minutes.map(|minute| desk.report_command(minute).stdout(Stdio::null()).spawn());
        for command in commands {
            assert!(command.expect("started").wait().expect("ended").success());
        }
    };
    at_once([10; 6]);
    assert_eq!(server.mails().len(), 2);
    at_once([20, 20, 21, 21, 22, 22]);
    assert_eq!(server.mails().len(), 5);

    // And all of them at what waits.
    server.process.kill();
    for minute in 30..36 {
        desk.report(minute);
    }
    server.process.start();
    at_once([40; 6]);
    desk.send(&[]);
    let deliveries = server.deliveries();
    assert_eq!(deliveries.len(), 3 * 12);
    assert!(deliveries.values().all(|count| *count == 1), "{deliveries:?}");
    assert!(desk.queue().is_empty());
}

#[test]
fn a_full_spool_gives_up_the_oldest_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = MailServer::start(folder.path());
    let mut desk = Desk::new(&server);
    desk.number("spool_mails", 3);
    server.process.kill();
    desk.detect();
    let mut dropped = Vec::new();
    for minute in 10..15 {
        let reported = desk.report(minute);
        let list = reported["round"]["dropped"].as_array().expect("a list").clone();
        dropped.extend(list.iter().map(|mail| (mail["subject"].clone(), mail["reason"].clone())));
    }
    assert_eq!(dropped.len(), 3, "{dropped:?}");
    assert!(dropped.iter().all(|(_, reason)| reason == "room"), "{dropped:?}");
    assert_eq!(fs::read_dir(desk.spool().join("dropped")).expect("a folder").count(), 3);
    assert_eq!(desk.queue().len(), 3);
    server.process.start();
    desk.send(&[]);
    let arrived: Vec<_> = server.mails().iter().map(|mail| mail["headers"]["subject"].clone()).collect();
    assert_eq!(arrived.len(), 3);
    assert!(dropped.iter().all(|(subject, _)| !arrived.contains(subject)), "{arrived:?}");
}

#[test]
fn a_report_that_can_be_neither_sent_nor_kept_fails_the_run_after_the_tables_are_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let desk = Desk::new(&server);
    fs::write(desk.spool(), "in the way").expect("written");
    let said = Ended::badly(&mut desk.detect_command(), 1);
    assert!(said.contains("the tables are written") && said.contains("mail-spool"), "{said}");
    assert!(desk.table("combined_repeated").contains("no address available"));
}

#[test]
fn a_broken_record_is_reported_and_the_other_mails_are_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = MailServer::start(folder.path());
    let desk = Desk::new(&server);
    server.process.kill();
    desk.detect();
    let broken = desk.spool().join("queue").join(desk.queue()[0]["name"].as_str().expect("a name"));
    desk.report(10);
    fs::write(broken.join("record.json"), "{").expect("written");
    server.process.start();
    let ended = Ended::of(&mut desk.command(&["report", "send", "--json"]));
    assert_eq!(ended.code, Some(1));
    assert_eq!(json(&ended.stdout)["unreadable"], 1);
    assert!(ended.stderr.contains("is no record of a mail"), "{}", ended.stderr);
    assert_eq!(server.mails().len(), 1);
}

#[test]
fn nobody_else_may_read_the_spool() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let desk = Desk::new(&server);
    desk.detect();
    let mode = fs::metadata(desk.spool().join("queue")).expect("a folder").permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[test]
fn only_mails_for_a_server_wait() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let mut desk = Desk::new(&server);
    let url = format!("file://{}", desk.path("mail").display());
    desk.set("url", &url);
    for action in ["send", "queue"] {
        let said = Ended::badly(&mut desk.command(&["report", action]), 2);
        assert!(said.contains("only mails for a server wait"), "{said}");
    }
}
