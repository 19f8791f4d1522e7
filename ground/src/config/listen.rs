//! Where a server listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// `PORT` on this machine, or `ADDRESS:PORT`.
pub(crate) fn address(listen: &str) -> Result<SocketAddr, &'static str> {
    let port = listen.parse().map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    port.or_else(|_| listen.parse())
        .map_err(|_| "must be a port, or an address with a port such as 0.0.0.0:9464")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_for_this_machine_only() {
        assert_eq!(address("9464"), Ok(SocketAddr::from(([127, 0, 0, 1], 9464))));
        assert_eq!(address("0.0.0.0:9464"), Ok(SocketAddr::from(([0, 0, 0, 0], 9464))));
        assert_eq!(address("[::]:9464").map(|address| address.port()), Ok(9464));
        for wrong in ["", "localhost", "localhost:80", "70000", "0.0.0.0", "http://127.0.0.1:1"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
