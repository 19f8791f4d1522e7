//! Cuts a stream into CSV records.
//!
//! RFC 4180 with the habits of real files: `\n` or `\r\n`, a byte order mark, empty lines, a quote that is only a
//! character unless it opens a field. Memory is bounded by the longest record allowed: one quote that is never
//! closed must cost one row, not swallow the rest of the file. That, and speed, is why records are not cut by the
//! `csv` crate; the tests hold it up as the reference.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter, memchr2};

use super::summary::RejectReason;

const CHUNK_BYTES: usize = 256 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One record. Its fields lie one behind another in `text`, with one byte between them.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    text: &'a [u8],
    /// Where each field starts and ends.
    fields: &'a [(u32, u32)],
}

impl<'a> Record<'a> {
    /// How many fields it has.
    pub(crate) const fn len(&self) -> usize {
        self.fields.len()
    }

    /// A field, without its quotes; empty where there is none.
    pub(crate) fn field(&self, index: usize) -> &'a [u8] {
        let (start, end) = self.fields.get(index).copied().unwrap_or_default();
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }
}

/// What comes next in the stream.
#[derive(Debug)]
pub(crate) enum Next<'a> {
    /// A record, and its first line counted from 1.
    Record(Record<'a>, u64),
    /// Something that is no record, and its first line.
    Bad(RejectReason, u64),
    /// Nothing.
    End,
}

/// A stream of records.
pub(crate) struct Records<R> {
    source: R,
    buffer: Vec<u8>,
    /// What of the buffer is read but not yet handed out.
    start: usize,
    end: usize,
    ended: bool,
    bytes: u64,
    line: u64,
    limit: usize,
    fields: Vec<(u32, u32)>,
    unquoted: Vec<u8>,
}

/// Where the record at the front of the buffer ends, counted from its start.
enum Found {
    /// A record without quotes that ends before this line feed (or the stream's end).
    Plain { text: usize, next: usize },
    /// A record with quotes, of so many lines, that ends before this line feed.
    Quoted { text: usize, next: usize, lines: u64 },
    /// The stream ends within a quote.
    OpenQuote,
    /// Longer than allowed.
    TooLong,
    /// Nothing left.
    End,
}

impl<R: Read> Records<R> {
    /// Records of at most `limit` bytes each.
    pub(crate) fn new(source: R, limit: usize) -> Self {
        Self {
            source,
            buffer: vec![0; CHUNK_BYTES],
            start: 0,
            end: 0,
            ended: false,
            bytes: 0,
            line: 1,
            limit: limit.min(u32::MAX as usize / 2),
            fields: Vec::new(),
            unquoted: Vec::new(),
        }
    }

    /// Starts over with another stream and the same memory.
    pub(crate) fn restart(&mut self, source: R) {
        self.source = source;
        (self.start, self.end, self.ended, self.bytes, self.line) = (0, 0, false, 0, 1);
    }

    /// Bytes read so far.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Passes over a byte order mark; only of use before the first record.
    pub(crate) fn skip_byte_order_mark(&mut self) -> io::Result<()> {
        while self.end - self.start < BYTE_ORDER_MARK.len() && !self.ended {
            self.fill()?;
        }
        if self.buffer[self.start..self.end].starts_with(BYTE_ORDER_MARK) {
            self.start += BYTE_ORDER_MARK.len();
        }
        Ok(())
    }

