use proptest::prelude::*;

use super::*;

fn now() -> UnixMillis {
    UnixMillis::parse("2026-11-21T09:00:00Z").expect("a date")
}

fn parse(line: &str) -> LogLine<'_> {
    LogLine::parse(line, now(), &Hints::default())
}

fn line<'a>(at: Option<&str>, program: Option<&'a str>, pid: Option<u32>, message: &'a str) -> LogLine<'a> {
    LogLine { at: at.map(|at| UnixMillis::parse(at).expect("a date")), program, pid, message }
}

#[test]
fn rsyslogs_file_format() {
    assert_eq!(
        parse(
            "2026-11-21T08:10:14.256949+00:00 ap dnsmasq-dhcp[185]: DHCPDISCOVER(wlan0) 02:00:00:00:01:00 "
        ),
        line(
            Some("2026-11-21T08:10:14.256Z"),
            Some("dnsmasq-dhcp"),
            Some(185),
            "DHCPDISCOVER(wlan0) 02:00:00:00:01:00"
        )
    );
    assert_eq!(
        parse("2026-11-21T11:10:10+03:00 ap hostapd: wlan0: AP-ENABLED "),
        line(Some("2026-11-21T08:10:10Z"), Some("hostapd"), None, "wlan0: AP-ENABLED")
    );
}

#[test]
fn rfc_5424() {
    assert_eq!(
        parse("<30>1 2026-11-21T08:02:42.039+00:00 vm radiusd 13471 - -  Debugger not attached"),
        line(Some("2026-11-21T08:02:42.039Z"), Some("radiusd"), Some(13471), "Debugger not attached")
    );
    assert_eq!(
        parse("<30>1 - vm hostapd - - [x@1 a=\"] b\\\"\"][y@1] \u{feff}wlan0: AP-ENABLED"),
        line(None, Some("hostapd"), None, "wlan0: AP-ENABLED")
    );
}

#[test]
fn rfc_3164_with_and_without_priority_and_host() {
    for text in [
        "<30>Nov 21 08:02:42 vm dnsmasq[7]: cleared cache",
        "<30>Nov 21 08:02:42 dnsmasq[7]: cleared cache",
        "Nov 21 08:02:42 vm dnsmasq[7]: cleared cache",
        "Nov 21 08:02:42 dnsmasq[7]: cleared cache",
    ] {
        let expected = line(Some("2026-11-21T08:02:42Z"), Some("dnsmasq"), Some(7), "cleared cache");
        assert_eq!(parse(text), expected, "{text}");
    }
}

#[test]
fn a_date_without_a_year_falls_into_the_nearest_one() {
    let january = UnixMillis::parse("2027-01-01T00:10:00Z").expect("a date");
    let read = |text| LogLine::parse(text, january, &Hints::default()).at;
    assert_eq!(read("Dec 31 23:59:59 ap hostapd: x"), UnixMillis::parse("2026-12-31T23:59:59Z").ok());
    assert_eq!(read("Jan  1 00:09:00 ap hostapd: x"), UnixMillis::parse("2027-01-01T00:09:00Z").ok());
    let leap = UnixMillis::parse("2027-06-01T00:00:00Z").expect("a date");
    let read = |text| LogLine::parse(text, leap, &Hints::default()).at;
    assert_eq!(read("Feb 29 00:00:00 ap hostapd: x"), UnixMillis::parse("2028-02-29T00:00:00Z").ok());
}

#[test]
fn times_without_an_offset_follow_the_hint() {
    let hints = Hints { daemon: None, utc_offset_seconds: 3 * 3600 };
    let read = |text| LogLine::parse(text, now(), &hints).at;
    let eight = UnixMillis::parse("2026-11-21T08:00:00Z").ok();
    assert_eq!(read("Nov 21 11:00:00 ap hostapd: x"), eight);
    assert_eq!(read("Sat Nov 21 11:00:00 2026 : Auth: x"), eight);
    assert_eq!(read("2026-11-21T08:00:00+00:00 ap hostapd: x"), eight, "this one names its offset");
}

#[test]
fn radiusds_own_file() {
    assert_eq!(
        parse("Sat Nov 21 08:08:50 2026 : Auth: (0) Login OK: [a] (from client c port 0)"),
        line(Some("2026-11-21T08:08:50Z"), Some("radiusd"), None, "(0) Login OK: [a] (from client c port 0)")
    );
}

#[test]
fn standard_output_has_no_header() {
    assert_eq!(parse("wlan0: AP-ENABLED \r\n"), line(None, None, None, "wlan0: AP-ENABLED"));
    assert_eq!(
        parse("1795248604.747230: wlan0: AP-ENABLED"),
        line(Some("2026-11-21T08:10:04.747Z"), None, None, "wlan0: AP-ENABLED")
    );
}

proptest! {
    #[test]
    fn any_bytes_are_split_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), now in any::<i64>()) {
        let text = String::from_utf8_lossy(&bytes);
        let line = LogLine::parse(&text, UnixMillis(now), &Hints::default());
        prop_assert!(text.contains(line.message));
    }

    #[test]
    fn anything_after_a_header_is_the_message(message in "[ -~]{0,80}", pid in any::<u32>()) {
        let text = format!("<13>Nov 21 08:02:42 vm dnsmasq[{pid}]: {message}");
        prop_assert_eq!(parse(&text).message, message.trim());
        prop_assert_eq!(parse(&text).pid, Some(pid));
    }
}
