//! Durations on the command line.

use std::time::Duration;

const UNITS: [(char, u64); 3] = [('s', 1), ('m', 60), ('h', 3600)];
const DAY: u64 = 86_400;

/// `90s`, `2m`, `8h` or a bare number of seconds.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let with_unit = |(unit, factor)| Some((text.strip_suffix(unit)?, factor));
    let (digits, factor) = UNITS.into_iter().find_map(with_unit).unwrap_or((text, 1));
    let number: u64 =
        digits.parse().map_err(|_| format!("\"{text}\" is no duration; write 60s, 2m or 8h"))?;
    let seconds = number.checked_mul(factor).filter(|seconds| (1..=DAY).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| format!("{text} is not between 1 second and a day"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_minutes_or_hours() {
        assert_eq!(parse_duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("24h"), Ok(Duration::from_secs(86_400)));
        assert_eq!(parse_duration("5"), Ok(Duration::from_secs(5)));
        for text in ["", "s", "0s", "25h", "-3s", "99999999999999999999m", "1.5m", "ü"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }
}
