//! Sends lines of JSON as MQTT messages over TLS: what the agent's frames are compared with. An empty line is the end of
//! a connection; the next line begins another.
//!
//! `json_sender TAIL PORT CA_FILE PASSWORD_FILE`
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "whoever measures with it sees that it failed")]

use std::env;
use std::fs;
use std::io::stdin;

use cabinwatch_tests::mqtt::{Access, Client, Tls};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [tail, port, ca, password] = arguments.as_slice() else {
        panic!("usage: json_sender TAIL PORT CA_FILE PASSWORD_FILE");
    };
    let password = fs::read_to_string(password).expect("a password");
    let access = Access {
        port: port.parse().expect("a port"),
        client_id: format!("cabinwatch-{tail}"),
        login: Some((tail.clone(), password.trim_end().to_owned())),
        tls: Some(Tls { ca: ca.into(), identity: None }),
    };
    let topic = format!("cabinwatch/v1/{tail}/up/frames");
    let mut client = None;
    for line in stdin().lines() {
        let line = line.expect("lines of text");
        if line.is_empty() {
            client = None;
            continue;
        }
        let client = client.get_or_insert_with(|| Client::connect(&access));
        let reason = client.publish(&topic, line.as_bytes(), false);
        assert!(reason < 0x80, "the broker refused a message: {reason:#x}");
    }
}
