//! What a page shows, as it stands in its URL: a page can be kept, sent to others, and comes back as it was.

use cabinwatch_shared::fault_key::{MAX_DESCRIPTION_BYTES, MAX_POINT_BYTES};
use cabinwatch_shared::tail::MAX_TAIL_BYTES;
use url::form_urlencoded;

use super::period::Period;
use crate::tables::Table;

/// Longest text that is looked for in fault keys.
const MAX_FAULT_BYTES: usize = MAX_POINT_BYTES + MAX_DESCRIPTION_BYTES;
/// Last page of a list that can be asked for.
const MAX_PAGE: usize = 10_000;

/// Which rows make an anomaly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Votes {
    /// Those that both detectors call one.
    #[default]
    Confirmed,
    /// Those that any detector calls one.
    Any,
}

impl Votes {
    /// The table that holds them.
    pub const fn table(self) -> Table {
        match self {
            Self::Confirmed => Table::CombinedRepeated,
            Self::Any => Table::CombinedAll,
        }
    }

    /// As it stands in a URL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Any => "any",
        }
    }
}

/// Which aircraft of the fleet are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// All of them.
    #[default]
    Any,
    /// Those with an open anomaly.
    Anomaly,
    /// Those that should be heard of and are not.
    Silent,
    /// Those that lost something.
    Lost,
}

impl State {
    pub const ALL: [Self; 4] = [Self::Any, Self::Anomaly, Self::Silent, Self::Lost];

    /// As it stands in a URL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Anomaly => "anomaly",
            Self::Silent => "silent",
            Self::Lost => "lost",
        }
    }

    /// As people say it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Any => "all aircraft",
            Self::Anomaly => "with open anomalies",
            Self::Silent => "not connected or silent",
            Self::Lost => "with losses",
        }
    }
}

/// Everything that can stand in a page's query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    /// The time it is about.
    pub period: Period,
    /// Which rows make an anomaly.
    pub votes: Votes,
    /// Which aircraft are listed.
    pub state: State,
    /// Part of a tail; empty for any.
    pub aircraft: String,
    /// Part of a fault key; empty for any.
    pub fault: String,
    /// Page of a list, from 1.
    pub page: Page,
}

/// A page's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page(pub usize);

impl Default for Page {
    fn default() -> Self {
        Self(1)
    }
}

impl Parameters {
    /// Reads a query. A form sends its empty fields too, so an empty value is none.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn read(query: &str) -> Result<Self, String> {
        let mut read = Self::default();
        let (mut range, mut since, mut until) = (None, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if value.is_empty() {
                continue;
            }
            match &*name {
                "range" => range = Some(value),
                "since" => since = Some(value),
                "until" => until = Some(value),
                "show" => read.votes = votes(&value)?,
                "state" => read.state = state(&value)?,
                "aircraft" => read.aircraft = aircraft(&value)?,
                "fault" => read.fault = fault(&value)?,
                "page" => read.page = page(&value)?,
                _ => return Err("The address holds a parameter that this page does not know.".to_owned()),
            }
        }
        // A form has a field for each; times that were typed count more than the list beside them.
        let range = if since.is_some() || until.is_some() { None } else { range };
        read.period = Period::read(range.as_deref(), since.as_deref(), until.as_deref())?;
        Ok(read)
    }

    /// The query that reads as these, with `?`; empty where all is as usual.
    pub fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.period.parameters() {
            query.append_pair(name, &value);
        }
        if self.votes != Votes::default() {
            query.append_pair("show", self.votes.name());
        }
        if self.state != State::default() {
            query.append_pair("state", self.state.name());
        }
        let texts = [("aircraft", &self.aircraft), ("fault", &self.fault)];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            query.append_pair(name, text);
        }
        if self.page != Page::default() {
            query.append_pair("page", &self.page.0.to_string());
        }
        let query = query.finish();
        if query.is_empty() { query } else { format!("?{query}") }
    }

    /// The same on another page.
    pub fn on_page(&self, page: usize) -> Self {
        Self { page: Page(page), ..self.clone() }
    }

    /// Only what holds for every page: time and votes.
    pub fn common(&self) -> Self {
        Self { period: self.period, votes: self.votes, ..Self::default() }
    }
}

