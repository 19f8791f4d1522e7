use proptest::prelude::*;

use super::*;
use crate::rules::RuleSet;

fn scrubber() -> Scrubber {
    let mut scrubber = Scrubber::default();
    for word in ["TC-JJA", "link.password_file", "store.outbox_max_bytes", "0123456789abcdef"] {
        scrubber.keep(word);
    }
    scrubber.secret("hunter2-and-more");
    scrubber.name("maria", "[user]");
    scrubber.name("gw-17", "[host]");
    scrubber
}

fn scrubbed(text: &str) -> String {
    scrubber().text(text)
}

#[test]
fn a_mac_address_goes_in_every_writing() {
    for address in [
        "02:00:5e:10:01:ff",
        "02-00-5E-10-01-FF",
        "02.00.5e.10.01.ff",
        "02_00_5e_10_01_ff",
        "0200.5e10.01ff",
        "0200-5e10-01ff",
        "02005e1001ff",
        "02005E1001FF",
        "020050100100",
        "0x02005e1001ff",
        "sta02005e1001ff",
        "android-02005e1001ff",
        "sta_02005e1001ff",
        "02:00:5e:10:01:ff:00:01",
        "2:0:5e:10:1:ff",
        "02:00:5e:10",
        "02:00:5e:10:01:f",
        "fe80::5eff:fe10:1ff",
    ] {
        for text in [
            format!("sta {address} left"),
            format!("<{address}>"),
            format!("wlan0:{address}:"),
            format!("/tmp/{address}.log"),
        ] {
            let hidden = scrubbed(&text);
            let bare = |text: &str| text.to_lowercase().replace([':', '-', '.', '_'], "");
            assert!(!bare(&hidden).contains("5e10") && !bare(&hidden).contains("5010"), "{text} -> {hidden}");
            assert!(hidden.contains('['), "{text} -> {hidden}");
        }
    }
}

#[test]
fn an_ip_address_goes_but_for_this_machines_own() {
    assert_eq!(scrubbed("from 10.0.0.7:4711, 192.168.100.200."), "from [ip]:4711, [ip].");
    assert_eq!(
        scrubbed("[2001:db8::7]:8883 fe80::1%wlan0 ::ffff:10.0.0.7 addr:fd00::1/64"),
        "[[ip]]:8883 [ip]%wlan0 [ip] addr:[ip]/64"
    );
    assert_eq!(scrubbed("cut off at 2001:db8:1:2:"), "cut off at [ip]:");
    for text in ["127.0.0.1:5514", "::1", "0.0.0.0", "[::1]:8883"] {
        assert_eq!(scrubbed(text), text);
    }
}

#[test]
fn mail_addresses_realms_and_urls_go() {
    assert_eq!(scrubbed("to maria.p@example.com, jo@realm."), "to [e-mail], [e-mail].");
    assert_eq!(scrubbed("mqtts://jo:pw@ops.example.com:8883 refused"), "mqtts://[address] refused");
}

#[test]
fn names_of_machines_go_where_their_shape_tells() {
    assert_eq!(
        scrubbed("Marias-iPhone DESKTOP-4F2K9 galaxy-s21 ops.example.com gw-17"),
        "[host] [host] [host] [host] [host]"
    );
}

