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
    /// No model is loaded.
    NoModel,
    /// The body has more bytes than this.
    TooManyBytes(usize),
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
    const fn status(self) -> StatusCode {
        match self {
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooFast(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoModel => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooManyBytes(_) => StatusCode::PAYLOAD_TOO_LARGE,
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
            Self::NoModel => "Model not loaded".to_owned(),
            Self::TooManyBytes(limit) => format!("The body has more than {limit} bytes"),
            Self::TooSlow => "The body did not arrive in time".to_owned(),
            Self::Broken => "The body broke off".to_owned(),
            Self::NotFound => "Not Found".to_owned(),
            Self::MethodNotAllowed => "Method Not Allowed".to_owned(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(json!({ "detail": self.detail() }))).into_response();
        if let Self::TooFast(wait) = self {
            // Whole seconds, and not too few of them.
            let seconds = wait.as_secs().saturating_add(1);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
