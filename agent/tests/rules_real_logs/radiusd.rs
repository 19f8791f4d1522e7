//! What FreeRADIUS says of logins.

use super::{file_yields, yields};

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
