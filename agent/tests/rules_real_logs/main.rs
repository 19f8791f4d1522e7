//! The shipped rules against the logs of real daemons (`tests/gateway-logs`), and each trap those logs hold.
//!
//! The expected counts were worked out from the logs and from what was done while they were written (the lines of
//! `vap-mark`), not taken from the program.
#![allow(clippy::expect_used, reason = "in a test's helpers a broken premise should panic too")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cabinwatch_agent::commands::rules_test;
use cabinwatch_agent::rules::{Daemon, Hints, Interpreter, LineOutcome, RuleSet};
use cabinwatch_shared::time::UnixMillis;
use proptest::prelude::*;

type Counts = BTreeMap<(String, String, String), u64>;
type Row = (&'static str, &'static str, &'static str, u64);

fn log(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/gateway-logs").join(name)
}

fn interpreter() -> Interpreter {
    Interpreter::new(Arc::new(RuleSet::shipped().expect("the shipped rules")), Hints::default())
}

/// What lines yield that all arrive at once.
fn interpret<'a>(lines: impl IntoIterator<Item = &'a str>) -> (Counts, Vec<LineOutcome>) {
    let (mut interpreter, mut counts) = (interpreter(), Counts::new());
    let now = UnixMillis::parse("2026-11-21T09:00:00Z").expect("a date");
    let outcomes = lines
        .into_iter()
        .map(|line| {
            interpreter.interpret(line, now, &mut |event| {
                let key = (event.key.edr_point, event.key.description, event.state.as_str());
                *counts.entry((key.0.to_owned(), key.1.to_owned(), key.2.to_owned())).or_default() += 1;
            })
        })
        .collect();
    (counts, outcomes)
}

fn expected(rows: &[Row]) -> Counts {
    rows.iter().map(|row| ((row.0.to_owned(), row.1.to_owned(), row.2.to_owned()), row.3)).collect()
}

#[track_caller]
fn yields(lines: &str, rows: &[Row]) {
    let (counts, outcomes) = interpret(lines.lines());
    assert_eq!(counts, expected(rows));
    for (line, outcome) in lines.lines().zip(outcomes) {
        assert!(!matches!(outcome, LineOutcome::Unknown | LineOutcome::Malformed), "{outcome:?}: {line}");
    }
}

#[track_caller]
fn file_yields(name: &str, rows: &[Row]) {
    yields(&std::fs::read_to_string(log(name)).expect("the log"), rows);
}

#[test]
fn the_whole_gateway() {
    file_yields(
        "gateway-all.log",
        &[
            // Phase A: sta1, sta2; sta4 four times in its loop; sta5; sta1 and sta2 again after deauth and disassoc;
            // 3 after the restart, 3 after the kill, 2 after the ACL run. Phase B: sta1. Phase C: sta1.
            ("WIFI", "joined", "SUCCESS", 2 + 4 + 1 + 2 + 3 + 3 + 2 + 1 + 1),
            // sta3 tries at 08:10:15, 08:10:29 and 08:10:53 in phase A and once in phase B, four lines each. Its
            // attempt of phase C ends in an EAP failure, sta4's there is cut off by the stop: no failures here.
            ("WIFI", "wrong passphrase", "FAIL", 4),
            // Phase C: sta1 by both loggers' lines and the control event; sta3 with a wrong password.
            ("EAP", "authenticated", "SUCCESS", 1),
            ("EAP", "authentication failed", "FAIL", 1),
            // "radius server stopped": each of sta4's six packets meets a closed port.
            ("EAP", "RADIUS server unreachable", "FAIL", 6),
            // sta1, sta2 and sta4 get the pool's three addresses; sta5 asks four times in vain.
            ("DHCP", "lease given", "SUCCESS", 3),
            ("DHCP", "no address available", "FAIL", 4),
            // Inner (8) and outer (9) login of sta1; inner (17) and outer (18) of sta3.
            ("AUTH", "login accepted", "SUCCESS", 1),
            ("AUTH", "wrong password", "FAIL", 1),
        ],
    );
}

#[test]
fn hostapds_second_channel_alone() {
    // The 17 handshakes of phase A; its 12 mismatch lines are sta3's three attempts there.
    let rows = [("WIFI", "joined", "SUCCESS", 17), ("WIFI", "wrong passphrase", "FAIL", 3)];
    file_yields("hostapd.stdout.log", &rows);
}

