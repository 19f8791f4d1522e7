//! What dnsmasq says of addresses and names.

use super::{file_yields, yields};

/// The same run in both syslog formats.
#[test]
fn dhcp_and_dns() {
    for name in ["dnsmasq.log", "dnsmasq.rfc5424.log"] {
        file_yields(
            name,
            &[
                // One DHCPACK line each.
                ("DHCP", "lease given", "SUCCESS", 16),
                // The fourth client's three tries for a pool of three, in the plain run and with --log-dhcp.
                ("DHCP", "no address available", "FAIL", 6),
                // The client that is to be ignored, twice in each of the first two runs.
                ("DHCP", "ignored", "FAIL", 4),
                ("DHCP", "declined by the client", "FAIL", 2),
                ("DHCP", "wrong network", "FAIL", 3),
                ("DHCP", "address in use", "FAIL", 3),
                ("DHCP", "address not available", "FAIL", 1),
                ("DHCP", "wrong server-ID", "FAIL", 1),
                // Queries 1 (from the configuration) and 4 (NXDOMAIN is an answer).
                ("DNS", "answered", "SUCCESS", 2),
                ("DNS", "SERVFAIL", "FAIL", 1),
                // Query 2 by the upstream server, query 5 for want of a route, 11 to 18 over the limit.
                ("DNS", "REFUSED", "FAIL", 1 + 1 + 8),
                ("DNS", "too many concurrent queries", "FAIL", 2),
                ("DNS", "server failed to start", "FAIL", 1),
            ],
        );
    }
}

#[test]
fn a_dns_query_is_one_answer_however_many_lines_it_has() {
    let rows = [("DNS", "answered", "SUCCESS", 3)];
    let extra = "7 10.0.0.5/4000 query[A] www.example from 10.0.0.5\n\
                 7 10.0.0.5/4000 forwarded www.example to 10.0.0.1\n\
                 7 10.0.0.5/4000 reply www.example is <CNAME>\n\
                 7 10.0.0.5/4000 reply cdn.example is 192.0.2.1\n\
                 7 10.0.0.5/4000 reply cdn.example is 192.0.2.2\n\
                 8 10.0.0.5/4001 query[AAAA] www.example from 10.0.0.5\n\
                 8 10.0.0.5/4001 cached www.example is NODATA-IPv6\n\
                 9 10.0.0.5/4002 query[A] ap from 10.0.0.5\n\
                 9 10.0.0.5/4002 /etc/hosts ap is 10.0.0.1\n";
    yields(&extra.lines().map(|line| format!("dnsmasq[5]: {line}\n")).collect::<String>(), &rows);
    let plain = "query[A] www.example from 10.0.0.5\n\
                 forwarded www.example to 10.0.0.1\n\
                 reply www.example is <CNAME>\n\
                 reply cdn.example is 192.0.2.1\n\
                 reply cdn.example is 192.0.2.2\n\
                 reply other.example is 192.0.2.1\n\
                 query[A] www.example from 10.0.0.5\n\
                 cached www.example is <CNAME>\n\
                 cached cdn.example is 192.0.2.1\n";
    yields(plain, &rows);
}

#[test]
fn dhcp_version_6() {
    yields(
        "Nov 21 07:57:04 dnsmasq-dhcp[9]: DHCPSOLICIT(br0) 00:01:00:01:2c:aa:bb:cc:02:00:00:00:00:01 \n\
         Nov 21 07:57:04 dnsmasq-dhcp[9]: DHCPADVERTISE(br0) fd00::10 00:01:00:01:2c:aa:bb:cc:02:00:00:00:00:01 seat5\n\
         Nov 21 07:57:05 dnsmasq-dhcp[9]: DHCPREPLY(br0) fd00::10 00:01:00:01:2c:aa:bb:cc:02:00:00:00:00:01 seat5\n\
         Nov 21 07:57:06 dnsmasq-dhcp[9]: 1234 DHCPREPLY(br0) 00:01:00:01:2c:aa:bb:cc:02:00:00:00:00:02 no addresses available\n\
         Nov 21 07:57:06 dnsmasq-dhcp[9]: DHCPSOLICIT(br0) 00:01:00:01:2c:aa:bb:cc:02:00:00:00:00:01 ignored",
        &[
            ("DHCP", "lease given", "SUCCESS", 1),
            ("DHCP", "no address available", "FAIL", 1),
            ("DHCP", "ignored", "FAIL", 1),
        ],
    );
}
