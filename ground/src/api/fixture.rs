//! What the tests of the API have in common: keys, a model of their own training, and events.

use std::path::Path;
use std::sync::Arc;

use cabinwatch_shared::time::UnixSeconds;
use serde_json::{Value, json};

use super::keys::Keys;
use crate::telemetry::training::{read_csv, train};

pub(super) const KEY: &str = "0123456789abcdef0123456789abcdef";

pub(super) fn keys() -> Arc<Keys> {
    Arc::new(Keys::load(Path::new(""), Some(KEY)).expect("a key"))
}

/// Leaves a model in the folder: it knows web traffic of a few kilobytes.
pub(super) fn put_model(dir: &Path) {
    let csv = dir.join("network_traffic_data.csv");
    let mut text = "timestamp,process_path,process_hash,source_ip,dest_ip,dest_domain,dest_port,bytes_sent,\
                    bytes_recv,protocol,dns_query,parent_process,user_context\n"
        .to_owned();
    for row in 0..400 {
        let (port, sent, received) = ([443, 443, 80][row % 3], 900 + row * 7 % 211, 5000 + row * 13 % 977);
        text += &format!("t,/bin/a,h,10.0.0.5,1.1.1.1,,{port},{sent},{received},TCP,,,\n");
    }
    std::fs::write(&csv, text).expect("written");
    let data = read_csv(&csv, &mut |_| ()).expect("rows");
    train(&data, UnixSeconds(1_700_000_000)).expect("a model").write(dir).expect("written");
}

pub(super) fn normal() -> Value {
    json!({
        "timestamp": "2026-11-22T10:15:00Z", "process_path": "/usr/bin/curl", "process_hash": "9f86d081",
        "source_ip": "10.0.0.5", "dest_ip": "1.1.1.1", "dest_port": 443, "bytes_sent": 1000,
        "bytes_recv": 5400, "protocol": "TCP", "user_context": "svc-updates"
    })
}

pub(super) fn odd() -> Value {
    let mut event = normal();
    event["dest_port"] = json!(31337);
    event["bytes_sent"] = json!(90_000_000);
    event["protocol"] = json!("ICMP");
    event
}
