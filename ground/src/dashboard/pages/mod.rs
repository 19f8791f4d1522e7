//! The pages: facts put into words, and into markup by the templates, which escape every text.

mod aircraft;
mod anomaly;
mod filter;
mod fleet;
mod frame;
mod list;
mod login;

pub(super) use aircraft::page as aircraft;
pub(super) use anomaly::page as anomaly;
pub(super) use fleet::page as fleet;
pub(super) use frame::{Frame, Notice, UPDATE_HEADER, notice};
pub(super) use login::page as login;

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A rendered page.
fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot write a page of the dashboard");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
