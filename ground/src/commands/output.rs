//! What a command prints.

use std::io::{self, ErrorKind, Write};

/// An output whose reader may leave, as in `detect | head -1`: what is printed then goes nowhere, and the command still
/// does all of its work.
#[derive(Debug)]
pub struct Output<W> {
    inner: W,
    has_reader: bool,
}

impl<W: Write> Output<W> {
    /// An output that is read for now.
    pub const fn new(inner: W) -> Self {
        Self { inner, has_reader: true }
    }

    fn unless_left<T>(&mut self, result: io::Result<T>, otherwise: T) -> io::Result<T> {
        match result {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.has_reader = false;
                Ok(otherwise)
            }
            result => result,
        }
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.has_reader {
            return Ok(bytes.len());
        }
        let written = self.inner.write(bytes);
        self.unless_left(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.has_reader {
            return Ok(());
        }
        let flushed = self.inner.flush();
        self.unless_left(flushed, ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_that_leaves_stops_no_work() {
        let mut out = Output::new(Failing(ErrorKind::BrokenPipe));
        for _ in 0..2 {
            writeln!(out, "a line").and_then(|()| out.flush()).expect("nobody minds");
        }
    }

    #[test]
    fn an_output_that_fails_otherwise_is_an_error() {
        let mut out = Output::new(Failing(ErrorKind::StorageFull));
        assert!(writeln!(out, "a line").is_err() && out.flush().is_err());
    }
}
