//! The spool by itself, with a server that is not there.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::config::MailConfig;
use crate::report::message::Envelope;
use crate::report::smtp::{Server, Verdict};
use crate::report::target::MailServer;

const NOW: UnixSeconds = UnixSeconds(1_795_248_600);
const DAY: i64 = 86_400;

struct Fixture {
    folder: tempfile::TempDir,
    mail: MailConfig,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), mail: MailConfig::default() }
    }

    fn spool(&self) -> Spool {
        Spool::new(self.folder.path().join("spool"), &self.mail)
    }

    fn put(&self, name: &str, now: UnixSeconds) -> Put {
        self.spool().put(name, &letter(), now).expect("room")
    }

    /// A round with a server that nobody runs.
    fn round(&self, now: UnixSeconds) -> Round {
        let nobody = MailServer { host: "127.0.0.1".to_owned(), port: 1, implicit_tls: false };
        let server = Server::new(nobody, &self.mail).expect("no login");
        self.spool().send(&server, Which::default(), now).expect("a spool")
    }

    fn claim(&self, name: &str) -> Result<Claim, &'static str> {
        Claim::of(&self.spool().queued(name)).expect("readable").map_err(|none| match none {
            NoClaim::Taken => "taken",
            NoClaim::Gone => "gone",
        })
    }

    fn names(&self) -> Vec<String> {
        self.spool().names().expect("a folder")
    }
}

fn letter() -> Letter {
    let address = |text: &str| text.parse().expect("an address");
    Letter {
        message_id: "<1@example.com>".to_owned(),
        subject: "one".to_owned(),
        bytes: b"Subject: one\r\n\r\nhello\r\n".to_vec(),
        envelope: Envelope { from: address("us@example.com"), to: vec![address("ops@example.com")] },
    }
}

fn later(seconds: i64) -> UnixSeconds {
    UnixSeconds(NOW.0 + seconds)
}

#[test]
fn a_report_is_taken_once() {
    let fixture = Fixture::new();
    assert_eq!(fixture.put("a", NOW), Put::Queued(vec![]));
    assert_eq!(fixture.put("a", NOW), Put::Known);
    assert_eq!(fixture.put("b", NOW), Put::Queued(vec![]));
    assert_eq!(fixture.names(), ["a", "b"]);
    let claim = fixture.claim("a").expect("free");
    assert_eq!(claim.mail().expect("readable"), letter().bytes);
}

#[test]
fn a_mail_can_be_claimed_by_one_at_a_time_and_not_when_it_is_gone() {
    let fixture = Fixture::new();
    fixture.put("a", NOW);
    let claim = fixture.claim("a").expect("free");
    assert_eq!(fixture.claim("a").err(), Some("taken"));
    drop(claim);
    let claim = fixture.claim("a").expect("free again");
    claim.remove(fixture.spool().folder()).expect("removed");
    assert_eq!(fixture.claim("a").err(), Some("gone"));
}

/// Who opened the mail's file before another process took the mail out of the queue must not take its lock for one on
/// the mail that bears the name now.
#[test]
fn a_lock_on_a_mail_that_was_replaced_is_no_claim() {
    let fixture = Fixture::new();
    fixture.put("a", NOW);
    let path = fixture.spool().queued("a").join(MAIL);
    let early = File::open(&path).expect("there");
    fixture.claim("a").expect("free").remove(fixture.spool().folder()).expect("removed");
    fixture.put("a", NOW);
    early.try_lock().expect("the old file's lock is free");
    let claim = fixture.claim("a").expect("and says nothing about the new one");
    assert_eq!(claim.record.state(), MailState::Waiting);
}

#[test]
fn what_a_dead_process_was_sending_is_in_doubt_and_stays_so() {
    let fixture = Fixture::new();
    fixture.put("a", NOW);
    let mut claim = fixture.claim("a").expect("free");
    claim.record.committing(&[None]);
    claim.save().expect("saved");
    drop(claim);
    for now in [NOW, later(DAY)] {
        let round = fixture.round(now);
        assert_eq!(
            (round.doubtful, round.waiting, round.server),
            (1, 0, None),
            "not even a connection is tried"
        );
    }
    assert_eq!(fixture.put("a", NOW), Put::Known);
}

#[test]
fn a_mail_is_found_in_the_queue_and_among_those_that_were_sent() {
    let fixture = Fixture::new();
    assert_eq!(fixture.spool().find("a").expect("readable"), None);
    fixture.put("a", NOW);
    let record = fixture.claim("a").expect("free").record.clone();
    assert_eq!(fixture.spool().find("a").expect("readable"), Some(Place::Queue(record)));
    fixture.spool().discard("a", NOW).expect("discarded");
    assert_eq!(fixture.spool().find("a").expect("readable"), Some(Place::Sent));
}

/// Killed between remembering that a mail is sent and taking it out of the queue.
#[test]
fn a_mail_that_is_remembered_as_sent_is_not_sent_again() {
    let fixture = Fixture::new();
    fixture.put("a", NOW);
    fixture.spool().remember(SENT, "a", b"{}").expect("remembered");
    assert_eq!(fixture.put("a", NOW), Put::Sent);
    let round = fixture.round(NOW);
    assert_eq!(round, Round::default());
    assert!(fixture.names().is_empty());
}

