use super::status::{Daemon, Health};
use super::*;
use crate::config::LinkMode;
use crate::model::tests::{Draft, demands};
use crate::pipeline::tests::{Agent, FAIL, SUCCESS, T0, offering};
use crate::service::{LiveFacts, LiveLink};

/// An agent that scored one window and has another one open, and the configuration that finds its database.
fn agent() -> (Agent, Config) {
    let mut agent = Agent::start_with(|settings| settings.demands = demands());
    agent.take(offering(Draft::version(3).sign()));
    agent.events(&[
        (0, "DHCP", "no address", FAIL),
        (1, "DHCP", "no address", FAIL),
        (2, "DHCP", "", SUCCESS),
        (3, "DNS", "a \"quoted\", odd one", FAIL),
    ]);
    agent.pass(330);
    agent.events(&[(330, "DNS", "refused", FAIL)]);
    agent.commit();
    let mut config = Config { tail: "TC-JJA".to_owned(), ..Config::default() };
    config.store.path = agent.path();
    (agent, config)
}

fn text(print: impl FnOnce(&mut Vec<u8>) -> Result<(), CommandError>) -> String {
    let mut out = Vec::new();
    print(&mut out).expect("printed");
    String::from_utf8(out).expect("text")
}

#[test]
fn status_tells_the_state_of_this_moment() {
    let (agent, config) = agent();
    let status = status::gather(&config, &agent.settings).expect("read");
    assert_eq!((status.outbox.frames, status.outbox.oldest, status.outbox.newest), (3, 1, 3));
    assert_eq!(status.model.as_ref().map(|model| model.version), Some(3));
    assert_eq!(status.open_windows.len(), 1);
    assert_eq!((status.open_windows[0].events, status.open_windows[0].keys), (1, 1));
    assert_eq!(status.counters["events"], 5);
    assert_eq!(status.counters["late"], 0);
    assert_eq!(status.watermark.as_deref(), Some("2026-11-21T08:15:30Z"));
    assert_eq!(
        (status.clock.trust, status.clock.since.as_deref()),
        ("trusted", Some("2026-11-21T08:10:00Z"))
    );
    let shown = text(|out| status::print(&status, false, out));
    assert!(shown.contains("clock         trusted since 2026-11-21T08:10:00Z\n"), "{shown}");
    assert!(shown.contains("outbox        3 frames"), "{shown}");
    let json: serde_json::Value =
        serde_json::from_str(&text(|out| status::print(&status, true, out))).expect("JSON");
    assert_eq!(json["counters"]["windows_closed"], 1);
}

/// The exit code and the page, when the oldest frame has waited for so long.
fn health(agent: &Agent, config: &Config, waited: u64) -> (u8, String) {
    let mut status = status::gather(config, &agent.settings).expect("read");
    status.outbox.oldest_age_seconds = Some(waited);
    status.judge(config);
    (status.health.exit_code(), text(|out| status::print(&status, false, out)))
}

#[test]
fn status_begins_with_what_is_wrong_and_its_exit_code_says_so() {
    let (mut agent, mut config) = agent();
    config.link.broker = "mqtts://ops.example".to_owned();
    let (code, shown) = health(&agent, &config, 3600);
    assert!(shown.contains(&format!("agent         runs as process {}\n", std::process::id())), "{shown}");
    assert_eq!(code, 0, "{shown}");
    let (code, shown) = health(&agent, &config, 25 * 3600);
    assert!(shown.contains("! 3 frames wait, the oldest for 25 h"), "{shown}");
    assert_eq!(code, 3);
    agent.stop();
    let (code, shown) = health(&agent, &config, 3600);
    assert!(
        shown.starts_with("health        needs attention\n            ! the agent does not run"),
        "{shown}"
    );
    assert!(shown.contains("outbox        3 frames"), "what it left is shown: {shown}");
    assert_eq!(code, 3);
}

fn facts(now: u64) -> LiveFacts {
    let (version, hanging, link) = ("0.1.0".to_owned(), Vec::new(), LiveLink::default());
    LiveFacts { pid: 1, version, started: now, written: now, hanging, unwritable_since: None, link }
}

#[test]
fn status_tells_that_nothing_can_be_stored_whatever_the_kernel_says_of_the_file_system() {
    let (agent, mut config) = agent();
    config.link.broker = "mqtts://ops.example".to_owned();
    let mut status = status::gather(&config, &agent.settings).expect("read");
    let now = SystemClock.since_boot().as_secs();
    let live = LiveFacts { unwritable_since: Some(now.saturating_sub(1)), ..facts(now) };
    status.daemon = Daemon::Runs { pid: 1, live: Some(live) };
    status.judge(&config);
    assert_eq!(status.health, Health::NeedsAttention);
    let shown = text(|out| status::print(&status, false, out));
    assert!(shown.contains("! nothing can be stored for 1 s: events are counted in memory"), "{shown}");
}

