//! `POST /events`: many events in one request, a line each, and a line for each in the answer.
//!
//! The request is read as a whole before the answer begins: most clients do not read while they still send, and the two
//! would wait for each other. So there is room for a few batches at a time only. The answer is made while it is being
//! sent, a piece at a time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use super::body::{self, BodyLimit};
use super::event::Problems;
use super::keys::KeyName;
use super::monitor::Outcome;
use super::refusal::Refusal;
use super::schema::{BatchLine, Detail};
use super::score::Api;
use super::verdict::Verdict;
use crate::config::ApiConfig;
use crate::telemetry::{self, Scorer};

/// Batches at a time. Each holds its whole body.
pub(super) const MAX_BATCHES: usize = 4;
/// Lines that are scored at a time, before other requests get their turn.
const PIECE_LINES: usize = 128;
/// What a body of lines may call itself.
const LINE_TYPES: [&str; 4] =
    ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"];

/// Score many events
///
/// One JSON event a line; blank lines are skipped. The answer has a line for each event, in their order: the verdict, or
/// what is wrong with the event, which spoils no other.
#[utoipa::path(
    post,
    path = "/events",
    operation_id = "score_events",
    tag = "scoring",
    security(("key" = [])),
    request_body(content = String, content_type = "application/x-ndjson",
        description = "Events, one JSON object a line, each as in /event"),
    responses(
        (status = 200, description = "A line for each event", body = BatchLine,
            content_type = "application/x-ndjson"),
        (status = 400, description = "The body broke off", body = Detail),
        (status = 403, description = "No key, or a wrong one; the body was not read", body = Detail),
        (status = 408, description = "The body did not arrive in time", body = Detail),
        (status = 413, description = "The body has too many bytes or lines, or a line is too long; nothing was scored", body = Detail),
        (status = 415, description = "The body is declared as something else than lines of JSON", body = Detail),
        (status = 429, description = "Too many events for this key; nothing was scored", body = Detail,
            headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 503, description = "No model is loaded, or too many batches are being scored", body = Detail,
            headers(("Retry-After" = u64, description = "Seconds to wait, where it is the batches"))),
    )
)]
pub(super) async fn score_events(State(api): State<Arc<Api>>, request: Request) -> Response {
    let monitor = api.monitor.clone();
    answer(api, request).await.unwrap_or_else(|refusal| {
        monitor.refused(refusal);
        refusal.into_response()
    })
}

async fn answer(api: Arc<Api>, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let caller = api.gate.identify(&head.headers)?;
    if !is_lines(&head.headers) {
        return Err(Refusal::NotLines);
    }
    let time = Duration::from_secs(api.config.body_timeout_seconds.into());
    let room = tokio::time::timeout(time, Arc::clone(&api.batches).acquire_owned()).await;
    // The semaphore is never closed.
    let room = room.ok().and_then(Result::ok).ok_or(Refusal::Busy)?;
    let bytes = usize::try_from(api.config.max_batch_bytes).unwrap_or(usize::MAX);
    let body = body::read(body, BodyLimit { bytes, time }).await?;
    caller.take(count(&body, &api.config)?)?;
    let scorer = api.models.current().ok_or(Refusal::NoModel)?;
    let key = caller.name.clone();
    let batch = Batch { api, scorer, key, body, read: 0, line: 0, _room: room };
    let pieces = stream::unfold(batch, |mut batch| async {
        // Other connections of this thread come first.
        tokio::task::yield_now().await;
        let piece = batch.next_piece();
        (!piece.is_empty()).then_some((Ok::<_, Infallible>(piece), batch))
    });
    Ok(([(header::CONTENT_TYPE, LINE_TYPES[0])], Body::from_stream(pieces)).into_response())
}

/// A batch that is being scored.
struct Batch {
    api: Arc<Api>,
    /// The model it began with.
    scorer: Arc<Scorer>,
    key: KeyName,
    body: Bytes,
    /// Bytes of the body that are done.
    read: usize,
    /// Lines of the body that are done.
    line: usize,
    _room: OwnedSemaphorePermit,
}

/// An answer's line.
#[derive(Serialize)]
struct Line<T> {
    line: usize,
    #[serde(flatten)]
    answer: T,
}

/// What is wrong with a line.
#[derive(Serialize)]
struct InvalidLine {
    status: &'static str,
    #[serde(flatten)]
    problems: Problems,
}

impl Batch {
    /// The next lines of the answer; nothing when all are there.
    fn next_piece(&mut self) -> Vec<u8> {
        let mut piece = Vec::new();
        let body = self.body.clone();
        let at = Timestamp::now();
        let mut answered = 0;
        for line in lines(body.get(self.read..).unwrap_or_default()) {
            self.read += line.len();
            self.line += 1;
            if is_blank(line) {
                continue;
            }
            self.answer(line, at, &mut piece);
            answered += 1;
            if answered == PIECE_LINES {
                break;
            }
        }
        piece
    }

    fn answer(&self, line: &[u8], at: Timestamp, piece: &mut Vec<u8>) {
        let number = self.line;
        match telemetry::read_event(line.trim_ascii()) {
            Ok(event) => self.api.score(&self.scorer, &self.key, event, at, |verdict: &Verdict<'_>| {
                append(&Line { line: number, answer: verdict }, piece);
            }),
            Err(detail) => {
                self.api.monitor.event(Outcome::Invalid);
                let answer = InvalidLine { status: "invalid", problems: Problems { detail } };
                append(&Line { line: number, answer }, piece);
            }
        }
    }
}

/// How many events there are, if they are not too many and none is too long.
fn count(body: &[u8], config: &ApiConfig) -> Result<u32, Refusal> {
    let longest = usize::try_from(config.max_event_bytes).unwrap_or(usize::MAX);
    let mut events = 0;
    for line in lines(body).map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        events += 1;
        if events > config.max_batch_events {
            return Err(Refusal::TooManyLines(config.max_batch_events));
        }
        if line.len() > longest {
            return Err(Refusal::LongLine(longest));
        }
    }
    Ok(events)
}

fn append(line: &impl Serialize, piece: &mut Vec<u8>) {
    // Neither a vector nor these values can fail.
    let _ = serde_json::to_writer(&mut *piece, line);
    piece.push(b'\n');
}

/// The lines of a body, each with its end.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split_inclusive(|byte| *byte == b'\n')
}

fn is_blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}

/// A body of no type is believed to be lines.
fn is_lines(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return true };
    let essence = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    LINE_TYPES.iter().any(|known| essence.eq_ignore_ascii_case(known.as_bytes()))
}
