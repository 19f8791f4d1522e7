//! Which path leads where.

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde_json::json;

use super::refusal::Refusal;
use crate::http::json;

/// What clients of today ask for to learn whether the API is there.
const LIVE: &str = "AIOps Network Anomaly Detection API is live";

/// The API, and the pages for people, if there are any.
pub(super) fn router(pages: Option<Router>) -> Router {
    let home = if pages.is_some() { "/fleet" } else { "/docs" };
    let api = Router::new()
        .route("/", get(move |headers| root(headers, home)))
        .method_not_allowed_fallback(async || Refusal::MethodNotAllowed);
    let all = match pages {
        Some(pages) => api.merge(pages),
        None => api,
    };
    all.fallback(async || Refusal::NotFound)
}

/// Programs get today's words, and people the page that is made for them.
async fn root(headers: HeaderMap, home: &'static str) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let answer = if accept.contains("text/html") {
        Redirect::temporary(home).into_response()
    } else {
        json(StatusCode::OK, &json!({ "message": LIVE }))
    };
    ([(header::VARY, "Accept")], answer).into_response()
}