fn votes(value: &str) -> Result<Votes, String> {
    [Votes::Confirmed, Votes::Any]
        .into_iter()
        .find(|votes| votes.name() == value)
        .ok_or_else(|| "`show` is either `confirmed` or `any`.".to_owned())
}

fn state(value: &str) -> Result<State, String> {
    let names = State::ALL.map(State::name).join(", ");
    let found = State::ALL.into_iter().find(|state| state.name() == value);
    found.ok_or_else(|| format!("`state` is one of {names}."))
}

fn aircraft(value: &str) -> Result<String, String> {
    let value = value.trim();
    let allowed = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if allowed && value.len() <= MAX_TAIL_BYTES {
        Ok(value.to_ascii_uppercase())
    } else {
        Err(format!("A registration has letters, digits and `-`, {MAX_TAIL_BYTES} at most."))
    }
}

fn fault(value: &str) -> Result<String, String> {
    let value = value.trim();
    if value.len() <= MAX_FAULT_BYTES && !value.contains(char::is_control) {
        Ok(value.to_owned())
    } else {
        Err(format!("The text to look for in faults has {MAX_FAULT_BYTES} bytes at most, on one line."))
    }
}

fn page(value: &str) -> Result<Page, String> {
    let number = value.parse().ok().filter(|page| (1..=MAX_PAGE).contains(page));
    number.map(Page).ok_or_else(|| format!("`page` is a number from 1 to {MAX_PAGE}."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::period::Span;
    use super::*;

    #[test]
    fn a_query_says_only_what_is_not_as_usual() {
        assert_eq!(Parameters::default().query(), "");
        let parameters = Parameters {
            period: Period::Last(Span::Week),
            votes: Votes::Any,
            state: State::Silent,
            aircraft: "TC-J".to_owned(),
            fault: "DHCP | no & none".to_owned(),
            page: Page(3),
        };
        let query = parameters.query();
        assert_eq!(query, "?range=7d&show=any&state=silent&aircraft=TC-J&fault=DHCP+%7C+no+%26+none&page=3");
        assert_eq!(Parameters::read(&query[1..]), Ok(parameters));
    }

    #[test]
    fn what_a_form_leaves_empty_is_as_usual() {
        let form = "aircraft=&fault=&range=24h&since=&until=&show=confirmed&state=any";
        assert_eq!(Parameters::read(form), Ok(Parameters::default()));
    }

    #[test]
    fn times_that_are_typed_count_more_than_the_list_beside_them() {
        let form = "range=7d&since=2026-11-21T08:10&until=2026-11-21T09:10";
        let read = Parameters::read(form).map(|read| read.period);
        assert!(matches!(read, Ok(Period::Between(..))), "{read:?}");
    }

    #[test]
    fn who_types_only_one_of_the_times_is_told_that_the_other_is_missing() {
        let refused = Parameters::read("range=24h&since=2026-11-21T08:10&until=").expect_err("refused");
        assert_eq!(refused, "`since` needs an `until`.");
        let refused = Parameters::read("range=24h&since=&until=2026-11-21T08:10").expect_err("refused");
        assert_eq!(refused, "`until` needs a `since`.");
    }

    #[test]
    fn nonsense_is_refused_in_a_sentence() {
        for query in [
            "rnage=1h",
            "show=all",
            "state=x",
            "aircraft=%2F..",
            "aircraft=TC-JJA-TC-JJA-TC-",
            "page=0",
            "page=x",
            "fault=a%0Ab",
        ] {
            assert!(Parameters::read(query).is_err_and(|why| why.ends_with('.')), "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic_and_what_is_read_comes_back(query in "[a-z%0-9=&+]{0,60}|(fault|aircraft|page|since)=.{0,40}") {
            if let Ok(read) = Parameters::read(&query) {
                prop_assert_eq!(Parameters::read(read.query().trim_start_matches('?')), Ok(read));
            }
        }
    }
}
