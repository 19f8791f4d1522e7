//! Closing a connection without losing the last answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// How long a client may take to notice that the connection ends.
const LIMIT: Duration = Duration::from_secs(2);
/// Bytes thrown away at a time.
const ROOM: usize = 8 << 10;

/// A connection that is closed in two steps. A system that closes while bytes of the client's are unread resets the
/// connection, and the client, still sending a body that was refused, never sees the answer that says why. So our
/// side ends first, and what comes until the client ends, too, is thrown away, for a while.
#[derive(Debug)]
pub(super) struct Lingering {
    stream: TcpStream,
    closing: Option<Pin<Box<Sleep>>>,
}

impl Lingering {
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self { stream, closing: None }
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, closing } = self.get_mut();
        let limit = match closing {
            Some(limit) => limit,
            None => {
                ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
                closing.insert(Box::pin(tokio::time::sleep(LIMIT)))
            }
        };
        loop {
            if limit.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut room = [0; ROOM];
            let mut thrown_away = ReadBuf::new(&mut room);
            // Whatever ends the connection, it is at its end.
            let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut thrown_away));
            if read.is_err() || thrown_away.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
