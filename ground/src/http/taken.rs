//! Whether a request's body was taken to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

/// A body that remembers whether it came to its end.
#[derive(Debug)]
pub(super) struct Taken {
    body: Incoming,
    ended: Arc<AtomicBool>,
}

/// What is known of a body after its request was answered.
#[derive(Debug)]
pub(super) struct Rest(Arc<AtomicBool>);

impl Taken {
    /// Watches a request's body.
    pub(super) fn watch(request: Request<Incoming>) -> (Request<Self>, Rest) {
        let ended = Arc::new(AtomicBool::new(request.body().is_end_stream()));
        let rest = Rest(Arc::clone(&ended));
        (request.map(|body| Self { body, ended }), rest)
    }
}

impl Rest {
    /// The answer with its connection's fate: where the body was not taken, what comes of it would stand where the next
    /// request is looked for. So the connection ends, and a client that is not told would send its next request into it.
    pub(super) fn told_in(self, mut response: Response) -> Response {
        if !self.0.load(Ordering::Relaxed) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl Body for Taken {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.ended.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
