//! The time a page is about, as it stands in its URL.

use cabinwatch_shared::time::{UnixMillis, UnixSeconds};

/// Longest time one page may be about: a quarter.
const MAX_SECONDS: i64 = 92 * 86_400;

/// The time a page is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Period {
    /// Up to now.
    Last(Span),
    /// From a second to the one before another.
    Between(UnixSeconds, UnixSeconds),
}

/// How far back from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Span {
    Hour,
    SixHours,
    Day,
    ThreeDays,
    Week,
    Month,
}

impl Span {
    pub const ALL: [Self; 6] =
        [Self::Hour, Self::SixHours, Self::Day, Self::ThreeDays, Self::Week, Self::Month];

    /// As it stands in a URL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::SixHours => "6h",
            Self::Day => "24h",
            Self::ThreeDays => "3d",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// As people say it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Hour => "last hour",
            Self::SixHours => "last 6 hours",
            Self::Day => "last 24 hours",
            Self::ThreeDays => "last 3 days",
            Self::Week => "last 7 days",
            Self::Month => "last 30 days",
        }
    }

    const fn seconds(self) -> i64 {
        match self {
            Self::Hour => 3600,
            Self::SixHours => 6 * 3600,
            Self::Day => 86_400,
            Self::ThreeDays => 3 * 86_400,
            Self::Week => 7 * 86_400,
            Self::Month => 30 * 86_400,
        }
    }
}

impl Default for Period {
    fn default() -> Self {
        Self::Last(Span::Day)
    }
}

impl Period {
    /// The period that a URL names; what is wrong with it otherwise.
    pub fn read(range: Option<&str>, since: Option<&str>, until: Option<&str>) -> Result<Self, String> {
        match (range, since, until) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                Err("Give either a range or since and until, not both.".to_owned())
            }
            (Some(range), None, None) => {
                let found = Span::ALL.into_iter().find(|span| span.name() == range);
                found.map(Self::Last).ok_or_else(|| {
                    format!(
                        "There is no range of that name; there are {}.",
                        Span::ALL.map(Span::name).join(", ")
                    )
                })
            }
            (None, None, None) => Ok(Self::default()),
            (None, Some(since), Some(until)) => {
                Self::between(instant("since", since)?, instant("until", until)?)
            }
            (None, Some(_), None) => Err("`since` needs an `until`.".to_owned()),
            (None, None, Some(_)) => Err("`until` needs a `since`.".to_owned()),
        }
    }

    fn between(since: UnixSeconds, until: UnixSeconds) -> Result<Self, String> {
        if until <= since {
            return Err("The time ends before it begins: `until` must be later than `since`.".to_owned());
        }
        if until.0.saturating_sub(since.0) > MAX_SECONDS {
            return Err(format!(
                "That is too long a time for one page: {} days at most.",
                MAX_SECONDS / 86_400
            ));
        }
        Ok(Self::Between(since, until))
    }

    /// Its first second, and the first after it. What an aircraft with a wrong clock dates a little ahead belongs to
    /// the present.
    pub fn bounds(self, now: UnixSeconds) -> (UnixSeconds, UnixSeconds) {
        match self {
            Self::Last(span) => {
                (UnixSeconds(now.0.saturating_sub(span.seconds())), UnixSeconds(now.0.saturating_add(3600)))
            }
            Self::Between(since, until) => (since, until),
        }
    }

    /// What it adds to a URL: nothing where it is the usual one.
    pub fn parameters(self) -> Vec<(&'static str, String)> {
        match self {
            period if period == Self::default() => Vec::new(),
            Self::Last(span) => vec![("range", span.name().to_owned())],
            Self::Between(since, until) => vec![("since", since.to_string()), ("until", until.to_string())],
        }
    }
}

/// `2026-11-21T08:10:00Z`, or as a form sends it: without seconds and zone, then it is UTC.
fn instant(name: &str, text: &str) -> Result<UnixSeconds, String> {
    let parsed = UnixMillis::parse(text).map(UnixMillis::seconds).ok();
    parsed.ok_or_else(|| format!("`{name}` is no time: write it as 2026-11-21T08:10:00Z."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MORNING: UnixSeconds = UnixSeconds(1_795_248_600);

    #[test]
    fn a_period_is_read_as_it_was_written() {
        let between = Period::Between(MORNING, UnixSeconds(MORNING.0 + 60));
        for period in Span::ALL.map(Period::Last).into_iter().chain([between]) {
            let parameters = period.parameters();
            let value =
                |name| parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
            assert_eq!(Period::read(value("range"), value("since"), value("until")), Ok(period));
        }
    }

    #[test]
    fn a_form_names_minutes_without_a_zone() {
        let period = Period::read(None, Some("2026-11-21T08:10"), Some("2026-11-21T09:10"));
        assert_eq!(period, Ok(Period::Between(MORNING, UnixSeconds(MORNING.0 + 3600))));
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        let wrong = [
            (Some("2w"), None, None),
            (Some("1h"), Some("2026-11-21T08:10:00Z"), None),
            (None, Some("2026-11-21T08:10:00Z"), None),
            (None, None, Some("2026-11-21T08:10:00Z")),
            (None, Some("yesterday"), Some("2026-11-21T08:10:00Z")),
            (None, Some("2026-11-21T08:10:00Z"), Some("2026-11-21T08:10:00Z")),
            (None, Some("1926-11-21T08:10:00Z"), Some("2026-11-21T08:10:00Z")),
        ];
        for (range, since, until) in wrong {
            assert!(
                Period::read(range, since, until).is_err_and(|why| why.ends_with('.')),
                "{range:?} {since:?}"
            );
        }
    }
}