/// The same run in both syslog formats.
#[test]
fn dhcp_and_dns() {
    for name in ["dnsmasq.log", "dnsmasq.rfc5424.log"] {
        file_yields(
            name,
            &[
                // One DHCPACK line each.
                ("DHCP", "lease given", "SUCCESS", 16),
                // The fourth client's three tries for a pool of three, in the plain run and with --log-dhcp.
                ("DHCP", "no address available", "FAIL", 6),
                // The client that is to be ignored, twice in each of the first two runs.
                ("DHCP", "ignored", "FAIL", 4),
                ("DHCP", "declined by the client", "FAIL", 2),
                ("DHCP", "wrong network", "FAIL", 3),
                ("DHCP", "address in use", "FAIL", 3),
                ("DHCP", "address not available", "FAIL", 1),
                ("DHCP", "wrong server-ID", "FAIL", 1),
                // Queries 1 (from the configuration) and 4 (NXDOMAIN is an answer).
                ("DNS", "answered", "SUCCESS", 2),
                ("DNS", "SERVFAIL", "FAIL", 1),
                // Query 2 by the upstream server, query 5 for want of a route, 11 to 18 over the limit.
                ("DNS", "REFUSED", "FAIL", 1 + 1 + 8),
                ("DNS", "too many concurrent queries", "FAIL", 2),
                ("DNS", "server failed to start", "FAIL", 1),
            ],
        );
    }
}

/// The same run in both syslog formats.
#[test]
fn logins() {
    for name in ["freeradius.log", "freeradius.rfc5424.log"] {
        file_yields(
            name,
            &[
                // Requests 0, 6, 7; tunnelled 25+26 and 50+50; 52 without an inner line.
                ("AUTH", "login accepted", "SUCCESS", 6),
                // Requests 1 (PAP), 5 (crypt), 8 (MS-CHAP), and 35 for the reason of its inner login 34.
                ("AUTH", "wrong password", "FAIL", 4),
                ("AUTH", "no authentication method for the user", "FAIL", 1),
                ("AUTH", "rejected", "FAIL", 1),
                // Request 4 has two lines.
                ("AUTH", "unknown user", "FAIL", 1),
                // Requests 11, 12, 13 have three lines each.
                ("AUTH", "home server did not respond", "FAIL", 3),
                ("AUTH", "no live home server", "FAIL", 2),
                // Request 44 for the reason of 43.
                ("AUTH", "no password known for the user", "FAIL", 1),
                ("AUTH", "client does not trust the server's certificate", "FAIL", 1),
                ("AUTH", "client certificate refused", "FAIL", 1),
                ("AUTH", "no common EAP method", "FAIL", 1),
                ("AUTH", "shared secret is incorrect", "FAIL", 2),
                ("AUTH", "request from an unknown client", "FAIL", 1),
                ("AUTH", "home server does not respond (zombie)", "FAIL", 1),
                ("AUTH", "home server dead", "FAIL", 1),
                // Two lines of one start.
                ("AUTH", "server failed to start", "FAIL", 1),
            ],
        );
    }
}

#[test]
fn radiusds_own_file() {
    let rows = [
        ("AUTH", "login accepted", "SUCCESS", 1),
        ("AUTH", "wrong password", "FAIL", 1),
        ("AUTH", "shared secret is incorrect", "FAIL", 1),
    ];
    file_yields("freeradius.filelog-sample.log", &rows);
}

const JOINED: Row = ("WIFI", "joined", "SUCCESS", 1);
const NO_HANDSHAKE: Row = ("WIFI", "no completed handshake", "FAIL", 1);

#[test]
fn the_stock_unit_without_its_second_channel_shows_a_wrong_passphrase_as_no_completed_handshake() {
    let text = std::fs::read_to_string(log("gateway-all.log")).expect("the log");
    let syslog_only =
        |line: &&str| line.contains("T08:10:") && line.contains(" hostapd: ") && line.contains(" STA ");
    let (counts, _) = interpret(text.lines().filter(syslog_only));
    // sta3 is deauthenticated twice within that minute; its third time comes in the next.
    let rows = [("WIFI", "joined", "SUCCESS", 9), ("WIFI", "no completed handshake", "FAIL", 2)];
    assert_eq!(counts, expected(&rows));
}

