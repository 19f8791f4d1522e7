//! What came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::Survey;
use super::client::{Failure, FailureKind, Refusal};
use super::latency::Latencies;

/// Longest part of what the server said that is kept.
const MAX_SAID_CHARS: usize = 300;

/// Events by what the API made of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// Usual, says the API.
    pub normal: u64,
    /// Not so.
    pub anomaly: u64,
}

impl Verdicts {
    /// Both.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.normal + self.anomaly
    }
}

/// Attempts after which the same event was sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Attempts {
    /// The server asked us to wait.
    pub held_back: u64,
    /// There was no answer, by what happened.
    pub failed: BTreeMap<&'static str, u64>,
}

/// Counts of a run, under way or over.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Verdicts on rows whose port is the file's.
    pub replayed: Verdicts,
    /// Verdicts on events with an unexpected port.
    pub unexpected: Verdicts,
    /// Events that the server refused, by status.
    pub refused: BTreeMap<u16, u64>,
    /// What it said to the first.
    pub first_refusal: Option<String>,
    /// Events that never got an answer.
    pub unanswered: u64,
    /// What was tried again.
    pub attempts: Attempts,
    /// The last attempt that got no answer.
    pub last_failure: Option<String>,
    /// Events that were due when nobody was free to send them.
    pub left_out: u64,
    /// How often the file was read to its end.
    pub passes: u64,
    /// Why it made no sense to go on.
    pub gave_up: Option<String>,
    latencies: Latencies,
}

impl Tally {
    /// Events that got an answer, whatever it was.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.replayed.all() + self.unexpected.all() + self.refusals()
    }

    /// Events that the server refused.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Attempts that got no answer.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.attempts.failed.values().sum()
    }

    /// Whether the server has ever said anything.
    #[must_use]
    pub fn knows_the_server(&self) -> bool {
        self.answered() + self.attempts.held_back > 0
    }

    /// Whether an event has got its verdict.
    #[must_use]
    pub const fn has_verdicts(&self) -> bool {
        self.replayed.all() + self.unexpected.all() > 0
    }

    /// How long answers took: half of them, 99 of a hundred, and the slowest. None before the first.
    #[must_use]
    pub fn latency(&self) -> Option<[Duration; 3]> {
        Some([self.latencies.percentile(50)?, self.latencies.percentile(99)?, self.latencies.longest()])
    }

    pub(super) fn judged(&mut self, is_unexpected: bool, is_anomaly: bool, took: Duration) {
        let verdicts = if is_unexpected { &mut self.unexpected } else { &mut self.replayed };
        *if is_anomaly { &mut verdicts.anomaly } else { &mut verdicts.normal } += 1;
        self.latencies.add(took);
    }

    pub(super) fn refused(&mut self, refusal: &Refusal, took: Duration) {
        *self.refused.entry(refusal.status).or_default() += 1;
        self.first_refusal.get_or_insert_with(|| shortened(&refusal.to_string()));
        self.latencies.add(took);
    }

    pub(super) fn failed(&mut self, failure: &Failure) {
        *self.attempts.failed.entry(FailureKind::as_str(failure.kind)).or_default() += 1;
        self.last_failure = Some(shortened(&failure.to_string()));
    }
}

fn shortened(text: &str) -> String {
    let printable = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    printable.take(MAX_SAID_CHARS).collect()
}

/// A run that is over.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What came of its events.
    pub tally: Tally,
    /// What the file holds.
    pub survey: Survey,
    /// How long it took.
    pub took: Duration,
}

impl Outcome {
    /// What somebody has to see to, in a sentence; none when each event that was sent got its verdict.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let tally = &self.tally;
        let said = |text: &Option<String>| text.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
        if let Some(why) = &tally.gave_up {
            return Some(why.clone());
        }
        if tally.answered() == 0 {
            return Some(format!("nothing could be sent{}", said(&tally.last_failure)));
        }
        let (refused, unanswered) = (tally.refusals(), tally.unanswered);
        let refused = (refused > 0)
            .then(|| format!("the server refused {refused} events; the first{}", said(&tally.first_refusal)));
        let unanswered = (unanswered > 0).then(|| {
            format!("{unanswered} events got no answer; the last attempt{}", said(&tally.last_failure))
        });
        let problems: Vec<_> = refused.into_iter().chain(unanswered).collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    /// Verdicts a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.tally.answered() as f64 / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// For machines.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self { tally, survey, took } = self;
        let millis = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let latency = tally.latency().map(
            |[median, p99, max]| json!({ "median": millis(median), "p99": millis(p99), "max": millis(max) }),
        );
        json!({
            "seconds": took.as_secs_f64(),
            "answers_per_second": self.rate(),
            "events": {
                "answered": tally.answered(),
                "normal": tally.replayed.normal + tally.unexpected.normal,
                "anomaly": tally.replayed.anomaly + tally.unexpected.anomaly,
                "refused": tally.refused,
                "unanswered": tally.unanswered,
                "left_out": tally.left_out,
            },
            "verdicts": { "replayed": tally.replayed, "unexpected_port": tally.unexpected },
            "retried": tally.attempts,
            "latency_ms": latency,
            "rows": { "usable": survey.usable, "unusable": survey.unusable, "first_unusable": survey.first_unusable, "passes": tally.passes },
            "first_refusal": tally.first_refusal,
            "last_failure": tally.last_failure,
            "problem": self.problem(),
        })
    }
}
