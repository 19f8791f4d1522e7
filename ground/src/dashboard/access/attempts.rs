//! How often somebody may guess.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Wrong keys from one address before it has to wait.
const MAX_FAILURES: u32 = 10;
/// How long they count.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);
/// Addresses remembered; where more come, the one remembered longest goes.
const MAX_ADDRESSES: usize = 4096;

/// Wrong keys by address.
#[derive(Debug, Default)]
pub(in crate::dashboard) struct Attempts(Mutex<HashMap<IpAddr, Failures>>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    since: Instant,
}

impl Attempts {
    /// Whether an address may try a key now.
    pub fn may_try(&self, address: IpAddr, now: Instant) -> bool {
        let failures = self.lock().get(&network(address)).copied();
        failures.is_none_or(|failures| failures.count < MAX_FAILURES || failures.is_forgotten(now))
    }

    /// Remembers a wrong key.
    pub fn failed(&self, address: IpAddr, now: Instant) {
        let mut addresses = self.lock();
        addresses.retain(|_, failures| !failures.is_forgotten(now));
        let address = network(address);
        if addresses.len() >= MAX_ADDRESSES && !addresses.contains_key(&address) {
            let oldest = addresses.iter().min_by_key(|(_, failures)| failures.since).map(|(key, _)| *key);
            if let Some(oldest) = oldest {
                addresses.remove(&oldest);
            }
        }
        addresses.entry(address).or_insert(Failures { count: 0, since: now }).count += 1;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Failures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failures {
    fn is_forgotten(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= REMEMBERED
    }
}

/// Who has one IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_ends_after_some_failures_and_others_may_go_on() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let (guesser, other): (IpAddr, IpAddr) =
            ("192.0.2.1".parse().expect("valid"), "192.0.2.2".parse().expect("valid"));
        for _ in 0..MAX_FAILURES {
            assert!(attempts.may_try(guesser, now));
            attempts.failed(guesser, now);
        }
        assert!(!attempts.may_try(guesser, now));
        assert!(attempts.may_try(other, now));
        assert!(attempts.may_try(guesser, now + REMEMBERED));
    }

    #[test]
    fn a_network_of_ipv6_is_one_guesser() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for last in 0..MAX_FAILURES {
            attempts.failed(format!("2001:db8::{last:x}").parse().expect("valid"), now);
        }
        assert!(!attempts.may_try("2001:db8::ffff".parse().expect("valid"), now));
        assert!(attempts.may_try("2001:db8:1::1".parse().expect("valid"), now));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..=MAX_ADDRESSES as u32 {
            attempts.failed(IpAddr::V4((0x0a00_0000 + number).into()), now);
        }
        assert!(attempts.lock().len() <= MAX_ADDRESSES);
    }
}