#[test]
fn the_order_of_the_two_channels_does_not_matter() {
    let forms = [
        "2026-11-21T08:00:00.100Z ap hostapd: wlan0: STA 02:00:00:00:01:00 WPA: pairwise key handshake completed (RSN)",
        "2026-11-21T08:00:00.105Z ap hostapd: wlan0: EAPOL-4WAY-HS-COMPLETED 02:00:00:00:01:00",
        "2026-11-21T08:00:00.110Z ap hostapd: wlan0: AP-STA-CONNECTED 02:00:00:00:01:00",
    ];
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]] {
        yields(&order.map(|index| forms[index]).join("\n"), &[JOINED]);
    }
    for form in forms {
        yields(form, &[JOINED]);
    }
}

#[test]
fn a_copy_by_the_second_logger_is_no_second_event_but_a_return_within_a_second_is() {
    let line = |millis: u32| {
        format!("2026-11-21T08:00:00.{millis:03}Z ap hostapd: wlan0: AP-STA-CONNECTED 02:00:00:00:01:00\n")
    };
    yields(&(line(1) + &line(21) + &line(650) + &line(668)), &[("WIFI", "joined", "SUCCESS", 2)]);
}

#[test]
fn a_station_deauthenticated_after_its_handshake_has_not_failed() {
    yields(
        "Nov 21 08:00:00 ap hostapd: wlan0: STA 02:00:00:00:01:00 IEEE 802.11: associated (aid 1)\n\
         Nov 21 08:00:00 ap hostapd: wlan0: STA 02:00:00:00:01:00 WPA: pairwise key handshake completed (RSN)\n\
         Nov 21 08:09:00 ap hostapd: wlan0: STA 02:00:00:00:01:00 WPA: group key handshake failed (RSN) after 4 tries\n\
         Nov 21 08:09:05 ap hostapd: wlan0: STA 02:00:00:00:01:00 IEEE 802.11: deauthenticated due to local deauth request",
        &[JOINED, ("WIFI", "group key handshake failed", "FAIL", 1)],
    );
}

#[test]
fn an_association_that_is_given_up_counts_once_where_completed_ones_are_visible() {
    let joined =
        "Nov 21 08:00:00 hostapd: wlan0: STA 02:00:00:00:01:00 WPA: pairwise key handshake completed (RSN)\n";
    let left = "Nov 21 08:01:00 hostapd: wlan0: STA 02:00:00:00:02:00 IEEE 802.11: associated (aid 2)\n\
                Nov 21 08:01:04 hostapd: wlan0: STA 02:00:00:00:02:00 IEEE 802.11: disassociated\n\
                Nov 21 08:01:05 hostapd: wlan0: STA 02:00:00:00:02:00 IEEE 802.11: deauthenticated due to inactivity (timer DEAUTH/REMOVE)\n";
    yields(&(joined.to_owned() + left), &[JOINED, NO_HANDSHAKE]);
    yields(left, &[]);
}

#[test]
fn an_open_network_has_no_failures_from_stations_that_come_and_go() {
    let visit = |minute: u32| {
        format!(
            "Nov 21 08:{minute:02}:00 hostapd: wlan0: STA 02:00:00:00:02:00 IEEE 802.11: associated (aid 2)\n\
             Nov 21 08:{minute:02}:00 hostapd: wlan0: STA 02:00:00:00:02:00 RADIUS: starting accounting session 0123456789ABCDEF\n\
             Nov 21 08:{minute:02}:30 hostapd: wlan0: STA 02:00:00:00:02:00 IEEE 802.11: disassociated due to inactivity\n"
        )
    };
    yields(&(visit(1) + &visit(2) + &visit(3)), &[("WIFI", "joined", "SUCCESS", 3)]);
}

#[test]
fn a_stop_of_the_access_point_is_nobodys_failure() {
    yields(
        "2026-11-21T08:00:00Z ap hostapd: wlan0: STA 02:00:00:00:01:00 IEEE 802.11: associated (aid 1)\n\
         2026-11-21T08:00:01Z ap hostapd: wlan0: interface state ENABLED->DISABLED\n\
         2026-11-21T08:00:01Z ap hostapd: wlan0: CTRL-EVENT-TERMINATING \n\
         2026-11-21T08:00:02Z ap hostapd: wlan0: STA 02:00:00:00:01:00 IEEE 802.11: deauthenticated due to local deauth request",
        &[],
    );
}

