//! Who may look.
//!
//! Either somebody logs in with one of the API's keys, and the browser gets a session that is not the key; or a proxy
//! that we trust has let them in, and says who it is in a header. Pages change nothing, so that no page of others can
//! do harm with a session; the login itself takes no request from another site.

mod attempts;
mod sessions;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::connect_info::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName, header};

pub(super) use attempts::Attempts;
pub(super) use sessions::{SESSION_SECONDS, SessionId, Sessions};

/// The session's cookie.
const COOKIE: &str = "cabinwatch_session";
/// Characters of a user's name that are shown.
const MAX_NAME_CHARS: usize = 64;

/// Finds the name of a presented key; none for a key that nobody has. It must take the same time for all of them.
pub type NameOfKey = Arc<dyn Fn(&[u8]) -> Option<String> + Send + Sync>;

/// A proxy that lets people in before they come here.
#[derive(Clone)]
pub struct TrustedProxy {
    /// The header in which it names them.
    pub header: HeaderName,
    /// Whether a peer is such a proxy. What others say in that header counts nothing.
    pub is_trusted: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
}

/// Decides who may look. Clones share sessions and counts.
#[derive(Clone)]
pub(super) struct Access {
    name_of_key: NameOfKey,
    proxy: Option<TrustedProxy>,
    secure: bool,
    sessions: Arc<Sessions>,
    attempts: Arc<Attempts>,
}

/// Somebody who may look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Viewer {
    /// The key's name, or what the proxy says.
    pub name: String,
    /// The session, where there is one that can be ended.
    pub session: Option<SessionId>,
}

/// Why a login failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoginRefused {
    /// Nobody has that key.
    WrongKey,
    /// There were too many wrong ones lately.
    TooMany,
}

impl Access {
    pub fn new(name_of_key: NameOfKey, proxy: Option<TrustedProxy>, secure: bool) -> Self {
        let (sessions, attempts) = (Arc::default(), Arc::default());
        Self { name_of_key, proxy, secure, sessions, attempts }
    }

    /// Who sent a request; none for somebody who may not look.
    pub fn viewer(&self, parts: &Parts) -> Option<Viewer> {
        if let Some(name) = self.proxied(parts) {
            return Some(Viewer { name, session: None });
        }
        let session = session(&parts.headers)?;
        let name = self.sessions.name_of(&session, Instant::now())?;
        Some(Viewer { name, session: Some(session) })
    }

    fn proxied(&self, parts: &Parts) -> Option<String> {
        let proxy = self.proxy.as_ref()?;
        if !(proxy.is_trusted)(peer(&parts.extensions)) {
            return None;
        }
        let mut named = parts.headers.get_all(&proxy.header).iter();
        let name = named.next()?.to_str().ok()?.trim();
        // Two names are a proxy that adds its header to one that somebody brought along.
        if name.is_empty() || named.next().is_some() {
            return None;
        }
        Some(name.chars().take(MAX_NAME_CHARS).collect())
    }

    /// Begins a session for whoever has a key; returns the `Set-Cookie` for it.
    pub fn log_in(&self, key: &str, peer: IpAddr) -> Result<String, LoginRefused> {
        let now = Instant::now();
        if !self.attempts.may_try(peer, now) {
            return Err(LoginRefused::TooMany);
        }
        let Some(name) = (self.name_of_key)(key.trim().as_bytes()) else {
            self.attempts.failed(peer, now);
            return Err(LoginRefused::WrongKey);
        };
        // Without randomness there are no sessions; that is worth a moment of the same words.
        let session = self.sessions.begin(name, now).ok_or(LoginRefused::TooMany)?;
        Ok(self.cookie(session.as_str(), SESSION_SECONDS))
    }

    /// Ends a session; returns the `Set-Cookie` that makes the browser forget it.
    pub fn log_out(&self, viewer: &Viewer) -> String {
        if let Some(session) = &viewer.session {
            self.sessions.end(session);
        }
        self.cookie("", 0)
    }

    fn cookie(&self, value: &str, seconds: u64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
    }
}

/// Whose connection it is; nobody's where the server does not say.
pub(super) fn peer(extensions: &Extensions) -> IpAddr {
    let address = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
    address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.to_canonical())
}

fn session(headers: &HeaderMap) -> Option<SessionId> {
    SessionId::parse(cookie(headers, COOKIE)?)
}

/// The value of a cookie.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}
