//! CSV in the two ways in which a quote within quotes is written: doubled (RFC 4180, pandas), or behind a backslash
//! (Spark). Reading one as the other garbles keys without a word, so both are read strictly, and the first that fits
//! the whole file counts.

use std::iter::Peekable;
use std::str::Chars;

/// One line, or several where a quoted field holds a line feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Its first line, from 1.
    pub line: u64,
    pub fields: Vec<String>,
}

/// Why a text is no CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub line: u64,
    pub reason: &'static str,
}

/// How a quote stands within a quoted field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quoting {
    Doubled,
    Backslash,
}

/// All records; empty lines are left out.
pub(super) fn parse(text: &str) -> Result<Vec<Record>, Malformed> {
    Reader::read(text, Quoting::Doubled)
        .or_else(|first| Reader::read(text, Quoting::Backslash).map_err(|_| first))
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    line: u64,
    quoting: Quoting,
}

impl<'a> Reader<'a> {
    fn read(text: &'a str, quoting: Quoting) -> Result<Vec<Record>, Malformed> {
        let mut reader = Reader { rest: text.chars().peekable(), line: 1, quoting };
        let mut records = Vec::new();
        while reader.rest.peek().is_some() {
            let record = reader.record()?;
            if record.fields != [""] {
                records.push(record);
            }
        }
        Ok(records)
    }

    fn record(&mut self) -> Result<Record, Malformed> {
        let mut record = Record { line: self.line, fields: Vec::new() };
        loop {
            let field = if self.rest.next_if_eq(&'"').is_some() { self.quoted()? } else { self.bare()? };
            record.fields.push(field);
            match self.next() {
                Some(',') => {}
                None | Some('\n') => return Ok(record),
                Some(_) => return Err(self.malformed("a quoted field is followed by more text")),
            }
        }
    }

    /// Up to the comma or line end, which stays.
    fn bare(&mut self) -> Result<String, Malformed> {
        let mut field = String::new();
        while let Some(&next) = self.rest.peek() {
            match next {
                ',' | '\n' => break,
                '\r' if self.ends_line() => break,
                '"' => return Err(self.malformed("a quote stands within a field that is not quoted")),
                other => field.push(other),
            }
            self.rest.next();
        }
        Ok(field)
    }

    /// Behind the opening quote, up to and with the closing one.
    fn quoted(&mut self) -> Result<String, Malformed> {
        let opened = self.line;
        let mut field = String::new();
        while let Some(next) = self.rest.next() {
            match (next, self.quoting) {
                ('"', Quoting::Doubled) if self.rest.next_if_eq(&'"').is_some() => field.push('"'),
                ('"', _) => {
                    self.ends_line();
                    return Ok(field);
                }
                // Only these two are escaped; before anything else a backslash is itself.
                ('\\', Quoting::Backslash) => {
                    let escaped = self.rest.next_if(|next| matches!(next, '"' | '\\'));
                    field.push(escaped.unwrap_or('\\'));
                }
                (other, _) => {
                    self.line += u64::from(other == '\n');
                    field.push(other);
                }
            }
        }
        Err(Malformed { line: opened, reason: "a quote is opened and never closed" })
    }

    /// Skips a carriage return before a line feed or the end; whether one was there.
    fn ends_line(&mut self) -> bool {
        let mut ahead = self.rest.clone();
        let ends = ahead.next() == Some('\r') && matches!(ahead.next(), None | Some('\n'));
        if ends {
            self.rest.next();
        }
        ends
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.line += u64::from(next == Some('\n'));
        next
    }

    const fn malformed(&self, reason: &'static str) -> Malformed {
        Malformed { line: self.line, reason }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(text: &str) -> Vec<Vec<String>> {
        parse(text).expect("CSV").into_iter().map(|record| record.fields).collect()
    }

    #[test]
    fn quotes_may_be_doubled_or_behind_a_backslash() {
        let expected = [["AUTH | wrong \"password\", twice", "1.0"]];
        assert_eq!(fields("\"AUTH | wrong \"\"password\"\", twice\",1.0\n"), expected);
        assert_eq!(fields("\"AUTH | wrong \\\"password\\\", twice\",1.0\n"), expected);
    }

    #[test]
    fn a_backslash_is_itself_unless_it_stands_before_a_quote() {
        assert_eq!(fields("a\\b,\"c\\d, e\"\n"), [["a\\b", "c\\d, e"]]);
        assert_eq!(fields("\"a\\b \\\" \\\\\",2\r\n"), [["a\\b \" \\", "2"]]);
    }

    #[test]
    fn lines_end_in_any_way_and_fields_may_hold_line_feeds() {
        assert_eq!(
            fields("a,b\r\n\r\n\"c\nd\",e\r\nf,\"g\"\r\nh,i"),
            [["a", "b"], ["c\nd", "e"], ["f", "g"], ["h", "i"]]
        );
        let lines: Vec<u64> =
            parse("a\n\"b\nc\"\nd").expect("CSV").iter().map(|record| record.line).collect();
        assert_eq!(lines, [1, 2, 4]);
    }

    #[test]
    fn what_is_neither_is_refused_with_its_line() {
        for (text, line) in [("a\n\"b\" c,1\n", 2), ("a\nb\"c\n", 2), ("a\n\"b\n\n", 2)] {
            assert_eq!(parse(text).expect_err(text).line, line, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_a_csv_writer_writes_comes_back(
            rows in prop::collection::vec(prop::collection::vec("[a-c |,\"\\\\\n]{1,8}", 2), 1..6)
        ) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            rows.iter().for_each(|row| writer.write_record(row).expect("written"));
            let text = String::from_utf8(writer.into_inner().expect("whole")).expect("UTF-8");
            prop_assert_eq!(fields(&text), rows);
        }

        #[test]
        fn no_text_is_too_much(text in "[a,\"\\\\\r\n]{0,60}") {
            let _ = parse(&text);
        }
    }
}
