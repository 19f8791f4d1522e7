//! Whatever a line holds, nothing personal of it reaches an event.

use cabinwatch_shared::time::UnixMillis;
use proptest::prelude::*;

use super::{interpret, interpreter};

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
