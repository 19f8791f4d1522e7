//! Reads `edr_date` quickly.

use cabinwatch_shared::time::UnixMillis;

const DATE_BYTES: usize = 10;
const SECONDS_END: usize = 19;

/// Remembers the last date, because rows come in order: then only the time of day is left to read. Whatever is not
/// plainly `YYYY-MM-DD HH:MM:SS[.fff]` goes to [`UnixMillis::parse`], and both give the same instant.
#[derive(Debug, Default)]
pub(super) struct DateReader {
    date: [u8; DATE_BYTES],
    /// Midnight of `date`; none before the first row.
    midnight: Option<i64>,
}

impl DateReader {
    /// The instant; none if the text is no date.
    pub(super) fn read(&mut self, text: &[u8]) -> Option<UnixMillis> {
        let time_of_day = time_of_day(text);
        if let (Some(millis), Some(midnight)) = (time_of_day, self.midnight)
            && text.first_chunk() == Some(&self.date)
        {
            return Some(UnixMillis(midnight + millis));
        }
        let at = UnixMillis::parse(std::str::from_utf8(text).ok()?).ok()?;
        if let (Some(millis), Some(date)) = (time_of_day, text.first_chunk()) {
            self.date = *date;
            self.midnight = Some(at.0 - millis);
        }
        Some(at)
    }
}

/// Milliseconds since midnight of a text that is plainly `YYYY-MM-DD HH:MM:SS[.fff]`, whatever its date.
fn time_of_day(text: &[u8]) -> Option<i64> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b' ' | b'T', h1, h2, b':', n1, n2, b':', s1, s2] =
        text.first_chunk::<SECONDS_END>()?
    else {
        return None;
    };
    let date_digits = [y1, y2, y3, y4, m1, m2, d1, d2].iter().all(u8::is_ascii_digit);
    let (hour, minute, second) = (two_digits(h1, h2)?, two_digits(n1, n2)?, two_digits(s1, s2)?);
    // A leap second is left to the careful reader.
    if !date_digits || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction = match &text[SECONDS_END..] {
        [] => 0,
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => milliseconds(digits)?,
        _ => return None,
    };
    Some(((hour * 60 + minute) * 60 + second) * 1000 + fraction)
}

fn two_digits(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens) * 10 + i64::from(ones))
}

/// The first three digits of a fraction; all must be digits.
fn milliseconds(digits: &[u8]) -> Option<i64> {
    let digit = |at: usize| i64::from(digits.get(at).map_or(0, |byte| byte - b'0'));
    digits.iter().all(u8::is_ascii_digit).then(|| digit(0) * 100 + digit(1) * 10 + digit(2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_of_the_calendar_are_dates() {
        let mut reader = DateReader::default();
        assert_eq!(reader.read(b"1900-01-01 00:00:00"), Some(UnixMillis(-2_208_988_800_000)));
        assert_eq!(reader.read(b"1900-01-01 00:00:00.001"), Some(UnixMillis(-2_208_988_799_999)));
        assert_eq!(reader.read(b"9999-12-30 22:00:00"), Some(UnixMillis(253_402_207_200_000)));
        assert_eq!(reader.read(b"2026-02-30 00:00:00"), None);
        assert_eq!(reader.read(b"\xff026-02-20 00:00:00"), None);
    }

    proptest! {
        #[test]
        fn remembering_changes_nothing(texts in prop::collection::vec(
            "(19[0-9]{2}|20[0-9]{2}|9999)-[01][0-9]-[0-3][0-9][ T][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,10})?(Z|\\+03:00|-05)?|20[26x]{2}-1[12]-2[01] 0[89]:1[0-9]:[0-5][0-9](\\.[0-9x]{1,4})?| ?2026-11-21 08:10:0[0-9] ?",
            1..40,
        )) {
            let mut reader = DateReader::default();
            for text in &texts {
                prop_assert_eq!(reader.read(text.as_bytes()), UnixMillis::parse(text).ok(), "{}", text);
            }
        }
    }
}
