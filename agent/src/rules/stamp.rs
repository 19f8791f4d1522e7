//! The two kinds of time in log lines that are not RFC 3339.

use cabinwatch_shared::time::UnixMillis;
use jiff::civil::DateTime;
use jiff::tz::Offset;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// `Mmm dd hh:mm:ss` at the start of `text`, and what follows it. The line names no year: the one that brings it
/// nearest to `now` is taken, so that a line of December read in January is not a year off.
pub(super) fn rfc3164(text: &str, now: UnixMillis, offset: Offset) -> Option<(UnixMillis, &str)> {
    const LENGTH: usize = "Nov 21 08:08:50".len();
    let (stamp, rest) = text.split_at_checked(LENGTH)?;
    let clock = Clock::parse(stamp)?;
    let year = jiff::Timestamp::from_millisecond(now.0).ok().map(|now| offset.to_datetime(now).year())?;
    let at = [year - 1, year, year + 1]
        .into_iter()
        .filter_map(|year| clock.in_year(year, offset))
        .min_by_key(|at| at.0.abs_diff(now.0))?;
    Some((at, rest))
}

/// `Www Mmm dd hh:mm:ss yyyy`, as the C library's `ctime` writes it, and what follows it.
pub(super) fn ctime(text: &str, offset: Offset) -> Option<(UnixMillis, &str)> {
    const LENGTH: usize = "Sat Nov 21 08:08:50 2026".len();
    let (stamp, rest) = text.split_at_checked(LENGTH)?;
    let (weekday, stamp) = stamp.split_once(' ')?;
    if !WEEKDAYS.contains(&weekday) {
        return None;
    }
    let (clock, year) = stamp.rsplit_once(' ')?;
    Some((Clock::parse(clock)?.in_year(year.parse().ok()?, offset)?, rest))
}

/// A date and time without a year.
struct Clock {
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
}

impl Clock {
    fn parse(stamp: &str) -> Option<Self> {
        let month = MONTHS.iter().position(|month| stamp.starts_with(month))?;
        let (day, time) = stamp.get(3..)?.strip_prefix(' ')?.split_at_checked(2)?;
        let mut parts = time.strip_prefix(' ')?.split(':').map(two_digits);
        let clock = Self {
            month: month as i8 + 1,
            day: two_digits(day.trim_start())?,
            hour: parts.next()??,
            minute: parts.next()??,
            second: parts.next()??,
        };
        parts.next().is_none().then_some(clock)
    }

    fn in_year(&self, year: i16, offset: Offset) -> Option<UnixMillis> {
        let civil = DateTime::new(year, self.month, self.day, self.hour, self.minute, self.second, 0).ok()?;
        offset.to_timestamp(civil).ok().map(|timestamp| UnixMillis(timestamp.as_millisecond()))
    }
}

fn two_digits(text: &str) -> Option<i8> {
    let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}