#[test]
fn after_an_eap_failure_the_deauthentication_is_no_second_one() {
    yields(
        "2026-11-21T08:00:00Z ap hostapd: wlan0: STA 02:00:00:00:01:00 IEEE 802.11: associated (aid 1)\n\
         2026-11-21T08:00:01Z ap hostapd: wlan0: CTRL-EVENT-EAP-FAILURE2 02:00:00:00:01:00\n\
         2026-11-21T08:00:06Z ap hostapd: wlan0: STA 02:00:00:00:01:00 IEEE 802.11: deauthenticated due to local deauth request",
        &[("EAP", "authentication failed", "FAIL", 1)],
    );
}

#[test]
fn hostapds_server_faults_and_refusals() {
    yields(
        "2026-11-21T08:00:00Z ap hostapd: wlan0: RADIUS No response from Authentication server 10.0.0.1:1812 - failover\n\
         2026-11-21T08:00:00Z ap hostapd: wlan0: STA 02:00:00:00:01:00 IEEE 802.11: did not acknowledge authentication response\n\
         2026-11-21T08:00:01Z ap hostapd: wlan0: AP-REJECTED-MAX-STA 02:00:00:00:01:00\n\
         2026-11-21T08:00:01Z ap hostapd: wlan0: DFS-CAC-START freq=5260 chan=52 sec_chan=1\n\
         2026-11-21T08:00:02Z ap hostapd: nl80211: Could not configure driver mode\n\
         2026-11-21T08:00:02Z ap hostapd: Interface initialization failed\n\
         2026-11-21T08:00:02Z ap hostapd: wlan0: interface state COUNTRY_UPDATE->DISABLED\n\
         2026-11-21T08:00:02Z ap hostapd: wlan0: Unable to setup interface.",
        &[
            ("EAP", "authentication server did not respond", "FAIL", 1),
            ("WIFI", "authentication response not acknowledged", "FAIL", 1),
            ("WIFI", "too many stations", "FAIL", 1),
            ("WIFI", "access point failed to start", "FAIL", 1),
        ],
    );
}

#[test]
fn an_outer_login_finds_its_inner_one_although_others_come_between() {
    yields(
        "(34)   Login incorrect (mschap: MS-CHAP2-Response is incorrect): [a] (from client c port 0 via TLS tunnel)\n\
         (36)   Login incorrect (mschap: FAILED: No NT-Password.  Cannot perform authentication): [b] (from client c port 0 via TLS tunnel)\n\
         (41) Login incorrect (eap_peap: The users session was previously rejected: returning reject (again.)): [b] (from client c port 0 cli 02-00-00-00-01-03)\n\
         (42) Login incorrect (eap_peap: The users session was previously rejected: returning reject (again.)): [anon] (from client c port 0 cli 02-00-00-00-01-02)",
        &[("AUTH", "wrong password", "FAIL", 1), ("AUTH", "no password known for the user", "FAIL", 1)],
    );
}

#[test]
fn request_numbers_start_again_with_the_server() {
    let login = "Sat Nov 21 08:08:52 2026 : Auth: (0) Login OK: [a] (from client c port 0)\n";
    let start = "Sat Nov 21 08:08:50 2026 : Info: Ready to process requests\n";
    let rows = [("AUTH", "login accepted", "SUCCESS", 2)];
    yields(&[start, login, login, start, login].concat(), &rows);
}

/// Debian's unit has the server check its configuration first, and systemd takes what it says to syslog.
#[test]
fn the_check_before_radiusds_start_is_no_event() {
    let lines = "\
        2026-11-21T18:14:55.709463+00:00 ap freeradius[249]: GNU General Public License\n\
        2026-11-21T18:14:57.167887+00:00 ap freeradius[249]: Debug state unknown (cap_sys_ptrace capability not set)\n\
        2026-11-21T18:14:59.717710+00:00 ap freeradius[249]: radiusd: #### Skipping IP addresses and Ports ####\n\
        2026-11-21T18:14:59.741856+00:00 ap freeradius[249]: Configuration appears to be OK\n\
        2026-11-21T18:15:01.334535+00:00 ap radiusd[250]: Debug state unknown (cap_sys_ptrace capability not set)\n";
    yields(lines, &[]);
}

