//! Who gets in, and how often.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::http::HeaderMap;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota};

use super::keys::Keys;
use super::refusal::Refusal;
use crate::config::ApiConfig;

/// The header that carries a client's key.
pub(super) const KEY_HEADER: &str = "x-api-key";

/// Lets those in who have a key, each as often as a key may.
#[derive(Debug)]
pub(super) struct Gate {
    keys: Arc<Keys>,
    /// One for each key, in the order of the keys.
    rates: Vec<DefaultDirectRateLimiter>,
    clock: DefaultClock,
}

/// One of the keys, that has shown itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller(usize);

impl Gate {
    pub(super) fn new(keys: Arc<Keys>, config: &ApiConfig) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        // A whole batch must fit, or it never gets in.
        let burst = config.events_per_second.max(config.max_batch_events);
        let quota = Quota::per_second(at_least_one(config.events_per_second)).allow_burst(at_least_one(burst));
        let rates = keys.names().map(|_| DefaultDirectRateLimiter::direct(quota)).collect();
        Self { keys, rates, clock: DefaultClock::default() }
    }

    /// Whose request this is.
    pub(super) fn identify(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let presented = headers.get(KEY_HEADER).ok_or(Refusal::Forbidden)?;
        self.keys.index_of(presented.as_bytes()).map(Caller).ok_or(Refusal::Forbidden)
    }

    /// Takes so many events from what the caller may have scored. A number that never fits is let through: the
    /// limits of a batch are checked elsewhere.
    pub(super) fn take(&self, caller: Caller, events: u32) -> Result<(), Refusal> {
        let (Some(rate), Some(events)) = (self.rates.get(caller.0), NonZeroU32::new(events)) else {
            return Ok(());
        };
        match rate.check_n(events) {
            Ok(Err(not_until)) => Err(Refusal::TooFast(not_until.wait_time_from(self.clock.now()))),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}
