//! Who gets in, and how often.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::http::HeaderMap;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota};

use super::keys::{KeyName, Keys};
use super::refusal::Refusal;
use crate::config::ApiConfig;

/// The header that carries a client's key.
const KEY_HEADER: &str = "x-api-key";

/// Lets those in who have a key, each as often as a key may.
#[derive(Debug)]
pub(super) struct Gate {
    keys: Arc<Keys>,
    /// One for each key, in the order of the keys.
    rates: Vec<DefaultDirectRateLimiter>,
    clock: DefaultClock,
}

/// Whose request it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller<'a> {
    pub(super) name: &'a KeyName,
    rate: &'a DefaultDirectRateLimiter,
    clock: &'a DefaultClock,
}

impl Gate {
    pub(super) fn new(keys: Arc<Keys>, config: &ApiConfig) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        // A whole batch must fit, or it never gets in.
        let burst = config.events_per_second.max(config.max_batch_events);
        let quota =
            Quota::per_second(at_least_one(config.events_per_second)).allow_burst(at_least_one(burst));
        let rates = keys.names().map(|_| DefaultDirectRateLimiter::direct(quota)).collect();
        Self { keys, rates, clock: DefaultClock::default() }
    }

    /// Whose request this is.
    pub(super) fn identify(&self, headers: &HeaderMap) -> Result<Caller<'_>, Refusal> {
        let presented = headers.get(KEY_HEADER).ok_or(Refusal::Forbidden)?;
        let (index, name) = self.keys.find(presented.as_bytes()).ok_or(Refusal::Forbidden)?;
        let rate = self.rates.get(index).ok_or(Refusal::Forbidden)?;
        Ok(Caller { name, rate, clock: &self.clock })
    }
}

impl Caller<'_> {
    /// Takes so many events from what the caller may have scored now.
    pub(super) fn take(&self, events: u32) -> Result<(), Refusal> {
        let Some(events) = NonZeroU32::new(events) else { return Ok(()) };
        match self.rate.check_n(events) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(Refusal::TooFast(not_until.wait_time_from(self.clock.now()))),
            // More than ever fits. The limit of a batch is below that.
            Err(most) => Err(Refusal::TooManyLines(most.0)),
        }
    }
}