#[test]
fn a_user_name_that_imitates_a_log_line_is_no_login() {
    yields(
        "(7) Login incorrect (pap: x): [Login OK: [eve] (from client c port 0)] (from client c port 0)",
        &[("AUTH", "rejected", "FAIL", 1)],
    );
}

#[test]
fn a_dns_query_is_one_answer_however_many_lines_it_has() {
    let rows = [("DNS", "answered", "SUCCESS", 3)];
    let extra = "7 10.0.0.5/4000 query[A] www.example from 10.0.0.5\n\
                 7 10.0.0.5/4000 forwarded www.example to 10.0.0.1\n\
                 7 10.0.0.5/4000 reply www.example is <CNAME>\n\
                 7 10.0.0.5/4000 reply cdn.example is 192.0.2.1\n\
                 7 10.0.0.5/4000 reply cdn.example is 192.0.2.2\n\
                 8 10.0.0.5/4001 query[AAAA] www.example from 10.0.0.5\n\
                 8 10.0.0.5/4001 cached www.example is NODATA-IPv6\n\
                 9 10.0.0.5/4002 query[A] ap from 10.0.0.5\n\
                 9 10.0.0.5/4002 /etc/hosts ap is 10.0.0.1\n";
    yields(&extra.lines().map(|line| format!("dnsmasq[5]: {line}\n")).collect::<String>(), &rows);
    let plain = "query[A] www.example from 10.0.0.5\n\
                 forwarded www.example to 10.0.0.1\n\
                 reply www.example is <CNAME>\n\
                 reply cdn.example is 192.0.2.1\n\
                 reply cdn.example is 192.0.2.2\n\
                 reply other.example is 192.0.2.1\n\
                 query[A] www.example from 10.0.0.5\n\
                 cached www.example is <CNAME>\n\
                 cached cdn.example is 192.0.2.1\n";
    yields(plain, &rows);
}

#[test]
fn dhcp_version_6() {
    yields(
        "Nov 21 07:57:04 dnsmasq-dhcp[9]: DHCPSOLICIT(br0) 00:01:00:01:2c:aa:bb:cc:02:00:00:00:00:01 \n\
         Nov 21 07:57:04 dnsmasq-dhcp[9]: DHCPADVERTISE(br0) fd00::10 00:01:00:01:2c:aa:bb:cc:02:00:00:00:00:01 seat5\n\
         Nov 21 07:57:05 dnsmasq-dhcp[9]: DHCPREPLY(br0) fd00::10 00:01:00:01:2c:aa:bb:cc:02:00:00:00:00:01 seat5\n\
         Nov 21 07:57:06 dnsmasq-dhcp[9]: 1234 DHCPREPLY(br0) 00:01:00:01:2c:aa:bb:cc:02:00:00:00:00:02 no addresses available\n\
         Nov 21 07:57:06 dnsmasq-dhcp[9]: DHCPSOLICIT(br0) 00:01:00:01:2c:aa:bb:cc:02:00:00:00:00:01 ignored",
        &[
            ("DHCP", "lease given", "SUCCESS", 1),
            ("DHCP", "no address available", "FAIL", 1),
            ("DHCP", "ignored", "FAIL", 1),
        ],
    );
}

#[test]
fn unknown_lines_are_told_from_those_of_other_programs_and_from_junk() {
    let (counts, outcomes) = interpret([
        "Nov 21 07:57:04 vm dnsmasq[9]: the moon is full tonight",
        "Nov 21 07:57:04 vm kernel: DHCPACK(br0) 10.0.0.1 02:00:00:00:00:01",
        "\u{1}\u{2} junk",
        "",
    ]);
    assert_eq!(counts, Counts::new());
    let expected =
        [LineOutcome::Unknown, LineOutcome::OtherProgram, LineOutcome::Malformed, LineOutcome::NoEvent];
    assert_eq!(outcomes, expected);
}

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

