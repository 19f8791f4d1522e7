//! How a language writes numbers, percentages, dates and times.

use cabinwatch_shared::time::UnixSeconds;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// The conventions of one language.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Between whole and fraction.
    pub decimal: char,
    /// Between thousands.
    pub thousands: char,
    /// Where the percent sign stands.
    pub percent: PercentSign,
    /// January to December, as they stand in a date.
    pub months: [&'static str; 12],
    /// Between two instants: `08:10 to 10:15`.
    pub until: &'static str,
}

/// Where the percent sign stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PercentSign {
    /// `%61,25`
    Before,
    /// `61.25%`
    After,
}

/// English.
pub(crate) static ENGLISH: Figures = Figures {
    decimal: '.',
    thousands: ',',
    percent: PercentSign::After,
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    until: "to",
};

/// Turkish: `%` stands before its figure.
pub(crate) static TURKISH: Figures = Figures {
    decimal: ',',
    thousands: '.',
    percent: PercentSign::Before,
    months: [
        "Ocak", "Şubat", "Mart", "Nisan", "Mayıs", "Haziran", "Temmuz", "Ağustos", "Eylül", "Ekim", "Kasım",
        "Aralık",
    ],
    until: "-",
};

const SECONDS_PER_MINUTE: i64 = 60;
/// Of a month's name, where it is short.
const MONTH_CHARS: usize = 3;

impl Figures {
    /// A whole number with its thousands apart.
    pub fn count(&self, value: u64) -> String {
        self.grouped(&value.to_string())
    }

    /// A number with that many decimals.
    pub fn number(&self, value: f64, decimals: usize) -> String {
        let text = format!("{:.decimals$}", value.abs());
        let sign = if value < 0.0 && text.bytes().any(|byte| matches!(byte, b'1'..=b'9')) { "-" } else { "" };
        match text.split_once('.') {
            Some((whole, fraction)) => format!("{sign}{}{}{fraction}", self.grouped(whole), self.decimal),
            None => format!("{sign}{}", self.grouped(&text)),
        }
    }

    /// A percentage with that many decimals.
    pub fn percent(&self, value: f64, decimals: usize) -> String {
        self.signed(&self.number(value, decimals))
    }

    /// A mean and its deviation, both in percent.
    pub fn percent_with_spread(&self, mean: f64, deviation: f64) -> String {
        let mean = self.number(mean, 2);
        let deviation = self.number(deviation, 2);
        match self.percent {
            PercentSign::Before => format!("%{mean} ± {deviation}"),
            PercentSign::After => format!("{mean} ± {deviation}%"),
        }
    }

    /// `21 November 2026`.
    pub fn date(&self, at: UnixSeconds) -> String {
        civil(at).map_or_else(|| at.to_string(), |civil| self.civil_date(civil))
    }

    /// `21 November 2026 08:10`.
    pub fn instant(&self, at: UnixSeconds) -> String {
        match civil(at) {
            Some(civil) => format!("{} {}", self.civil_date(civil), time_of_day(at, civil)),
            None => at.to_string(),
        }
    }

    /// `21 Nov 08:10`, where the year is plain.
    pub fn brief(&self, at: UnixSeconds) -> String {
        let Some(civil) = civil(at) else { return at.to_string() };
        let month: String = self.month(civil).chars().take(MONTH_CHARS).collect();
        format!("{} {month} {}", civil.day(), time_of_day(at, civil))
    }

    /// `08:10`.
    pub fn time(at: UnixSeconds) -> String {
        civil(at).map_or_else(|| at.to_string(), |civil| time_of_day(at, civil))
    }

    /// `08:10–08:15`, for a window whose date stands beside it.
    pub fn hours(from: UnixSeconds, until: UnixSeconds) -> String {
        format!("{}–{}", Self::time(from), Self::time(until))
    }

    /// `21 November 2026 05:00 to 10:15`, with the second date only where it is another.
    pub fn span(&self, from: UnixSeconds, until: UnixSeconds) -> String {
        let end = match (civil(from), civil(until)) {
            (Some(first), Some(last)) if first.date() == last.date() => time_of_day(until, last),
            _ => self.instant(until),
        };
        format!("{} {} {end}", self.instant(from), self.until)
    }

