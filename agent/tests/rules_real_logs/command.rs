//! `cabinwatch-agent rules test`: the rules over a file.

use std::path::Path;

use cabinwatch_agent::commands::rules_test;
use cabinwatch_agent::rules::Daemon;

fn run(content: &[u8], json: bool, daemon: Option<Daemon>) -> (String, rules_test::Summary) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("log");
    std::fs::write(&file, content).expect("written");
    let mut out = Vec::new();
    let summary = rules_test::run(&file, json, &[], daemon, &mut out).expect("it runs");
    (String::from_utf8(out).expect("text"), summary)
}

#[test]
fn the_command_prints_one_object_for_each_event_and_unknown_line() {
    let log = b"Nov 21 07:57:04 vm dnsmasq-dhcp[9]: DHCPNAK(br0) 10.0.0.1 02:00:00:00:00:01 wrong network\n\
                Nov 21 07:57:04 vm dnsmasq[9]: something new\n\
                Nov 21 07:57:04 vm cron[9]: whatever\n";
    let (out, summary) = run(log, true, None);
    assert_eq!(
        out,
        "{\"line\":1,\"edr_point\":\"DHCP\",\"description\":\"wrong network\",\"state\":\"FAIL\"}\n\
         {\"line\":2,\"unknown\":true}\n"
    );
    assert_eq!((summary.events, summary.unknown, summary.other_program), (1, 1, 1));
}

#[test]
fn the_command_survives_junk_and_huge_lines_and_says_where_they_are() {
    let mut log = vec![b'x'; 1 << 20];
    log.extend_from_slice(b"\n\xff\xfe\n(1) Login OK: [a] (from client c port 0)");
    let (out, summary) = run(&log, false, None);
    assert_eq!((summary.lines, summary.malformed, summary.events), (3, 2, 1));
    assert!(out.contains("2 lines that are no log lines:\n       1  xxx"), "{out}");
    assert!(out.contains("login accepted"), "{out}");
    assert!(out.len() < 2_000, "the huge line is not shown in full");
}

#[test]
fn a_daemon_can_be_forced_and_must_be_known() {
    let hint = |name: &str| Some(name.parse::<Daemon>().expect("a name"));
    let (out, _) = run(b"something without a form\n", true, hint("radiusd"));
    assert_eq!(out, "{\"line\":1,\"unknown\":true}\n");
    let result = rules_test::run(Path::new("-"), true, &[], hint("sshd"), &mut Vec::new());
    let error = result.expect_err("unknown daemon").to_string();
    assert!(error.contains("hostapd, dnsmasq, radiusd"), "{error}");
}

#[test]
fn rules_of_ones_own_replace_the_shipped_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let portal = "daemon = \"portal\"\nprograms = [\"portald\"]\n[[rule]]\nname = \"ok\"\nstarts_with = [\"welcome \"]\n\
                  event = { edr_point = \"PORTAL\", description = \"logged in\", state = \"SUCCESS\" }\n";
    let (rules, twice) = (write("portal.toml", portal), write("again.toml", portal));
    let log = write(
        "log",
        "Nov 21 07:57:04 portald[1]: welcome Jane\nNov 21 07:57:04 hostapd: wlan0: AP-ENABLED\n",
    );
    let mut out = Vec::new();
    let summary = rules_test::run(&log, true, std::slice::from_ref(&rules), None, &mut out).expect("it runs");
    assert_eq!((summary.events, summary.other_program), (1, 1));
    assert!(!String::from_utf8_lossy(&out).contains("Jane"));
    let error = rules_test::run(&log, true, &[rules, twice], None, &mut out).expect_err("two meanings");
    assert!(error.to_string().contains("again.toml: programs: \"portald\" already has rules"), "{error}");
}
