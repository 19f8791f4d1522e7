//! The OpenAPI document, made from the code, and the page to read it and try it.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{batch, event, router};

/// Nothing from elsewhere, nothing inline, and nobody may put the page into theirs.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                           img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Cabinwatch scoring API",
        description = "Scores network events by an isolation forest.",
    ),
    paths(router::root, event::score_event, batch::score_events),
    tags(
        (name = "scoring", description = "Events in, verdicts out"),
        (name = "health", description = "Whether the API is there"),
    ),
    modifiers(&Keys),
)]
struct Document;

struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let header = ApiKeyValue::with_description("X-API-Key", "A key that the operator gave out.");
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::ApiKey(ApiKey::Header(header)));
    }
}

/// The document as it is served, and committed as `docs/openapi.json`.
pub(super) fn document() -> String {
    let mut text = Document::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// The document and its page.
pub(super) fn router() -> Router {
    let text: axum::body::Bytes = document().into();
    let header = |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    Router::new()
        .route("/openapi.json", get(async move || file("application/json", text)))
        .route("/docs", get(async || file("text/html; charset=utf-8", include_str!("page/page.html"))))
        .route("/docs/page.css", get(async || file("text/css", include_str!("page/page.css"))))
        .route("/docs/page.js", get(async || file("text/javascript", include_str!("page/page.js"))))
        .layer(header(header::CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(header::CACHE_CONTROL, "no-cache"))
}

fn file(kind: &'static str, text: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE=1 cargo test --workspace --lib openapi` writes it anew.
    #[test]
    fn the_committed_document_is_the_one_that_is_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, document()).expect("written");
        }
        let committed = std::fs::read_to_string(path).expect("docs/openapi.json");
        assert_eq!(committed, document(), "docs/openapi.json is not what the code says; see this test");
    }
}
