//! What arrives, and over which lines.

use cabinwatch_tests::authority::Authority;
use cabinwatch_tests::program::Ended;
use cabinwatch_tests::smtp::{LOGIN, MailServer};
use serde_json::json;

use super::desk::{Desk, RECIPIENTS};

#[test]
fn a_report_arrives_once_whole_and_over_an_encrypted_line_with_a_login() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let mut desk = Desk::new(&server);
    let reported = desk.set("language", "tr").detect();
    assert_eq!(reported["delivery"]["as"], "sent", "{reported}");
    assert_eq!(reported["recipients"], 3);

    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    let mail = &mails[0];
    assert_eq!((&mail["encrypted"], &mail["login"]), (&json!(true), &json!(LOGIN.0)));
    assert_eq!(mail["mail_from"], "cabinwatch@airline.example");
    assert_eq!(mail["recipients"], json!(RECIPIENTS));
    let headers = &mail["headers"];
    assert_eq!(headers["subject"], reported["subject"]);
    assert!(headers["subject"].as_str().expect("text").contains("doğrulanmış"), "Turkish: {headers}");
    assert_eq!((&headers["to"], &headers["cc"]), (&json!(RECIPIENTS[0]), &json!(RECIPIENTS[1])));
    assert!(!mail.to_string().replace(&mail["recipients"].to_string(), "").contains(RECIPIENTS[2]), "blind");
    assert!(mail["message_id"].as_str().expect("one").ends_with("@airline.example>"));

    assert_eq!(mail["defects"], json!([]), "a strict reader finds nothing wrong");
    assert_eq!(
        mail["structure"],
        "multipart/mixed(multipart/alternative(text/plain multipart/related(text/html image/png image/png)) text/csv)"
    );
    let shown: Vec<_> = mail["shown_pictures"].as_array().expect("a list").clone();
    assert_eq!(shown.len(), 2);
    for picture in &shown {
        let content = &mail["pictures"][picture.as_str().expect("a Content-ID")];
        assert_eq!(content, "89504e470d0a1a0a", "{picture} is a PNG within the mail");
    }
    for part in ["html", "text"] {
        let text = mail[part].as_str().expect("text");
        assert!(text.contains("DHCP | no address available") && text.contains("doğrulanmış"), "{text}");
    }
    assert_eq!(mail["attachments"]["anomalies.csv"], desk.table("combined_repeated"));
    assert!(desk.queue().is_empty());
}

#[test]
fn tls_from_the_start_works_too_by_address_and_with_the_password_in_the_environment() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let mut desk = Desk::new(&server);
    desk.set("url", &server.tls_url()).set("password_file", "");
    let mut command = desk.detect_command();
    Ended::well(command.env("CABINWATCH_GROUND_MAIL_PASSWORD", LOGIN.1));
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!((&mails[0]["encrypted"], &mails[0]["login"]), (&json!(true), &json!(LOGIN.0)));
}

#[test]
fn a_wrong_password_is_reported_in_the_servers_words_and_the_mail_waits_for_the_right_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let desk = Desk::new(&server);
    std::fs::write(desk.path("password"), "hunter2-is-wrong\n").expect("written");
    let ended = Ended::of(desk.detect_command().env("CABINWATCH_GROUND__LOG__LEVEL", "trace"));
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    assert!(ended.all().contains("refuses the login of mail.user: 535"), "{}", ended.all());
    assert!(!ended.all().contains("hunter2"), "{}", ended.all());
    assert_eq!(desk.states(), ["waiting"]);
    assert!(desk.table("combined_repeated").contains("no address available"), "the run did its work");

    std::fs::write(desk.path("password"), LOGIN.1).expect("written");
    desk.detect();
    assert_eq!(server.mails().len(), 1);
    assert!(desk.queue().is_empty());
}

#[test]
fn a_server_that_repeats_the_password_does_not_get_it_into_log_output_or_spool() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let desk = Desk::new(&server);
    for step in ["auth", "mail"] {
        server.misbehave(&json!([{ "step": step, "reply": "550 I do not like {password}" }]));
        let ended = Ended::of(desk.detect_command().env("CABINWATCH_GROUND__LOG__LEVEL", "trace"));
        assert!(ended.all().contains("I do not like [password]"), "{}", ended.all());
        let queue = format!("{:?}", desk.queue());
        let pause = std::fs::read_to_string(desk.spool().join("server.json")).unwrap_or_default();
        for text in [ended.all(), queue, pause] {
            assert!(!text.contains(LOGIN.1), "{text}");
        }
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_gets_no_mail() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    let mut desk = Desk::new(&server);
    let stranger = Authority::new("stranger").certificate_file(&desk.path("model"));
    let urls = [server.url(), server.tls_url()];
    for (url, ca_file) in urls.iter().zip([stranger.display().to_string(), String::new()]) {
        desk.set("url", url).set("ca_file", &ca_file);
        let reported = desk.detect();
        let why = reported["round"]["server"].as_str().unwrap_or_default().to_owned();
        assert!(why.contains("certificate"), "{reported}");
    }
    assert!(!server.process.said().contains("mail "), "{}", server.process.said());
    assert_eq!(desk.states(), ["waiting"]);
}

#[test]
fn a_server_without_starttls_gets_mail_only_where_that_is_wanted_and_never_a_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start_in_the_open(folder.path(), true);
    let mut desk = Desk::new(&server);
    for starttls in ["required", "opportunistic"] {
        let reported = desk.set("starttls", starttls).detect();
        let why = reported["delivery"]["why"].as_str().unwrap_or_default().to_owned();
        assert!(why.contains("offers no STARTTLS"), "{reported}");
    }
    let said = Ended::badly(&mut desk.set("starttls", "none").detect_command(), 2);
    assert!(said.contains("mail.starttls"), "{said}");
    assert!(server.mails().is_empty());

    let relay = tempfile::tempdir().expect("a folder");
    let relay = MailServer::start_in_the_open(relay.path(), false);
    let no_login = |desk: &mut Desk| {
        desk.set("url", &relay.url()).set("user", "").set("password_file", "");
    };
    no_login(&mut desk);
    for (starttls, sent) in [("required", 0), ("opportunistic", 1)] {
        desk.set("starttls", starttls).detect();
        assert_eq!(relay.mails().len(), sent, "{starttls}");
    }
    let mut desk = Desk::new(&relay);
    no_login(&mut desk);
    desk.set("starttls", "none").detect();
    assert_eq!(relay.mails().len(), 2);
    assert_eq!(relay.mails()[1]["encrypted"], false);
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_is_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MailServer::start(folder.path());
    Ended::badly(&mut Desk::new(&server).command(&["report", "discard", "nothing"]), 2);
    for (setting, value, named) in [
        ("url", "smtp://reports:hunter2@localhost", "mail.password_file"),
        ("url", "gopher://localhost", "`gopher`"),
        ("to", "nobody", "mail.to"),
        ("user", "", "mail.user"),
        ("password_file", "", "mail.password_file"),
        ("starttls", "maybe", "mail.starttls"),
    ] {
        let mut desk = Desk::new(&server);
        desk.set(setting, value);
        let said = Ended::badly(&mut desk.detect_command(), 2);
        assert!(said.contains(named) && !said.contains("hunter2"), "{said}");
        assert!(!desk.path("tables.db").exists(), "{setting} = {value}");
    }
}
