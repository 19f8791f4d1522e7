//! A dashboard with tables of its own.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode, header};
use cabinwatch_shared::time::UnixSeconds;
use tempfile::TempDir;
use tokio::sync::watch;
use tower::util::ServiceExt;
use url::Url;

use crate::config::TablesConfig;
use crate::dashboard::{Parts, TrustedProxy, router};
use crate::tables::{self, Tables};

/// 2026-11-21T08:10:00Z, the present of every test.
pub(super) const NOW: UnixSeconds = UnixSeconds(1_795_248_600);
/// The key that lets in.
pub(super) const KEY: &str = "a key that nobody guesses";
/// The proxy that lets in.
pub(super) const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// Somebody else.
pub(super) const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9));
const LARGEST_BODY: usize = 8 << 20;

pub(super) struct Site {
    pub tables: Box<dyn Tables>,
    pub stop: watch::Sender<bool>,
    pub router: Router,
    _folder: TempDir,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Site {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = Url::from_file_path(folder.path().join("tables.db")).expect("absolute");
        let url = file.as_str().replacen("file:", "sqlite:", 1);
        let tables = tables::open(&url, &TablesConfig::default()).expect("tables");
        let (stop, stopped) = watch::channel(false);
        let parts = Parts {
            open_tables: Box::new(move || tables::open_to_read(&url, &TablesConfig::default())),
            name_of_key: Arc::new(|key| (key == KEY.as_bytes()).then(|| "operations".to_owned())),
            proxy: Some(TrustedProxy {
                header: "x-forwarded-user".parse().expect("a header"),
                is_trusted: Arc::new(|peer| peer == PROXY),
            }),
            secure: true,
            stopped,
            clock: Arc::new(|| NOW),
        };
        Self { tables, stop, router: router(parts).expect("started"), _folder: folder }
    }

    /// Somebody whom the proxy let in looks at a page.
    pub async fn get(&self, path: &str) -> Answer {
        self.answer(Self::proxied(path).body(Body::empty()).expect("a request")).await
    }

    /// The same page as text; it must be one.
    pub async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        answer.text
    }

    pub fn proxied(path: &str) -> axum::http::request::Builder {
        Request::get(path)
            .header("x-forwarded-user", "ayse")
            .extension(ConnectInfo(SocketAddr::from((PROXY, 40_000))))
    }

    pub fn from_stranger(path: &str) -> axum::http::request::Builder {
        Request::get(path).extension(ConnectInfo(SocketAddr::from((STRANGER, 40_000))))
    }

    pub fn login(key: &str, next: &str) -> Request<Body> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let form = form.append_pair("key", key).append_pair("next", next).finish();
        Request::post("/login")
            .extension(ConnectInfo(SocketAddr::from((STRANGER, 40_000))))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form))
            .expect("a request")
    }

    pub async fn answer(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let (head, body) = response.into_parts();
        let bytes = to_bytes(body, LARGEST_BODY).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Answer { status: head.status, headers: head.headers, text }
    }
}

impl Answer {
    pub fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