#[test]
fn a_server_that_is_not_there_makes_all_wait_and_is_left_alone_for_a_while() {
    let fixture = Fixture::new();
    fixture.put("a", NOW);
    fixture.put("b", NOW);
    let round = fixture.round(NOW);
    assert_eq!((round.waiting, round.failed.len()), (2, 0));
    assert!(round.server.expect("a reason").contains("127.0.0.1:1"));
    let why = |now| fixture.round(now).server.expect("a reason");
    assert!(why(later(59)).contains("the next attempt is due at"));
    assert!(!why(later(60)).contains("the next attempt"));
    assert!(why(later(60 + 119)).contains("the next attempt is due at"), "twice as long");
    let pause = fixture.spool().pause("127.0.0.1:1").expect("a pause");
    assert_eq!((pause.failures, pause.retry_at), (2, later(180)));
    assert_eq!(fixture.spool().pause("other:1"), None);
}

#[test]
fn a_mail_that_waits_too_long_is_given_up_and_can_be_made_again() {
    let fixture = Fixture::new();
    fixture.put("a", NOW);
    assert!(fixture.round(later(7 * DAY - 1)).dropped.is_empty());
    let dropped = fixture.round(later(7 * DAY)).dropped;
    assert_eq!(dropped.len(), 1);
    assert_eq!((dropped[0].state, dropped[0].reason), (MailState::Waiting, WhyDropped::Age));
    let note = fs::read_to_string(fixture.spool().done(DROPPED, "a")).expect("a note");
    assert!(note.contains(r#""reason":"age""#) && note.contains("ops@example.com"), "{note}");
    assert_eq!(fixture.put("a", later(7 * DAY)), Put::Queued(vec![]));
}

#[test]
fn room_is_made_by_giving_up_the_refused_and_then_the_oldest_but_none_that_is_being_sent() {
    let mut fixture = Fixture::new();
    fixture.mail.spool_mails = 3;
    for (name, age) in [("c", 0), ("b", 1), ("a", 2)] {
        fixture.put(name, later(age));
    }
    let mut claim = fixture.claim("a").expect("free");
    claim.record.settle(vec![Verdict::Refused("550 no".to_owned())]);
    claim.save().expect("saved");
    drop(claim);
    let dropped = |put: Put| match put {
        Put::Queued(dropped) => dropped.into_iter().map(|mail| mail.name).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(dropped(fixture.put("d", later(3))), ["a"], "refused");
    assert_eq!(dropped(fixture.put("e", later(4))), ["c"], "the oldest");
    let being_sent = ["b", "d", "e"].map(|name| fixture.claim(name).expect("free"));
    let full = fixture.spool().put("f", &letter(), later(5));
    assert!(matches!(full, Err(SpoolError::Full(3))), "{full:?}");
    drop(being_sent);
    assert_eq!(fixture.names(), ["b", "d", "e"]);
}

#[test]
fn what_dead_processes_left_unfinished_is_deleted_after_a_while() {
    let fixture = Fixture::new();
    fixture.put("a", NOW);
    let folder = fixture.spool().folder().join(durable::unfinished_name());
    fs::create_dir(&folder).expect("made");
    let file = fixture.spool().folder().join(SENT).join(durable::unfinished_name());
    fs::write(&file, "half").expect("written");
    let now = std::time::SystemTime::now();
    fixture.spool().clean(now).expect("cleaned");
    assert!(folder.exists() && file.exists(), "its process may still be at work");
    fixture.spool().clean(now + Duration::from_secs(2 * 3600)).expect("cleaned");
    assert!(!folder.exists() && !file.exists());
    assert_eq!(fixture.names(), ["a"]);
}

/// In containers nearly every process has the id 1, the one that was killed here before as well as the next one.
#[test]
fn what_a_process_of_the_same_id_left_is_in_nobodys_way() {
    let fixture = Fixture::new();
    fixture.put("a", NOW);
    let left_by_it =
        |number: u32| fixture.spool().folder().join(format!(".unfinished-{}-{number}", std::process::id()));
    (0..5000).for_each(|number| fs::create_dir(left_by_it(number)).expect("made"));
    assert_eq!(fixture.put("b", NOW), Put::Queued(vec![]));
    assert!((0..5000).all(|number| left_by_it(number).exists()));
}

#[test]
fn nobody_else_can_look_into_a_mail_wherever_it_lies() {
    let fixture = Fixture::new();
    let aside = fixture.folder.path().join(durable::unfinished_name());
    build(&aside, &letter(), NOW).expect("built");
    assert_eq!(fs::metadata(&aside).expect("there").permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_discarded_mail_leaves_the_queue_and_counts_as_sent() {
    let fixture = Fixture::new();
    fixture.put("a", NOW);
    let claim = fixture.claim("a").expect("free");
    let taken = fixture.spool().discard("a", NOW).expect_err("being sent");
    assert!(matches!(taken, SpoolError::BeingSent(_)), "{taken}");
    drop(claim);
    fixture.spool().discard("a", NOW).expect("discarded");
    assert!(fixture.names().is_empty());
    assert_eq!(fixture.put("a", NOW), Put::Sent);
    for name in ["a", "../sent", ""] {
        let gone = fixture.spool().discard(name, NOW).expect_err("not in the queue");
        assert!(matches!(gone, SpoolError::NoSuchMail(_)), "{gone}");
    }
}

#[test]
fn a_spool_that_nobody_has_used_yet_is_empty() {
    let fixture = Fixture::new();
    assert_eq!(fixture.round(NOW), Round::default());
    assert!(fixture.spool().list().expect("nothing").is_empty());
    assert!(!fixture.spool().folder().exists(), "looking leaves nothing behind");
}
