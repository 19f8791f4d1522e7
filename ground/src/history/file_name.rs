//! What a file's name says: `<prefix>_YYMMDD_HHMMSS*.csv`.

use std::fmt;

use cabinwatch_shared::time::UnixSeconds;

/// A name that follows the pattern but for a date that no calendar has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFileName(pub String);

impl fmt::Display for BadFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: its name holds no date that a calendar has (YYMMDD_HHMMSS)", self.0)
    }
}

/// When a file was cut, in UTC; years are those of 2000 to 2099. None for a name of another pattern.
///
/// # Errors
/// [`BadFileName`] where twelve digits stand in the right place but are no date.
pub fn cut_time(name: &str, prefix: &str) -> Result<Option<UnixSeconds>, BadFileName> {
    let Some(stamp) = stamp(name, prefix) else {
        return Ok(None);
    };
    let pair = |at: usize| i8::try_from((stamp[at] - b'0') * 10 + (stamp[at + 1] - b'0')).unwrap_or(-1);
    let civil = jiff::civil::DateTime::new(
        2000 + i16::from(pair(0)),
        pair(2),
        pair(4),
        pair(7),
        pair(9),
        pair(11),
        0,
    );
    civil
        .and_then(|civil| jiff::tz::Offset::UTC.to_timestamp(civil))
        .map(|timestamp| Some(UnixSeconds(timestamp.as_second())))
        .map_err(|_| BadFileName(name.to_owned()))
}

/// The `YYMMDD_HHMMSS` of a name, all digits in place.
fn stamp<'a>(name: &'a str, prefix: &str) -> Option<&'a [u8; 13]> {
    let rest = name.strip_prefix(prefix)?.strip_prefix('_')?.strip_suffix(".csv")?;
    let stamp: &[u8; 13] = rest.as_bytes().first_chunk()?;
    let shaped = stamp.iter().enumerate().all(|(at, byte)| match at {
        6 => *byte == b'_',
        _ => byte.is_ascii_digit(),
    });
    shaped.then_some(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(name: &str) -> Result<Option<i64>, BadFileName> {
        cut_time(name, "thy_wifi_edr").map(|cut| cut.map(|seconds| seconds.0))
    }

    #[test]
    fn the_name_says_when_a_file_was_cut() {
        assert_eq!(cut("thy_wifi_edr_261121_081000.csv"), Ok(Some(1_795_248_600)));
        assert_eq!(cut("thy_wifi_edr_261121_081000_part-7.csv"), Ok(Some(1_795_248_600)));
        assert_eq!(cut("thy_wifi_edr_000101_000000.csv"), Ok(Some(946_684_800)));
    }

    #[test]
    fn names_of_another_pattern_are_not_ours() {
        for name in [
            "",
            "thy_wifi_edr.csv",
            "thy_wifi_edr_261121.csv",
            "thy_wifi_edr_261121_0810.csv",
            "thy_wifi_edr_261121-081000.csv",
            "thy_wifi_edr_261121_081000.csv.gz",
            "thy_wifi_edr_261121_081000.csv.tmp",
            "other_261121_081000.csv",
            "thy_wifi_edr_26112l_081000.csv",
            "thy_wifi_edr_ü61121_081000.csv",
        ] {
            assert_eq!(cut(name), Ok(None), "{name:?}");
        }
    }

    #[test]
    fn an_impossible_date_is_reported() {
        for name in ["thy_wifi_edr_260230_000000.csv", "thy_wifi_edr_261121_250000.csv"] {
            assert_eq!(cut(name), Err(BadFileName(name.to_owned())));
        }
    }
}
