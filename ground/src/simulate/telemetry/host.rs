//! Who speaks: the aircraft's network, the ground's, and servers on the internet.

use std::net::Ipv4Addr;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Some hosts with consecutive addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hosts {
    first: Ipv4Addr,
    count: u32,
}

const fn hosts(first: [u8; 4], count: u32) -> Hosts {
    let [a, b, c, d] = first;
    Hosts { first: Ipv4Addr::new(a, b, c, d), count }
}

pub(super) const PASSENGERS: Hosts = hosts([10, 40, 16, 10], 180);
pub(super) const GATEWAY: Hosts = hosts([10, 40, 0, 1], 1);
pub(super) const PORTAL: Hosts = hosts([10, 40, 0, 2], 1);
pub(super) const ACCESS_POINTS: Hosts = hosts([10, 40, 1, 1], 6);
pub(super) const GROUND: Hosts = hosts([10, 80, 0, 10], 8);
/// Where nothing usual goes: one of the ranges for documentation, of which usual traffic has the other two.
pub(super) const STRANGERS: Hosts = hosts([192, 0, 2, 66], 20);

impl Hosts {
    pub(super) fn pick(self, random: &mut ChaCha8Rng) -> Ipv4Addr {
        self.number(random.random_range(0..self.count))
    }

    fn number(self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first.to_bits() + number % self.count)
    }
}

/// A server that has a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub name: &'static str,
    pub address: Ipv4Addr,
}

const fn named(name: &'static str, address: [u8; 4]) -> Named {
    let [a, b, c, d] = address;
    Named { name, address: Ipv4Addr::new(a, b, c, d) }
}

/// What passengers look at.
pub(super) const WEB: [Named; 8] = [
    named("www.example.com", [203, 0, 113, 10]),
    named("cdn.example.com", [203, 0, 113, 11]),
    named("video.example.net", [203, 0, 113, 24]),
    named("news.example.org", [198, 51, 100, 7]),
    named("social.example.net", [198, 51, 100, 21]),
    named("maps.example.com", [198, 51, 100, 40]),
    named("shop.example.org", [203, 0, 113, 77]),
    named("updates.example.com", [198, 51, 100, 90]),
];
pub(super) const CHAT: [Named; 1] = [named("chat.example.net", [198, 51, 100, 22])];
pub(super) const PUSH: [Named; 1] = [named("push.example.com", [203, 0, 113, 12])];
pub(super) const MAIL: [Named; 1] = [named("imap.example.org", [198, 51, 100, 8])];
pub(super) const VPN: [Named; 2] =
    [named("vpn.example.com", [203, 0, 113, 50]), named("vpn.example.org", [198, 51, 100, 51])];
pub(super) const BROKER: [Named; 1] = [named("broker.ground.example", [10, 80, 0, 5])];
pub(super) const SCORER: [Named; 1] = [named("scorer.ground.example", [10, 80, 0, 8])];
