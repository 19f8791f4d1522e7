//! Why a request gets no verdict, as its client reads it.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request gets no verdict. What is wrong with an event itself is no refusal, but an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No key, or a wrong one.
    Forbidden,
    /// The key has had its share; it gets more after this time.
    TooFast(Duration),
    /// Others have their batches scored, and it took too long.
    Busy,
    /// No model is loaded.
    NoModel,
    /// The body has more bytes than this.
    TooManyBytes(usize),
    /// The body has more lines than this.
    TooManyLines(u32),
    /// A line of the body has more bytes than this.
    LongLine(usize),
    /// The body is no NDJSON.
    NotLines,
    /// The body did not arrive in time.
    TooSlow,
    /// The client broke off its body.
    Broken,
    /// There is nothing at this path.
    NotFound,
    /// There is, but not for this method.
    MethodNotAllowed,
}

impl Refusal {
    /// What they are called in metrics.
    pub(super) const REASONS: [&'static str; 8] = [
        "forbidden",
        "rate_limit",
        "busy",
        "no_model",
        "too_large",
        "media_type",
        "slow_or_broken_body",
        "not_found",
    ];

    /// Its place among the reasons.
    pub(super) const fn reason(self) -> usize {
        match self {
            Self::Forbidden => 0,
            Self::TooFast(_) => 1,
            Self::Busy => 2,
            Self::NoModel => 3,
            Self::TooManyBytes(_) | Self::TooManyLines(_) | Self::LongLine(_) => 4,
            Self::NotLines => 5,
            Self::TooSlow | Self::Broken => 6,
            Self::NotFound | Self::MethodNotAllowed => 7,
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooFast(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::NoModel => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooManyBytes(_) | Self::TooManyLines(_) | Self::LongLine(_) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::NotLines => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    fn detail(self) -> String {
        match self {
            Self::Forbidden => "Invalid or missing API key".to_owned(),
            Self::TooFast(_) => "Too many events for this key; wait as Retry-After says".to_owned(),
            Self::Busy => "Too many batches at a time; wait as Retry-After says".to_owned(),
            Self::NoModel => "Model not loaded".to_owned(),
            Self::TooManyBytes(limit) => format!("The body has more than {limit} bytes"),
            Self::TooManyLines(limit) => format!("The body has more than {limit} lines"),
            Self::LongLine(limit) => format!("A line has more than {limit} bytes"),
            Self::NotLines => {
                "The body must be one event a line, with Content-Type: application/x-ndjson".to_owned()
            }
            Self::TooSlow => "The body did not arrive in time".to_owned(),
            Self::Broken => "The body broke off".to_owned(),
            Self::NotFound => "Not Found".to_owned(),
            Self::MethodNotAllowed => "Method Not Allowed".to_owned(),
        }
    }

    /// How many whole seconds a client should wait, and not too few of them.
    fn retry_after(self) -> Option<u64> {
        match self {
            Self::TooFast(wait) => Some(wait.as_secs().saturating_add(1)),
            Self::Busy => Some(1),
            _ => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(json!({ "detail": self.detail() }))).into_response();
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