#[test]
fn what_stands_in_quotes_came_from_outside() {
    assert_eq!(
        scrubbed(r#"got "jo \"the\" one" and 'a b' and `c`"#),
        r#"got "[text]" and '[text]' and `[text]`"#
    );
    assert_eq!(scrubbed("cut \"before the end"), "cut \"[text]");
    assert_eq!(
        scrubbed("set `link.password_file`, see `systemctl status cabinwatch-agent`"),
        "set `link.password_file`, see `systemctl status cabinwatch-agent`"
    );
    assert_eq!(scrubbed("the aircraft's users' own"), "the aircraft's users' own");
    assert_eq!(scrubbed("Failed with result 'exit-code'."), "Failed with result 'exit-code'.");
    assert_eq!(scrubbed("tail=\"TC-JJA\""), "tail=\"TC-JJA\"");
}

#[test]
fn what_a_label_announces_goes() {
    assert_eq!(
        scrubbed("user=jo Password: 1234; CN=jo,O=airline login jo"),
        "user=[hidden] Password: [hidden]; CN=[hidden],O=[hidden] login [hidden]"
    );
    assert_eq!(scrubbed("must be writable for this user"), "must be writable for this user");
}

#[test]
fn what_the_machine_knows_goes_wherever_it_stands() {
    assert_eq!(
        scrubbed("xhunter2-AND-morex Maria marianne maria-laptop"),
        "x[secret]x [user] marianne [user]-laptop"
    );
    assert_eq!(scrubbed("cannot read /home/jo/.ssh/id"), "cannot read /home/[user]/.ssh/id");
}

#[test]
fn a_name_that_our_texts_are_made_of_is_no_name() {
    let mut scrubber = Scrubber::default();
    scrubber.keep("TC-JJA");
    ["cabinwatch", "agent", "tc-jja", "ap"].iter().for_each(|name| scrubber.name(name, "[host]"));
    assert_eq!(scrubber.text("/run/cabinwatch: agent of TC-JJA ap"), "/run/cabinwatch: agent of TC-JJA ap");
}

#[test]
fn our_own_messages_stay_readable() {
    for text in [
        "2026-11-21T08:10:00Z warn  the link is down: Connection refused (os error 111); it will be tried again until it works",
        "a window is closed start=2026-11-21T08:10:00Z keys=3 alarms=1",
        "no sign of life for 60s: engine, tail /var/log/hostapd.log; the watchdog is not fed",
        "cabinwatch-agent.service: Main process exited, code=killed, status=9/KILL",
        "stream        0123456789abcdef",
        "disk          123456789012 bytes free, 77 inodes; the database's files have 4096 bytes, at most 41943040",
        "the database may grow to 41943040 bytes: lower `store.outbox_max_bytes`",
        "6.1.0-25-amd64 #1 SMP PREEMPT_DYNAMIC",
        "thread 'engine' panicked at agent/src/pipeline/engine.rs:12:5: index out of bounds: the len is 3",
        "model 7 is in use from the next window that closes, on trial",
    ] {
        assert_eq!(scrubbed(text).replace("[text]", "engine"), text);
    }
}

#[test]
fn the_shipped_rules_texts_stay() {
    let rules = RuleSet::shipped().expect("sound");
    for (point, description) in rules.texts() {
        assert_eq!((scrubbed(point), scrubbed(description)), (point.to_owned(), description.to_owned()));
    }
}

#[test]
fn json_keeps_its_numbers_and_its_form() {
    let mut value = serde_json::json!({"a": [{"b": "10.0.0.7"}], "n": 123_456_789_012_u64, "none": null});
    scrubber().json(&mut value);
    assert_eq!(value, serde_json::json!({"a": [{"b": "[ip]"}], "n": 123_456_789_012_u64, "none": null}));
}

/// A MAC address in one of its writings.
fn written(address: [u8; 6], writing: usize, capitals: bool) -> String {
    let pairs = address.map(|byte| if capitals { format!("{byte:02X}") } else { format!("{byte:02x}") });
    let fours: Vec<_> = pairs.as_chunks::<2>().0.iter().map(|pair| pair.concat()).collect();
    match writing {
        0 => pairs.concat(),
        1 => pairs.join(":"),
        2 => pairs.join("-"),
        3 => pairs.join("."),
        4 => pairs.join("_"),
        5 => fours.join("."),
        6 => fours.join("-"),
        _ => fours.join(":"),
    }
}

proptest! {
    #[test]
    fn no_text_around_it_saves_an_address(
        before in r#"([a-z ]{0,8}[:.@/"'`\\= \[\]€(-])?"#,
        address: [u8; 6],
        writing in 0..8_usize,
        capitals: bool,
        behind in r#"([:.@/"'`= \[\]€),-][a-z0-9:.-]{0,8})?"#,
    ) {
        let address = written(address, writing, capitals);
        let hidden = scrubbed(&format!("{before}{address}{behind}"));
        prop_assert!(!hidden.contains(&address), "{before}{address}{behind} -> {hidden}");
        prop_assert!(hidden.contains('['), "{hidden}");
    }

    #[test]
    fn any_text_is_taken(text in any::<String>()) {
        scrubbed(&text);
    }
}
