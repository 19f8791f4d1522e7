//! What stands around every page.

use askama::Template;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;

use super::html;
use crate::dashboard::access::{self, Viewer};
use crate::dashboard::assets::ASSETS;
use crate::dashboard::desk::Sheet;
use crate::dashboard::{FLEET, words};
use crate::readable::Figures;

/// The header by which our script asks for a page again.
pub(in crate::dashboard) const UPDATE_HEADER: &str = "x-cabinwatch-update";
/// The cookie in which the script keeps whether somebody wants it light or dark.
const THEME_COOKIE: &str = "cabinwatch_theme";
/// Facts so old are worth a warning.
const OLD_SECONDS: i64 = 60;

/// What stands around a page.
pub(in crate::dashboard) struct Frame {
    pub(super) title: String,
    /// `light`, `dark`, or empty for what the browser prefers.
    pub(super) theme: &'static str,
    pub(super) viewer: Option<String>,
    pub(super) can_log_out: bool,
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    pub(super) icon: &'static str,
    pub(super) fleet: &'static str,
    pub(super) read: Option<ReadView>,
    /// The aircraft whose changes matter to the page; `*` for all, empty where nothing changes.
    pub(super) follows: String,
    pub(super) now: UnixSeconds,
}

/// When the facts were read.
pub(super) struct ReadView {
    pub instant: UnixSeconds,
    pub time: String,
    pub warning: Option<String>,
}

impl Frame {
    /// Around a page that shows facts, and follows them.
    pub fn live(headers: &HeaderMap, viewer: &Viewer, title: &str, sheet: &Sheet, now: UnixSeconds) -> Self {
        let age = now.0.saturating_sub(sheet.read.0);
        let old = || format!("This is how it was {}", words::ago(sheet.read, now));
        let warning = match (sheet.is_failing, age > OLD_SECONDS) {
            (true, _) => Some(format!("{}: the tables cannot be read; the server's log says why.", old())),
            (false, true) => Some(format!("{}: reading the tables takes long.", old())),
            (false, false) => None,
        };
        let read = ReadView { instant: sheet.read, time: Figures::time(sheet.read), warning };
        let mut frame = Self::of(headers, Some(viewer), title);
        (frame.read, frame.now) = (Some(read), now);
        "*".clone_into(&mut frame.follows);
        frame
    }

    /// Only this aircraft's changes matter.
    pub fn of_tail(mut self, tail: &Tail) -> Self {
        self.follows = tail.to_string();
        self
    }

    /// Around a page without facts.
    pub fn of(headers: &HeaderMap, viewer: Option<&Viewer>, title: &str) -> Self {
        Self {
            title: title.to_owned(),
            theme: match access::cookie(headers, THEME_COOKIE) {
                Some("light") => "light",
                Some("dark") => "dark",
                _ => "",
            },
            viewer: viewer.map(|viewer| viewer.name.clone()),
            can_log_out: viewer.is_some_and(|viewer| viewer.session.is_some()),
            style: &ASSETS.style.path,
            script: &ASSETS.script.path,
            icon: &ASSETS.icon.path,
            fleet: FLEET,
            read: None,
            follows: String::new(),
            now: UnixSeconds(0),
        }
    }
}

/// A page that says only one thing.
pub(in crate::dashboard) struct Notice {
    /// The answer's status.
    pub status: StatusCode,
    /// What it is, in a few words.
    pub title: &'static str,
    /// What it is, in a sentence.
    pub text: String,
}

#[derive(Template)]
#[template(path = "dashboard/notice.html")]
struct NoticePage<'a> {
    frame: Frame,
    text: &'a str,
}

/// Says one thing.
pub(in crate::dashboard) fn notice(
    headers: &HeaderMap,
    viewer: Option<&Viewer>,
    notice: &Notice,
) -> Response {
    let page = NoticePage { frame: Frame::of(headers, viewer, notice.title), text: &notice.text };
    html(notice.status, &page)
}
