//! One flow of bytes between two hosts, and the program that has it.

use std::net::Ipv4Addr;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal};

use super::stream;

/// What a row says but for its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The program that speaks.
    pub program: &'static Program,
    /// From where.
    pub source: Ipv4Addr,
    /// To where.
    pub destination: Ipv4Addr,
    /// The destination's name, where it was asked for.
    pub domain: Option<&'static str>,
    /// The destination's port; 0 where the protocol has none.
    pub port: u16,
    /// Bytes to the destination.
    pub sent: u64,
    /// Bytes from it.
    pub received: u64,
    /// `TCP`, `UDP` or what it is.
    pub protocol: &'static str,
    /// The name that is asked for, in DNS.
    pub dns_query: Option<String>,
}

/// A program of the gateway or of the ground.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// Its file.
    pub path: &'static str,
    /// The program that started it; none where nobody knows.
    pub parent: Option<&'static str>,
    /// The user it runs as; none where nobody knows.
    pub user: Option<&'static str>,
}

const fn program(path: &'static str, parent: Option<&'static str>, user: Option<&'static str>) -> Program {
    Program { path, parent, user }
}

const INIT: Option<&str> = Some("/usr/lib/systemd/systemd");
pub(super) static PROXY: Program = program("/usr/sbin/cabin-proxy", INIT, Some("cabin"));
pub(super) static DNSMASQ: Program = program("/usr/sbin/dnsmasq", INIT, Some("dnsmasq"));
pub(super) static HOSTAPD: Program = program("/usr/sbin/hostapd", INIT, Some("root"));
pub(super) static CHRONY: Program = program("/usr/sbin/chronyd", INIT, Some("_chrony"));
pub(super) static AGENT: Program = program("/usr/bin/cabinwatch-agent", INIT, Some("cabinwatch"));
pub(super) static RSYSLOG: Program = program("/usr/sbin/rsyslogd", INIT, Some("root"));
pub(super) static SNMP: Program = program("/usr/bin/snmpbulkwalk", Some("/usr/sbin/cron"), None);
pub(super) static PING: Program = program("/usr/bin/ping", Some("/usr/sbin/cron"), None);
pub(super) static SSH: Program = program("/usr/bin/ssh", Some("/usr/bin/bash"), Some("engineer"));
pub(super) static GROUND_SERVICE: Program = program("/usr/bin/cabinwatch-ground", INIT, Some("cabinwatch"));
pub(super) static JAVA: Program =
    program("/usr/lib/jvm/java-17-openjdk-amd64/bin/java", INIT, Some("hadoop"));
pub(super) static UPDATER: Program = program("/tmp/.cache/updater", Some("/usr/bin/sh"), Some("cabin"));
pub(super) static SCANNER: Program = program("/var/tmp/s", None, None);

/// Not the plan's seed: a program's file is the same in every plan.
const HASH_SEED: u64 = 0x0043_6162_696e;

impl Program {
    /// 64 hexadecimal digits, as a SHA-256 has them, always the same for the same path. They are no real file's.
    #[must_use]
    pub fn hash(&self) -> String {
        let place =
            self.path.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(257).wrapping_add(byte.into()));
        let mut bytes = [0; 32];
        rand::Rng::fill_bytes(&mut stream(HASH_SEED, place), &mut bytes);
        data_encoding::HEXLOWER.encode(&bytes)
    }
}

/// How many bytes there are: scattered around a median as a logarithmic normal distribution has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes {
    median: f64,
    /// Standard deviation of the logarithm.
    spread: f64,
}

pub(super) const fn bytes(median: f64, spread: f64) -> Bytes {
    Bytes { median, spread }
}

impl Bytes {
    pub(super) fn draw(self, random: &mut ChaCha8Rng) -> u64 {
        let drawn =
            LogNormal::new(self.median.ln(), self.spread).map_or(self.median, |law| law.sample(random));
        drawn.round() as u64
    }
}
