//! Answers for programs.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A JSON document on a line of its own, so that a terminal shows it well.
pub(crate) fn json(status: StatusCode, value: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{value}\n")).into_response()
}