/// Every form that holds something personal; the placeholders are filled with random values.
const PERSONAL: &[&str] = &[
    "hostapd: wlan0: STA MAC IEEE 802.11: associated (aid 1)",
    "hostapd: wlan0: STA MAC IEEE 802.11: deauthenticated due to local deauth request",
    "hostapd: wlan0: STA MAC WPA: pairwise key handshake completed (RSN)",
    "hostapd: wlan0: STA MAC WPA: group key handshake failed (RSN) after 4 tries",
    "hostapd: wlan0: STA MAC IEEE 802.1X: STA identity 'USER'",
    "hostapd: wlan0: STA MAC IEEE 802.1X: authentication failed - EAP type: 25 (PEAP)",
    "hostapd: wlan0: AP-STA-POSSIBLE-PSK-MISMATCH MAC",
    "hostapd: wlan0: EAPOL-4WAY-HS-COMPLETED MAC",
    "hostapd: wlan0: CTRL-EVENT-EAP-FAILURE2 MAC",
    "hostapd: wlan0: RADIUS No response from Authentication server IP:1812 - failover",
    "dnsmasq-dhcp[1]: DHCPACK(br0) IP MAC HOST",
    "dnsmasq-dhcp[1]: 77 DHCPNAK(br0) IP MAC HOST",
    "dnsmasq-dhcp[1]: DHCPNAK(br0) IP MAC wrong network",
    "dnsmasq-dhcp[1]: DHCPDISCOVER(br0) MAC no address available",
    "dnsmasq-dhcp[1]: DHCPDECLINE(br0) IP MAC HOST",
    "dnsmasq[1]: 3 IP/45382 reply HOST is IP",
    "dnsmasq[1]: reply error is SERVFAIL",
    "radiusd[1]: (1) Login OK: [USER] (from client HOST port 0 cli MAC)",
    "radiusd[1]: (2) Login incorrect (USER): [USER] (from client HOST port 0 cli MAC)",
    "radiusd[1]: (3)   Login incorrect (mschap: USER): [USER] (from client HOST port 0 via TLS tunnel)",
    "radiusd[1]: (3) Login incorrect (eap_peap: The users session was previously rejected: returning reject (again.)): [USER] (from client HOST port 0 cli MAC)",
    "radiusd[1]: (4) Login incorrect (Failing proxied request for user \"USER\", due to lack of any response from home server IP port 1812): [USER@HOST] (from client HOST port 0)",
    "radiusd[1]: Ignoring request to auth address * port 1812 bound to server default from unknown client IP port 45830 proto udp",
    "radiusd[1]: Marking home server IP port 1812 as dead.",
];

proptest! {
    #[test]
    fn nothing_personal_reaches_an_event(
        forms in prop::collection::vec(0..PERSONAL.len(), 1..60),
        address in any::<[u8; 6]>(),
        ip in any::<[u8; 4]>(),
        user in "[A-Z][a-z]{3,9}[0-9]{4}",
        host in "Seat-[a-z]{3,8}[0-9]{3}",
    ) {
        let mac = address.map(|byte| format!("{byte:02x}")).join(":");
        let ip = ip.map(|byte| byte.to_string()).join(".");
        let mut interpreter = interpreter();
        for (second, form) in forms.into_iter().enumerate() {
            let message = PERSONAL[form]
                .replace("MAC", &mac)
                .replace("IP", &ip)
                .replace("USER", &user)
                .replace("HOST", &host);
            let line = format!("2026-11-21T08:00:{second:02}.5Z vm {message}");
            let mut keys = String::new();
            interpreter.interpret(&line, UnixMillis(0), &mut |event| keys.push_str(&event.key.to_string()));
            for personal in [&mac, &ip, &user, &host] {
                prop_assert!(!keys.contains(personal.as_str()), "{} from {}", keys, line);
            }
        }
    }

    #[test]
    fn any_text_is_taken_without_a_panic(lines in prop::collection::vec(any::<String>(), 0..20)) {
        interpret(lines.iter().map(String::as_str));
    }

    #[test]
    fn mangled_real_lines_are_taken_without_a_panic(
        form in 0..PERSONAL.len(),
        cut in 0_usize..120,
        junk in any::<String>(),
    ) {
        let mut line = format!("<30>Nov 21 08:00:00 vm {}", PERSONAL[form]);
        line.insert_str(line.floor_char_boundary(cut.min(line.len())), &junk);
        interpret([line.as_str()]);
    }
}
