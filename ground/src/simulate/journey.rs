//! The steps of a passenger's journey, and what goes wrong at each.

/// One step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Its name in the `edr_point` column.
    pub edr_point: &'static str,
    /// How likely a passenger who came this far tries it.
    pub(super) tried: f64,
    /// Whether who fails here gets no further.
    pub(super) gate: bool,
    /// What goes wrong, and how often an attempt ends so on a good day.
    pub faults: &'static [(&'static str, f64)],
}

/// Steps in the order a passenger takes them.
pub const POINTS: [Point; 8] = [
    Point {
        edr_point: "WIFI",
        tried: 1.0,
        gate: true,
        faults: &[
            ("association timed out", 0.012),
            ("4-way handshake failed", 0.008),
            ("signal too weak", 0.010),
            ("access point full", 0.004),
            ("roaming failed", 0.006),
        ],
    },
    Point {
        edr_point: "AUTH",
        tried: 1.0,
        gate: true,
        faults: &[
            ("credentials rejected", 0.020),
            ("server timed out", 0.006),
            ("session limit reached", 0.005),
            ("voucher expired", 0.012),
            ("certificate not accepted", 0.004),
            ("account locked", 0.003),
        ],
    },
    Point {
        edr_point: "DHCP",
        tried: 1.0,
        gate: true,
        faults: &[
            ("no address available", 0.004),
            ("no answer to discover", 0.007),
            ("address declined", 0.003),
            ("request refused", 0.004),
            ("renewal failed", 0.005),
        ],
    },
    Point {
        edr_point: "DNS",
        tried: 1.0,
        gate: true,
        faults: &[
            ("server failure", 0.008),
            ("query timed out", 0.012),
            ("query refused", 0.003),
            ("name not found", 0.015),
            ("answer cut short", 0.002),
        ],
    },
    Point {
        edr_point: "PORTAL",
        tried: 1.0,
        gate: true,
        faults: &[
            ("page not served", 0.006),
            ("redirect loop", 0.004),
            ("form expired", 0.008),
            ("TLS handshake failed", 0.006),
            ("page load timed out", 0.010),
            ("terms not accepted", 0.020),
        ],
    },
    Point {
        edr_point: "PAYMENT",
        tried: 0.4,
        gate: false,
        faults: &[
            ("card declined", 0.040),
            ("gateway timed out", 0.010),
            ("3-D Secure failed, card not enrolled", 0.015),
            ("amount differs", 0.003),
            ("provider said \"try again later\"", 0.006),
        ],
    },
    Point {
        edr_point: "SESSION",
        tried: 0.9,
        gate: false,
        faults: &[
            ("quota used up", 0.010),
            ("idle too long", 0.020),
            ("throughput below minimum", 0.012),
            ("address blocked", 0.003),
            ("connection reset", 0.010),
        ],
    },
    Point {
        edr_point: "SATLINK",
        // Passengers do not try the satellite link; the modem does, see `LINK_CHECKS_PER_MINUTE`.
        tried: 0.0,
        gate: false,
        faults: &[
            ("link lost", 0.006),
            ("latency above limit", 0.020),
            ("packet loss above limit", 0.015),
            ("modem restarted", 0.002),
            ("beam switch failed", 0.004),
        ],
    },
];

/// Place of the satellite link among the points.
pub(super) const SATLINK: usize = 7;
/// How often the modem checks the link.
pub(super) const LINK_CHECKS_PER_MINUTE: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_about_forty_fault_keys_and_every_point_works_on_a_good_day() {
        let keys: usize = POINTS.iter().map(|point| point.faults.len()).sum();
        assert!((38..=44).contains(&keys), "{keys}");
        assert_eq!(POINTS[SATLINK].edr_point, "SATLINK");
        for point in POINTS {
            assert!(point.faults.iter().map(|fault| fault.1).sum::<f64>() < 0.1, "{}", point.edr_point);
        }
    }
}
