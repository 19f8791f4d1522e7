//! Which path leads where.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::refusal::Refusal;
use super::schema::Live;
use super::score::Api;
use super::{batch, event, openapi};

/// What clients of today ask for to learn whether the API is there.
const LIVE: &str = "AIOps Network Anomaly Detection API is live";

/// The API, and the pages for people, if there are any.
pub(super) fn router(api: Arc<Api>, pages: Option<Router>) -> Router {
    let home = Home(if pages.is_some() { "/fleet" } else { "/docs" });
    let (missing, wrong_method) = (api.monitor.clone(), api.monitor.clone());
    let refuse = |monitor: super::monitor::Monitor, refusal| {
        monitor.refused(refusal);
        refusal
    };
    let routes = Router::new()
        .route("/event", post(event::score_event))
        .route("/events", post(batch::score_events))
        .with_state(api)
        .route("/", get(root).with_state(home))
        .merge(openapi::router())
        .merge(pages.unwrap_or_default());
    routes
        .method_not_allowed_fallback(async move || refuse(wrong_method, Refusal::MethodNotAllowed))
        .fallback(async move || refuse(missing, Refusal::NotFound))
}

/// The page that people are sent to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Home(&'static str);

/// Whether the API is there
///
/// Needs no key. People, whose browsers accept `text/html`, are sent to a page instead.
#[utoipa::path(
    get,
    path = "/",
    operation_id = "root",
    tag = "health",
    responses(
        (status = 200, description = "It is", body = Live),
        (status = 307, description = "To the page for people", headers(("Location" = String))),
    )
)]
pub(super) async fn root(State(Home(page)): State<Home>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let answer = if accept.contains("text/html") {
        Redirect::temporary(page).into_response()
    } else {
        (StatusCode::OK, Json(Live { message: LIVE })).into_response()
    };
    ([(header::VARY, "Accept")], answer).into_response()
}
