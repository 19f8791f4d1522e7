//! Traffic that somebody should look at.

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::flow::{DNSMASQ, Flow, SCANNER, UPDATER, bytes};
use super::host::{GATEWAY, GROUND, PASSENGERS, STRANGERS};
use super::kind::DNS;

/// What is odd about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Odd {
    /// Much goes out to a stranger by a usual port.
    Exfiltration,
    /// Little goes to a stranger's unusual port.
    Beacon,
    /// A device tries ports of the ground.
    PortScan,
    /// DNS that carries far more than names.
    DnsTunnel,
    /// A protocol that nothing here speaks.
    StrangeProtocol,
}

impl Odd {
    /// All there are.
    pub const ALL: [Self; 5] =
        [Self::Exfiltration, Self::Beacon, Self::PortScan, Self::DnsTunnel, Self::StrangeProtocol];

    /// Its name in the labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exfiltration => "exfiltration",
            Self::Beacon => "beacon",
            Self::PortScan => "port_scan",
            Self::DnsTunnel => "dns_tunnel",
            Self::StrangeProtocol => "strange_protocol",
        }
    }
}

/// Ports that programs of attackers are known for.
const BEACON_PORTS: [u16; 5] = [4444, 6667, 1337, 31337, 50050];

pub(super) fn odd_flow(odd: Odd, random: &mut ChaCha8Rng) -> Flow {
    let base = Flow {
        program: &UPDATER,
        source: GATEWAY.pick(random),
        destination: STRANGERS.pick(random),
        domain: None,
        port: 443,
        sent: 0,
        received: 0,
        protocol: "TCP",
        dns_query: None,
    };
    match odd {
        Odd::Exfiltration => Flow {
            domain: Some("drop.example.net"),
            sent: bytes(80e6, 0.8).draw(random),
            received: bytes(5_000.0, 0.5).draw(random),
            ..base
        },
        Odd::Beacon => Flow {
            port: BEACON_PORTS.choose(random).copied().unwrap_or(BEACON_PORTS[0]),
            sent: bytes(300.0, 0.1).draw(random),
            received: bytes(120.0, 0.1).draw(random),
            ..base
        },
        Odd::PortScan => Flow {
            program: &SCANNER,
            source: PASSENGERS.pick(random),
            destination: GROUND.pick(random),
            port: random.random_range(1..=u16::MAX),
            sent: 60,
            ..base
        },
        Odd::DnsTunnel => Flow {
            program: &DNSMASQ,
            source: PASSENGERS.pick(random),
            destination: GATEWAY.pick(random),
            port: DNS,
            sent: bytes(48_000.0, 0.4).draw(random),
            received: bytes(260_000.0, 0.5).draw(random),
            protocol: "UDP",
            dns_query: Some(format!("{:016x}.tunnel.example.net", random.random::<u64>())),
            ..base
        },
        Odd::StrangeProtocol => Flow {
            port: 0,
            sent: bytes(400_000.0, 0.5).draw(random),
            received: bytes(350_000.0, 0.5).draw(random),
            protocol: "GRE",
            ..base
        },
    }
}
