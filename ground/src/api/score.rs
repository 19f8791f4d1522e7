//! From a body to an answer: what `/event` and `/events` have in common.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::audit::{Anomaly, Audit};
use super::gate::Gate;
use super::keys::KeyName;
use super::model::Models;
use super::monitor::{Monitor, Outcome};
use super::verdict::Verdict;
use crate::config::ApiConfig;
use crate::telemetry::{Event, Scorer};

/// What every request is answered from.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) gate: Gate,
    pub(super) models: Models,
    pub(super) audit: Audit,
    pub(super) monitor: Monitor,
    /// Room for batches.
    pub(super) batches: Arc<Semaphore>,
    pub(super) config: ApiConfig,
}

impl Api {
    /// Scores an event, and has it logged if it stands out. `answer` makes of the verdict what the client gets.
    pub(super) fn score<T>(
        &self,
        scorer: &Arc<Scorer>,
        key: &KeyName,
        event: Event<'_>,
        at: Timestamp,
        answer: impl FnOnce(&Verdict<'_>) -> T,
    ) -> T {
        let scored = scorer.score(&event);
        let is_anomaly = scored.is_anomaly();
        let answer = answer(&Verdict::new(&event, &scored, at));
        self.monitor.event(if is_anomaly { Outcome::Anomaly } else { Outcome::Normal });
        if is_anomaly {
            let (key, scorer) = (key.clone(), Arc::clone(scorer));
            self.audit.write(Anomaly { at, key, scorer, event: event.into_owned() });
        }
        answer
    }
}
