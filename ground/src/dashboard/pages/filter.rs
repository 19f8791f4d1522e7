//! The form above the lists: what a page's address says, to look at and to change.

use cabinwatch_shared::time::UnixSeconds;

use crate::dashboard::parameters::{Parameters, State, Votes};
use crate::dashboard::period::{Period, Span};
use crate::readable::{ENGLISH, shown};

/// The form above the lists.
pub(super) struct FilterView {
    pub spans: Vec<Choice>,
    pub states: Vec<Choice>,
    pub since: String,
    pub until: String,
    pub aircraft: String,
    pub fault: String,
    pub any_votes: bool,
    pub is_set: bool,
}

/// One entry of a list to choose from.
pub(super) struct Choice {
    pub value: &'static str,
    pub words: &'static str,
    pub chosen: bool,
}

impl FilterView {
    pub fn of(parameters: &Parameters) -> Self {
        let (since, until) = match parameters.period {
            Period::Between(since, until) => (minute(since), minute(until)),
            Period::Last(_) => Default::default(),
        };
        Self {
            spans: Span::ALL
                .map(|span| Choice {
                    value: span.name(),
                    words: span.words(),
                    chosen: parameters.period == Period::Last(span),
                })
                .into(),
            states: State::ALL
                .map(|state| Choice {
                    value: state.name(),
                    words: state.words(),
                    chosen: parameters.state == state,
                })
                .into(),
            since,
            until,
            aircraft: parameters.aircraft.clone(),
            fault: shown(&parameters.fault),
            any_votes: parameters.votes == Votes::Any,
            is_set: *parameters != Parameters::default(),
        }
    }
}

/// As a form's field holds it.
fn minute(at: UnixSeconds) -> String {
    at.to_string().trim_end_matches('Z').to_owned()
}

/// What the page is about, in words.
pub(super) fn period_words(period: Period) -> String {
    match period {
        Period::Last(span) => span.words().to_owned(),
        Period::Between(since, until) => format!("{} UTC", ENGLISH.span(since, until)),
    }
}
