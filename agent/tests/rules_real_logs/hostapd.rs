//! What hostapd says, on its two channels.

use super::{Row, expected, file_yields, interpret, log, yields};

#[test]
fn hostapds_second_channel_alone() {
    // The 17 handshakes of phase A; its 12 mismatch lines are sta3's three attempts there.
    let rows = [("WIFI", "joined", "SUCCESS", 17), ("WIFI", "wrong passphrase", "FAIL", 3)];
    file_yields("hostapd.stdout.log", &rows);
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
