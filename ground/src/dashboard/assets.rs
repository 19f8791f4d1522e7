//! Style, script and icon. Their names hold a hash of what is in them, so that browsers may keep them for good.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::tables::fnv1a;

/// A file that pages refer to.
pub(super) struct Asset {
    /// Its path, with the hash.
    pub path: String,
    content_type: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(name: &str, extension: &str, content_type: &'static str, text: &'static str) -> Self {
        let hash = fnv1a(text.as_bytes());
        Self { path: format!("/assets/{name}-{hash:016x}.{extension}"), content_type, text }
    }
}

#[cfg(test)]
impl Asset {
    /// Its bytes.
    pub const fn len(&self) -> usize {
        self.text.len()
    }
}

/// All of them.
pub(super) struct Assets {
    pub style: Asset,
    pub script: Asset,
    pub icon: Asset,
}

pub(super) static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    style: Asset::new(
        "app",
        "css",
        "text/css; charset=utf-8",
        include_str!("../../templates/dashboard/app.css"),
    ),
    script: Asset::new(
        "app",
        "js",
        "text/javascript; charset=utf-8",
        include_str!("../../templates/dashboard/app.js"),
    ),
    icon: Asset::new("icon", "svg", "image/svg+xml", include_str!("../../templates/dashboard/icon.svg")),
});

/// Answers with an asset. An old name, of before an update, is not found: its page is old too.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    let Assets { style, script, icon } = &*ASSETS;
    let found =
        [style, script, icon].into_iter().find(|asset| asset.path.strip_prefix("/assets/") == Some(&name));
    match found {
        Some(asset) => {
            let headers = [
                (header::CONTENT_TYPE, asset.content_type),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, asset.text).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
