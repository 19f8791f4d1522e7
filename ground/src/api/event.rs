//! `POST /event`: one event, one verdict, as today's clients know it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

use super::body::{self, BodyLimit};
use super::monitor::Outcome;
use super::refusal::Refusal;
use super::schema::{Detail, Invalid, NetworkEvent};
use super::score::Api;
use super::verdict::Verdict;
use crate::telemetry::{self, Problem};

/// Bytes that an answer seldom exceeds.
const ANSWER_BYTES: usize = 256;

/// What is wrong with an event.
#[derive(Debug, Serialize)]
pub(super) struct Problems {
    pub(super) detail: Vec<Problem>,
}

/// Score one event
///
/// The verdict of the isolation forest. What is wrong with an event is said as FastAPI and pydantic say it.
#[utoipa::path(
    post,
    path = "/event",
    operation_id = "score_event",
    tag = "scoring",
    security(("key" = [])),
    request_body(content = NetworkEvent, content_type = "application/json"),
    responses(
        (status = 200, description = "The verdict", body = Verdict<'_>),
        (status = 400, description = "The body broke off", body = Detail),
        (status = 403, description = "No key, or a wrong one; the body was not read", body = Detail),
        (status = 408, description = "The body did not arrive in time", body = Detail),
        (status = 413, description = "The body is too large", body = Detail),
        (status = 422, description = "The event breaks the schema; every problem is listed", body = Invalid),
        (status = 429, description = "Too many events for this key", body = Detail,
            headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 503, description = "No model is loaded", body = Detail),
    )
)]
pub(super) async fn score_event(State(api): State<Arc<Api>>, request: Request) -> Response {
    let began = Instant::now();
    let answer = answer(&api, request).await.unwrap_or_else(|refusal| {
        api.monitor.refused(refusal);
        refusal.into_response()
    });
    api.monitor.answered_in(began.elapsed());
    answer
}

async fn answer(api: &Api, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let caller = api.gate.identify(&head.headers)?;
    caller.take(1)?;
    let limit = BodyLimit {
        bytes: usize::try_from(api.config.max_event_bytes).unwrap_or(usize::MAX),
        time: Duration::from_secs(api.config.body_timeout_seconds.into()),
    };
    let body = body::read(body, limit).await?;
    let event = if is_json(&head.headers) {
        telemetry::read_event(&body)
    } else {
        Err(vec![telemetry::undeclared_body(&body)])
    };
    let event = match event {
        Ok(event) => event,
        Err(detail) => {
            api.monitor.event(Outcome::Invalid);
            return Ok(json(StatusCode::UNPROCESSABLE_ENTITY, &Problems { detail }));
        }
    };
    let scorer = api.models.current().ok_or(Refusal::NoModel)?;
    Ok(api.score(&scorer, caller.name, event, Timestamp::now(), |verdict| json(StatusCode::OK, verdict)))
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut text = Vec::with_capacity(ANSWER_BYTES);
    // Neither a vector nor these values can fail.
    let _ = serde_json::to_writer(&mut text, value);
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// As FastAPI sees it: a body of no type is JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return true };
    let essence = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let Some((main, sub)) = essence.split_at_checked(b"application/".len()) else { return false };
    main.eq_ignore_ascii_case(b"application/")
        && (sub.eq_ignore_ascii_case(b"json")
            || sub.len() >= b"+json".len()
                && sub[sub.len() - b"+json".len()..].eq_ignore_ascii_case(b"+json"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn json_is_what_says_so_or_says_nothing() {
        let of = |kind: &'static str| {
            is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]))
        };
        assert!(is_json(&HeaderMap::new()));
        for json in [
            "application/json",
            "Application/JSON ; charset=utf-8",
            "application/problem+json",
            "application/+json",
        ] {
            assert!(of(json), "{json}");
        }
        for other in ["", "text/plain", "application/x-www-form-urlencoded", "application/", "text/json"] {
            assert!(!of(other), "{other}");
        }
    }
}