#[test]
fn between_two_scheduled_contacts_status_tells_the_next_and_finds_nothing_wrong() {
    let (agent, mut config) = agent();
    config.link.broker = "mqtts://ops.example".to_owned();
    let mut status = status::gather(&config, &agent.settings).expect("read");
    let link = LiveLink { last_connected: Some(T0), next_contact: Some(T0 + 5400), ..LiveLink::default() };
    let now = SystemClock.since_boot().as_secs();
    let live = LiveFacts { link, ..facts(now) };
    status.daemon = Daemon::Runs { pid: 1, live: Some(live) };
    status.outbox.oldest_age_seconds = Some(5000);
    status.judge(&config);
    assert_eq!(status.health, Health::Well, "{:?}", status.findings);
    let shown = text(|out| status::print(&status, false, out));
    let expected = "link          not connected as planned; next contact 2026-11-21T09:40:00Z; last let in 2026-11-21T08:10:00Z";
    assert!(shown.contains(expected), "{shown}");
    config.link.mode = LinkMode::Scheduled;
    config.link.every_seconds = 86_400;
    assert_eq!(health(&agent, &config, 47 * 3600).0, 0, "a contact a day");
    assert_eq!(health(&agent, &config, 49 * 3600).0, 3);
}

#[test]
fn status_tells_when_nothing_is_sent_and_when_there_will_be_no_room() {
    let (agent, mut config) = agent();
    config.store.events_max_bytes = 1 << 40;
    config.store.outbox_max_bytes = 1 << 62;
    let (code, shown) = health(&agent, &config, 0);
    assert!(shown.contains("! no `link.broker` is set"), "{shown}");
    assert!(shown.contains("too few for that: make room"), "{shown}");
    assert_eq!(code, 3);
}

#[test]
fn status_tells_what_the_clock_is_worth() {
    let (mut agent, config) = agent();
    agent.clock.set_wall(T0 - 3600);
    agent.pass(10);
    let status = status::gather(&config, &agent.settings).expect("read");
    let shown = text(|out| status::print(&status, false, out));
    assert!(shown.contains("! the clock does not show the time that the agent goes by"), "{shown}");
    assert!(
        shown.contains("clock         doubtful since 2026-11-21T08:15:31Z; set by -3930.0 s at"),
        "{shown}"
    );
    agent.stop();
    agent.clock.boot_showing(5);
    agent.restart();
    agent.events(&[(5 - T0, "DNS", "refused", FAIL), (6 - T0, "DNS", "refused", FAIL)]);
    agent.commit();
    let status = status::gather(&config, &agent.settings).expect("read");
    let shown = text(|out| status::print(&status, false, out));
    assert!(shown.contains("clock         provisional; set by"), "{shown}");
    assert!(shown.contains("; 2 events wait for the time of day\n"), "{shown}");
    assert!(shown.contains("- 2 events wait for the time of day, as the clock is not set yet"), "{shown}");
}

#[test]
fn windows_show_scores_and_mark_what_is_open() {
    let (agent, config) = agent();
    let views = windows::gather(&config, &agent.settings, 10).expect("read");
    assert_eq!(views.iter().map(|view| view.open).collect::<Vec<_>>(), [false, true]);
    let shown = text(|out| windows::print(&views, false, out));
    let row = shown.lines().find(|line| line.starts_with("DHCP")).expect("a row");
    assert!(row.contains("66.67") && row.contains("28.335") && row.ends_with("confirmed"), "{shown}");
    assert!(shown.contains("model 3, still open"), "{shown}");
    let lines = text(|out| windows::print(&views, true, out));
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["fault_key"], "DHCP | no address");
    assert_eq!(first["fail_rate"], 66.67);
    assert_eq!(first["anomaly_combined"], true);
    assert_eq!(windows::gather(&config, &agent.settings, 0).expect("read").len(), 1);
}

#[test]
fn an_export_is_an_edr_file_again() {
    let (_agent, config) = agent();
    let range = export::Range {
        since: Some(UnixMillis((T0 + 1) * 1000)),
        until: Some(UnixMillis((T0 + 330) * 1000)),
    };
    let csv =
        text(|out| export::run(&config, export::Format::Csv, range, out).map(|count| assert_eq!(count, 3)));
    let expected = "edr_date,edr_point,description,state\n\
                    2026-11-21T08:10:01Z,DHCP,no address,FAIL\n\
                    2026-11-21T08:10:02Z,DHCP,,SUCCESS\n\
                    2026-11-21T08:10:03Z,DNS,\"a \"\"quoted\"\", odd one\",FAIL\n";
    assert_eq!(csv, expected);
    let all = export::Range::default();
    let json = text(|out| export::run(&config, export::Format::Json, all, out).map(|_| ()));
    assert_eq!(json.lines().count(), 5);
    assert!(json.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}

#[test]
fn the_model_in_use_is_described_and_a_file_checked() {
    let (agent, config) = agent();
    let in_use = model::in_use(&config, &agent.settings).expect("read").expect("a model");
    assert_eq!((in_use.version, in_use.fault_keys, in_use.trees), (3, 2, 1));
    let file = agent.folder.path().join("offer.cwm");
    std::fs::write(&file, Draft::version(4).sign()).expect("written");
    assert_eq!(model::check(&agent.settings, &file).expect("good").expect("opens").version, 4);
    std::fs::write(&file, Draft { cohort: "canary", ..Draft::version(4) }.sign()).expect("written");
    let refused = model::check(&agent.settings, &file).expect_err("refused");
    assert!(refused.to_string().contains("another cohort"), "{refused}");
    assert_eq!(refused.exit_code(), 1);
}

#[test]
fn without_a_database_each_command_says_where_it_looked() {
    let (agent, mut config) = agent();
    config.store.path = agent.folder.path().join("none.db");
    let error = status::gather(&config, &agent.settings).expect_err("nothing there").to_string();
    assert!(error.contains("none.db") && error.contains("has the agent run"), "{error}");
}
