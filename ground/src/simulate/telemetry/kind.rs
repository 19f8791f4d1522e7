//! Usual traffic: what passengers' devices, the gateway and the ground do all day.

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::flow::{
    AGENT, Bytes, CHRONY, DNSMASQ, Flow, GROUND_SERVICE, HOSTAPD, JAVA, PING, PROXY, Program, RSYSLOG, SNMP,
    SSH, bytes,
};
use super::host::{
    ACCESS_POINTS, BROKER, CHAT, GATEWAY, GROUND, Hosts, MAIL, Named, PASSENGERS, PORTAL, PUSH, SCORER, VPN,
    WEB,
};

/// To whom a kind of traffic goes.
enum To {
    Hosts(Hosts),
    Named(&'static [Named]),
}

/// One kind of traffic.
struct Kind {
    /// Rows in a thousand.
    share: u32,
    protocol: &'static str,
    port: u16,
    program: &'static Program,
    from: Hosts,
    to: To,
    sent: Bytes,
    received: Bytes,
}

#[rustfmt::skip]
static KINDS: [Kind; 19] = [
    kind(310, "TCP", 443, &PROXY, PASSENGERS, To::Named(&WEB), bytes(2_400.0, 0.9), bytes(42_000.0, 1.2)),
    kind(140, "UDP", 443, &PROXY, PASSENGERS, To::Named(&WEB), bytes(3_100.0, 0.8), bytes(88_000.0, 1.2)),
    kind(200, "UDP", DNS, &DNSMASQ, PASSENGERS, To::Hosts(GATEWAY), bytes(62.0, 0.2), bytes(180.0, 0.4)),
    kind(55, "TCP", 80, &PROXY, PASSENGERS, To::Hosts(PORTAL), bytes(700.0, 0.4), bytes(5_200.0, 0.6)),
    kind(48, "TCP", 5222, &PROXY, PASSENGERS, To::Named(&CHAT), bytes(900.0, 0.7), bytes(1_100.0, 0.8)),
    kind(38, "TCP", 5228, &PROXY, PASSENGERS, To::Named(&PUSH), bytes(420.0, 0.4), bytes(380.0, 0.5)),
    kind(22, "TCP", 993, &PROXY, PASSENGERS, To::Named(&MAIL), bytes(1_300.0, 0.6), bytes(9_800.0, 1.0)),
    kind(18, "UDP", 4500, &PROXY, PASSENGERS, To::Named(&VPN), bytes(12_000.0, 0.9), bytes(19_000.0, 1.0)),
    kind(18, "UDP", 67, &DNSMASQ, PASSENGERS, To::Hosts(GATEWAY), bytes(310.0, 0.05), bytes(330.0, 0.05)),
    kind(20, "UDP", 1812, &HOSTAPD, ACCESS_POINTS, To::Hosts(GATEWAY), bytes(260.0, 0.2), bytes(190.0, 0.2)),
    kind(22, "UDP", 123, &CHRONY, GATEWAY, To::Hosts(GROUND), bytes(76.0, 0.02), bytes(76.0, 0.02)),
    kind(15, "UDP", 161, &SNMP, GATEWAY, To::Hosts(ACCESS_POINTS), bytes(140.0, 0.2), bytes(420.0, 0.4)),
    kind(28, "ICMP", 0, &PING, GATEWAY, To::Hosts(GROUND), bytes(84.0, 0.02), bytes(84.0, 0.1)),
    kind(24, "TCP", 8883, &AGENT, GATEWAY, To::Named(&BROKER), bytes(1_900.0, 0.5), bytes(260.0, 0.3)),
    kind(12, "TCP", 6514, &RSYSLOG, GATEWAY, To::Hosts(GROUND), bytes(2_600.0, 0.6), bytes(120.0, 0.2)),
    kind(12, "TCP", 8000, &GROUND_SERVICE, GROUND, To::Named(&SCORER), bytes(640.0, 0.2), bytes(210.0, 0.1)),
    kind(10, "TCP", 9042, &GROUND_SERVICE, GROUND, To::Hosts(GROUND), bytes(3_400.0, 0.6), bytes(1_200.0, 0.6)),
    kind(5, "TCP", 8020, &JAVA, GROUND, To::Hosts(GROUND), bytes(1_100.0, 0.5), bytes(900.0, 0.6)),
    kind(3, "TCP", 22, &SSH, GROUND, To::Hosts(GATEWAY), bytes(5_200.0, 0.7), bytes(4_100.0, 0.7)),
];

pub(super) const DNS: u16 = 53;

#[allow(clippy::too_many_arguments, reason = "the columns of the table above")]
const fn kind(
    share: u32,
    protocol: &'static str,
    port: u16,
    program: &'static Program,
    from: Hosts,
    to: To,
    sent: Bytes,
    received: Bytes,
) -> Kind {
    Kind { share, protocol, port, program, from, to, sent, received }
}

/// A flow of one of the usual kinds.
pub(super) fn usual_flow(random: &mut ChaCha8Rng) -> Flow {
    let all: u32 = KINDS.iter().map(|kind| kind.share).sum();
    let mut drawn = random.random_range(0..all);
    let mut found = &KINDS[0];
    for kind in &KINDS {
        found = kind;
        match drawn.checked_sub(kind.share) {
            Some(left) => drawn = left,
            None => break,
        }
    }
    found.flow(random)
}

impl Kind {
    fn flow(&self, random: &mut ChaCha8Rng) -> Flow {
        let source = self.from.pick(random);
        let (destination, domain) = match self.to {
            To::Hosts(hosts) => (hosts.pick(random), None),
            To::Named(servers) => match servers.choose(random) {
                Some(server) => (server.address, Some(server.name)),
                None => (GATEWAY.pick(random), None),
            },
        };
        let asked = (self.port == DNS).then(|| WEB.choose(random).map(|server| server.name.to_owned()));
        Flow {
            program: self.program,
            source,
            destination,
            domain,
            port: self.port,
            sent: self.sent.draw(random),
            received: self.received.draw(random),
            protocol: self.protocol,
            dns_query: asked.flatten(),
        }
    }
}
