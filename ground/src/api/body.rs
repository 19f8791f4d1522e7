//! Reading a request's body: so many bytes, in so much time.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use futures::StreamExt;

use super::refusal::Refusal;

/// What a body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BodyLimit {
    pub(super) bytes: usize,
    pub(super) time: Duration,
}

/// The whole body. One that says in its head that it is too large is not even begun.
pub(super) async fn read(body: Body, limit: BodyLimit) -> Result<Bytes, Refusal> {
    if body.size_hint().lower() > limit.bytes as u64 {
        return Err(Refusal::TooManyBytes(limit.bytes));
    }
    tokio::time::timeout(limit.time, gather(body, limit.bytes)).await.unwrap_or(Err(Refusal::TooSlow))
}

async fn gather(body: Body, most: usize) -> Result<Bytes, Refusal> {
    let mut parts = body.into_data_stream();
    // Most bodies come in one piece, which is then not copied.
    let first = parts.next().await.transpose().map_err(|_| Refusal::Broken)?.unwrap_or_default();
    let mut whole = Vec::new();
    let mut length = first.len();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| Refusal::Broken)?;
        length += part.len();
        if length > most {
            break;
        }
        if whole.is_empty() {
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&part);
    }
    match length {
        length if length > most => Err(Refusal::TooManyBytes(most)),
        _ if whole.is_empty() => Ok(first),
        _ => Ok(whole.into()),
    }
}
