use proptest::prelude::*;

use super::*;

/// Hands out a few bytes at a time, so that every record is cut by the end of a read somewhere.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let take = self.1.min(self.0.len()).min(out.len());
        out[..take].copy_from_slice(&self.0[..take]);
        self.0 = &self.0[take..];
        Ok(take)
    }
}

#[derive(Debug, PartialEq)]
enum Read_ {
    Row(u64, Vec<String>),
    Bad(u64, RejectReason),
}

fn read(text: &[u8], step: usize, limit: usize) -> Vec<Read_> {
    let mut records = Records::new(Dribble(text, step), limit);
    records.skip_byte_order_mark().expect("memory never fails");
    let mut all = Vec::new();
    loop {
        match records.next().expect("memory never fails") {
            Next::End => return all,
            Next::Bad(reason, line) => all.push(Read_::Bad(line, reason)),
            Next::Record(record, line) => {
                let field = |index| String::from_utf8_lossy(record.field(index)).into_owned();
                all.push(Read_::Row(line, (0..record.len()).map(field).collect()));
            }
        }
    }
}

fn row(line: u64, fields: &[&str]) -> Read_ {
    Read_::Row(line, fields.iter().map(|&field| field.to_owned()).collect())
}

#[test]
fn plain_records_and_lines() {
    let expected = vec![row(1, &["a", "b"]), row(3, &["", ""]), row(4, &["c"])];
    for step in [1, 2, 3, 100] {
        assert_eq!(read(b"a,b\n\n,\r\nc", step, 100), expected);
    }
}

#[test]
fn quotes_hold_commas_quotes_and_line_feeds() {
    let text = b"a,\"b,c\",\"say \"\"no\"\"\"\n\"two\nlines\",x\ny,z\n";
    let expected =
        vec![row(1, &["a", "b,c", "say \"no\""]), row(2, &["two\nlines", "x"]), row(4, &["y", "z"])];
    for step in [1, 2, 7, 100] {
        assert_eq!(read(text, step, 100), expected);
    }
}

#[test]
fn a_quote_inside_a_field_is_a_character() {
    assert_eq!(read(b"5\" pipe,x\ny,z\n", 3, 100), [row(1, &["5\" pipe", "x"]), row(2, &["y", "z"])]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_field() {
    assert_eq!(read(b"\xef\xbb\xbfa,b\n", 1, 100), [row(1, &["a", "b"])]);
}

#[test]
fn a_quote_that_is_never_closed_costs_one_row() {
    let expected =
        vec![row(1, &["a"]), Read_::Bad(2, RejectReason::OpenQuote), row(3, &["c"]), row(4, &["d"])];
    assert_eq!(read(b"a\n\"b\nc\nd\n", 2, 100), expected);
    let far: Vec<u8> = [b"\"b\n".as_slice(), &b"row\n".repeat(10)].concat();
    let rows = read(&far, 5, 12);
    assert_eq!(rows[0], Read_::Bad(1, RejectReason::TooLong));
    assert_eq!(rows[1..].len(), 10);
}

#[test]
fn a_line_beyond_the_limit_is_passed_over() {
    let text = [&b"x".repeat(1 << 20), b"\nnext,row\n".as_slice()].concat();
    let expected = vec![Read_::Bad(1, RejectReason::TooLong), row(2, &["next", "row"])];
    assert_eq!(read(&text, 4096, 1000), expected);
    assert_eq!(
        read(b"12345\n123456\n1234\n", 1, 5),
        [row(1, &["12345"]), Read_::Bad(2, RejectReason::TooLong), row(3, &["1234"])]
    );
}

#[test]
fn nothing_is_nothing() {
    assert_eq!(read(b"", 1, 10), []);
    assert_eq!(read(b"\n\r\n\n", 1, 10), []);
}

/// What the `csv` crate makes of the same text.
fn reference(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(text);
    reader
        .byte_records()
        .map(|record| record.expect("flexible").iter().map(<[u8]>::to_vec).collect())
        .collect()
}

proptest! {
    #[test]
    fn what_is_written_comes_back(rows in prop::collection::vec(prop::collection::vec("[a,\"\n\u{fc} ]{0,6}", 2..5), 0..20), step in 1_usize..40) {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).expect("memory never fails");
        }
        let text = writer.into_inner().expect("memory never fails");
        let ours: Vec<Vec<String>> = read(&text, step, 10_000)
            .into_iter()
            .map(|read| match read { Read_::Row(_, fields) => fields, Read_::Bad(..) => vec![] })
            .collect();
        prop_assert_eq!(ours, rows);
    }

    #[test]
    fn well_formed_text_reads_as_the_csv_crate_reads_it(pieces in prop::collection::vec(prop::sample::select(vec!["a", ",", "\n", "\"x\"", "\"p,q\"", "\"l\nm\"", "b\"c", "\"\""]), 0..60), step in 1_usize..20) {
        let text = pieces.concat();
        let ours = read(text.as_bytes(), step, 10_000);
        prop_assume!(ours.iter().all(|read| matches!(read, Read_::Row(..))));
        let ours: Vec<Vec<Vec<u8>>> = ours
            .into_iter()
            .map(|read| match read { Read_::Row(_, fields) => fields.into_iter().map(String::into_bytes).collect(), Read_::Bad(..) => vec![] })
            .collect();
        prop_assert_eq!(ours, reference(text.as_bytes()));
    }

    #[test]
    fn any_bytes_end(text in prop::collection::vec(prop::sample::select(vec![b'a', b',', b'"', b'\n', b'\r', 0xff]), 0..400), step in 1_usize..20, limit in 1_usize..30) {
        let whole = read(&text, 1000, limit);
        prop_assert_eq!(read(&text, step, limit), whole);
    }
}
