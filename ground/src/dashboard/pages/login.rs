//! The login.

use askama::Template;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::{Frame, html};
use crate::dashboard::access::LoginRefused;

#[derive(Template)]
#[template(path = "dashboard/login.html")]
struct LoginPage<'a> {
    frame: Frame,
    next: &'a str,
    refused: Option<&'static str>,
}

/// Asks for a key, and says what was wrong with the last one.
pub(in crate::dashboard) fn page(headers: &HeaderMap, next: &str, refused: Option<LoginRefused>) -> Response {
    let (status, refused) = match refused {
        None => (StatusCode::OK, None),
        Some(LoginRefused::WrongKey) => (StatusCode::UNAUTHORIZED, Some("That is no key of this server.")),
        Some(LoginRefused::TooMany) => (
            StatusCode::TOO_MANY_REQUESTS,
            Some("There were too many wrong keys from your address. Try again in ten minutes."),
        ),
    };
    html(status, &LoginPage { frame: Frame::of(headers, None, "Log in"), next, refused })
}