    /// The next record; empty lines are passed over.
    pub(crate) fn next(&mut self) -> io::Result<Next<'_>> {
        let (found, line) = self.find_filled()?;
        let start = self.start;
        match found {
            Found::End => Ok(Next::End),
            Found::Plain { text, next } => {
                self.start += next;
                self.line += 1;
                let text = without_carriage_return(&self.buffer[start..start + text]);
                split_plain(text, &mut self.fields);
                Ok(Next::Record(Record { text, fields: &self.fields }, line))
            }
            Found::Quoted { text, next, lines } => {
                self.start += next;
                self.line += lines;
                let text = without_carriage_return(&self.buffer[start..start + text]);
                split_quoted(text, &mut self.fields, &mut self.unquoted);
                Ok(Next::Record(Record { text: &self.unquoted, fields: &self.fields }, line))
            }
            // Reading goes on behind the first line feed: if a stray quote made the record long, the rows behind it
            // are whole.
            Found::OpenQuote => self.skip_line().map(|()| Next::Bad(RejectReason::OpenQuote, line)),
            Found::TooLong => self.skip_line().map(|()| Next::Bad(RejectReason::TooLong, line)),
        }
    }

    /// Finds the next record that is no empty line, and its first line.
    fn find_filled(&mut self) -> io::Result<(Found, u64)> {
        loop {
            match self.find()? {
                Found::Plain { text, next }
                    if without_carriage_return(&self.buffer[self.start..self.start + text]).is_empty()
                        && next > 0 =>
                {
                    self.start += next;
                    self.line += 1;
                }
                found => return Ok((found, self.line)),
            }
        }
    }

    /// Finds the end of the record at the front of the buffer, reading on as far as needed.
    fn find(&mut self) -> io::Result<Found> {
        let mut seen = 0;
        loop {
            let text = &self.buffer[self.start..self.end];
            match memchr2(b'\n', b'"', &text[seen..]).map(|at| at + seen) {
                Some(at) if at > self.limit => return Ok(Found::TooLong),
                Some(at) if text[at] == b'\n' => return Ok(Found::Plain { text: at, next: at + 1 }),
                Some(at) => return self.find_quoted(at),
                None if text.len() > self.limit => return Ok(Found::TooLong),
                None if self.ended && text.is_empty() => return Ok(Found::End),
                None if self.ended => return Ok(Found::Plain { text: text.len(), next: text.len() }),
                None => seen = text.len(),
            }
            self.fill()?;
        }
    }

    /// The same once the record is known to hold a quote, the first at `quote`.
    fn find_quoted(&mut self, quote: usize) -> io::Result<Found> {
        let mut at = quote;
        let mut lines = 1;
        let mut place = match at.checked_sub(1).map(|before| self.buffer[self.start + before]) {
            None | Some(b',') => Place::FieldStart,
            Some(_) => Place::Unquoted,
        };
        loop {
            let text = &self.buffer[self.start..self.end];
            while let Some(&byte) = text.get(at) {
                if byte == b'\n' && place != Place::Quoted {
                    return Ok(Found::Quoted { text: at, next: at + 1, lines });
                }
                lines += u64::from(byte == b'\n');
                place = place.after(byte);
                at += 1;
                if place == Place::Quoted {
                    at += memchr2(b'"', b'\n', &text[at..]).unwrap_or(text.len() - at);
                }
                if at > self.limit {
                    return Ok(Found::TooLong);
                }
            }
            if self.ended {
                let whole = Found::Quoted { text: at, next: at, lines };
                return Ok(if place == Place::Quoted { Found::OpenQuote } else { whole });
            }
            self.fill()?;
        }
    }

    /// Passes over everything up to and with the next line feed.
    fn skip_line(&mut self) -> io::Result<()> {
        self.line += 1;
        loop {
            if let Some(at) = memchr(b'\n', &self.buffer[self.start..self.end]) {
                self.start += at + 1;
                return Ok(());
            }
            self.start = self.end;
            if self.ended {
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// Reads more behind what is there, making room first.
    fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let read = loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.end += read;
        self.bytes += read as u64;
        self.ended = read == 0;
        Ok(())
    }
}

/// Where in a record a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    FieldStart,
    Unquoted,
    Quoted,
    /// Behind a quote within quotes: it closes the field, or is the first of two that stand for one.
    QuoteWithin,
}

impl Place {
    const fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::QuoteWithin,
            (Self::FieldStart | Self::QuoteWithin, b'"') | (Self::Quoted, _) => Self::Quoted,
            (_, b',') => Self::FieldStart,
            _ => Self::Unquoted,
        }
    }
}

fn without_carriage_return(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\r").unwrap_or(text)
}

fn split_plain(text: &[u8], fields: &mut Vec<(u32, u32)>) {
    fields.clear();
    let mut start = 0;
    for comma in memchr_iter(b',', text) {
        fields.push((start, comma as u32));
        start = comma as u32 + 1;
    }
    fields.push((start, text.len() as u32));
}

fn split_quoted(text: &[u8], fields: &mut Vec<(u32, u32)>, unquoted: &mut Vec<u8>) {
    fields.clear();
    unquoted.clear();
    let mut place = Place::FieldStart;
    let mut start = 0;
    for &byte in text {
        let next = place.after(byte);
        if next == Place::FieldStart {
            fields.push((start, unquoted.len() as u32));
            start = unquoted.len() as u32;
        } else if !matches!(
            (place, next),
            (Place::FieldStart, Place::Quoted) | (Place::Quoted, Place::QuoteWithin)
        ) {
            // What is left out are the quote that opens and the one that closes; of two in a row the second stays.
            unquoted.push(byte);
        }
        place = next;
    }
    fields.push((start, unquoted.len() as u32));
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
