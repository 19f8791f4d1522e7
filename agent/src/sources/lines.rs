//! Bytes become lines, each of bounded length.

use cabinwatch_shared::wire::LossReason;
use memchr::{memchr, memrchr};

/// Splits what is read into lines.
///
/// It also says how many bytes belong to whole lines: a cursor set there makes a restart read the unfinished rest
/// again, so nothing of a line is taken twice or lost.
#[derive(Debug)]
pub(super) struct LineSplitter {
    limit: usize,
    partial: Vec<u8>,
    /// Length of the unfinished line, of which `partial` holds no more than the limit.
    pending: u64,
}

impl LineSplitter {
    /// Lines of more than `limit` bytes are counted, not kept.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, partial: Vec::new(), pending: 0 }
    }

    /// Takes the next bytes and gives the lines that end in them. How many bytes those lines have, their ends of line
    /// and what earlier calls held back included.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut dyn FnMut(Result<&str, LossReason>)) -> u64 {
        let mut whole = 0;
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            let (line, after) =
                (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default());
            whole += self.pending + line.len() as u64 + 1;
            if self.pending == 0 {
                out(self.check(line, line.len() as u64));
            } else {
                self.hold(line);
                self.give_held(out);
            }
            rest = after;
        }
        self.hold(rest);
        whole
    }

    /// Gives what is there as a last line: no more will come. How many bytes it has.
    pub(super) fn finish(&mut self, out: &mut dyn FnMut(Result<&str, LossReason>)) -> u64 {
        let length = self.pending;
        if length > 0 {
            self.give_held(out);
        }
        length
    }

    fn give_held(&mut self, out: &mut dyn FnMut(Result<&str, LossReason>)) {
        out(self.check(&self.partial, self.pending));
        self.partial.clear();
        self.pending = 0;
    }

    fn hold(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.partial.len()).min(bytes.len());
        self.partial.extend_from_slice(bytes.get(..room).unwrap_or_default());
        self.pending += bytes.len() as u64;
    }

    fn check<'a>(&self, line: &'a [u8], length: u64) -> Result<&'a str, LossReason> {
        if length > self.limit as u64 {
            return Err(LossReason::TooLong);
        }
        text(line)
    }
}

/// A line's text: UTF-8 without NUL.
pub(super) fn text(line: &[u8]) -> Result<&str, LossReason> {
    let line = if memrchr(b'\r', line) == line.len().checked_sub(1) && !line.is_empty() {
        line.get(..line.len() - 1).unwrap_or_default()
    } else {
        line
    };
    if memchr(0, line).is_some() {
        return Err(LossReason::Malformed);
    }
    std::str::from_utf8(line).map_err(|_| LossReason::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&[u8]], limit: usize) -> (Vec<Result<String, LossReason>>, u64) {
        let mut splitter = LineSplitter::new(limit);
        let mut lines = Vec::new();
        let mut whole = 0;
        for chunk in chunks {
            whole += splitter.feed(chunk, &mut |line| lines.push(line.map(str::to_owned)));
        }
        (lines, whole)
    }

    #[test]
    fn lines_end_where_they_end_and_the_rest_waits() {
        let (lines, whole) = split(&[b"one\ntw", b"o\r\n\nthr"], 100);
        assert_eq!(lines, [Ok("one".into()), Ok("two".into()), Ok(String::new())]);
        assert_eq!(whole, 4 + 5 + 1);
    }

    #[test]
    fn a_line_beyond_the_limit_is_counted_once_and_takes_no_memory() {
        let mut splitter = LineSplitter::new(10);
        let mut lines = Vec::new();
        for _ in 0..1000 {
            splitter.feed(&[b'x'; 1000], &mut |line| lines.push(line.map(str::to_owned)));
            assert!(splitter.partial.capacity() < 100);
        }
        splitter.feed(b"\nshort\n", &mut |line| lines.push(line.map(str::to_owned)));
        assert_eq!(lines, [Err(LossReason::TooLong), Ok("short".into())]);
    }

    #[test]
    fn a_line_that_just_fits_is_taken() {
        assert_eq!(split(&[b"0123456789\n"], 10).0, [Ok("0123456789".into())]);
        assert_eq!(split(&[b"01234567", b"89\n"], 10).0, [Ok("0123456789".into())]);
        assert_eq!(split(&[b"01234567", b"89x\n"], 10).0, [Err(LossReason::TooLong)]);
    }

    #[test]
    fn what_is_no_text_is_malformed() {
        let (lines, _) = split(&[b"a\0b\n\xff\xfe\nok\n"], 100);
        assert_eq!(lines, [Err(LossReason::Malformed), Err(LossReason::Malformed), Ok("ok".into())]);
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200), cuts in prop::collection::vec(0_usize..200, 0..8)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(split(&chunks, 20), split(&[&bytes], 20));
        }
    }
}