    fn civil_date(&self, civil: DateTime) -> String {
        format!("{} {} {}", civil.day(), self.month(civil), civil.year())
    }

    fn month(&self, civil: DateTime) -> &'static str {
        let index = usize::try_from(civil.month()).ok().and_then(|month| month.checked_sub(1));
        index.and_then(|index| self.months.get(index)).copied().unwrap_or_default()
    }

    fn signed(&self, number: &str) -> String {
        match self.percent {
            PercentSign::Before => format!("%{number}"),
            PercentSign::After => format!("{number}%"),
        }
    }

    fn grouped(&self, digits: &str) -> String {
        let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                grouped.push(self.thousands);
            }
            grouped.push(digit);
        }
        grouped
    }
}

fn civil(at: UnixSeconds) -> Option<DateTime> {
    let timestamp = jiff::Timestamp::from_second(at.0).ok()?;
    Some(Offset::UTC.to_datetime(timestamp))
}

/// Seconds only where they are not zero: windows usually start on a whole minute.
fn time_of_day(at: UnixSeconds, civil: DateTime) -> String {
    let (hour, minute, second) = (civil.hour(), civil.minute(), civil.second());
    if at.0.rem_euclid(SECONDS_PER_MINUTE) == 0 {
        format!("{hour:02}:{minute:02}")
    } else {
        format!("{hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T08:10:00Z.
    const MORNING: UnixSeconds = UnixSeconds(1_795_248_600);

    #[test]
    fn numbers_follow_their_language() {
        let (english, turkish) = (&ENGLISH, &TURKISH);
        assert_eq!(english.count(1_234_567), "1,234,567");
        assert_eq!(turkish.count(1_234_567), "1.234.567");
        assert_eq!(english.count(999), "999");
        assert_eq!(english.number(-1234.5, 2), "-1,234.50");
        assert_eq!(turkish.number(-0.71, 3), "-0,710");
        assert_eq!(english.percent(61.25, 2), "61.25%");
        assert_eq!(turkish.percent(61.25, 2), "%61,25");
        assert_eq!(english.percent_with_spread(5.2, 2.1), "5.20 ± 2.10%");
        assert_eq!(turkish.percent_with_spread(5.2, 2.1), "%5,20 ± 2,10");
    }

    #[test]
    fn a_number_that_rounds_to_nothing_has_no_sign() {
        assert_eq!(ENGLISH.number(-0.001, 2), "0.00");
    }

    #[test]
    fn dates_name_the_month_in_their_language() {
        assert_eq!(ENGLISH.instant(MORNING), "21 November 2026 08:10");
        assert_eq!(TURKISH.instant(MORNING), "21 Kasım 2026 08:10");
        assert_eq!(TURKISH.date(UnixSeconds(1_770_000_000)), "2 Şubat 2026");
        assert_eq!(TURKISH.brief(UnixSeconds(1_770_000_000)), "2 Şub 02:40");
    }

    #[test]
    fn a_span_repeats_the_date_only_where_it_changes() {
        let noon = UnixSeconds(MORNING.0 + 4 * 3600);
        let tomorrow = UnixSeconds(MORNING.0 + 86_400);
        assert_eq!(ENGLISH.span(MORNING, noon), "21 November 2026 08:10 to 12:10");
        assert_eq!(ENGLISH.span(MORNING, tomorrow), "21 November 2026 08:10 to 22 November 2026 08:10");
        assert_eq!(TURKISH.span(MORNING, noon), "21 Kasım 2026 08:10 - 12:10");
    }

    #[test]
    fn seconds_show_only_where_a_window_has_them() {
        assert_eq!(Figures::hours(MORNING, UnixSeconds(MORNING.0 + 300)), "08:10–08:15");
        assert_eq!(Figures::hours(MORNING, UnixSeconds(MORNING.0 + 7)), "08:10–08:10:07");
    }

    #[test]
    fn a_second_beyond_the_calendar_is_shown_as_a_number() {
        assert_eq!(ENGLISH.instant(UnixSeconds(i64::MAX)), i64::MAX.to_string());
    }
}
