//! Sessions, in memory: a restart ends them, and so does logging out.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;

/// How long a session lasts: a shift.
pub(in crate::dashboard) const SESSION_SECONDS: u64 = 12 * 3600;
/// Sessions at a time; for a new one the oldest goes.
const MAX_SESSIONS: usize = 1024;
/// Random bytes of a session's name.
const ID_BYTES: usize = 32;
/// The same as text.
const ID_CHARS: usize = 43;

/// A session's name: 256 random bits, so that looking it up gives nothing away.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(in crate::dashboard) struct SessionId(String);

/// Whoever has the name has the session.
impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionId(..)")
    }
}

impl SessionId {
    /// One that nobody has; none where the system has no randomness.
    fn new() -> Option<Self> {
        let mut bytes = [0; ID_BYTES];
        getrandom::fill(&mut bytes).ok()?;
        Some(Self(BASE64URL_NOPAD.encode(&bytes)))
    }

    /// Reads a cookie's value.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (text.len() == ID_CHARS && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Everybody's sessions.
#[derive(Debug, Default)]
pub(in crate::dashboard) struct Sessions(Mutex<HashMap<SessionId, Session>>);

#[derive(Debug)]
struct Session {
    name: String,
    until: Instant,
}

impl Sessions {
    /// Begins a session.
    pub fn begin(&self, name: String, now: Instant) -> Option<SessionId> {
        let id = SessionId::new()?;
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.until > now);
        if sessions.len() >= MAX_SESSIONS {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.until).map(|(id, _)| id.clone());
            if let Some(oldest) = oldest {
                sessions.remove(&oldest);
            }
        }
        sessions.insert(id.clone(), Session { name, until: now + Duration::from_secs(SESSION_SECONDS) });
        Some(id)
    }

    /// Whose session it is; none where it is over.
    pub fn name_of(&self, id: &SessionId, now: Instant) -> Option<String> {
        let sessions = self.lock();
        sessions.get(id).filter(|session| session.until > now).map(|session| session.name.clone())
    }

    /// Ends a session.
    pub fn end(&self, id: &SessionId) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_with_its_time_and_by_logging_out() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let ours = sessions.begin("ops".to_owned(), now).expect("random");
        let other = sessions.begin("ops".to_owned(), now).expect("random");
        assert_ne!(ours, other);
        assert_eq!(sessions.name_of(&ours, now).as_deref(), Some("ops"));
        assert_eq!(SessionId::parse(ours.as_str()), Some(ours.clone()));
        sessions.end(&ours);
        assert_eq!(sessions.name_of(&ours, now), None);
        assert_eq!(sessions.name_of(&other, now + Duration::from_secs(SESSION_SECONDS)), None);
    }

    #[test]
    fn the_oldest_goes_where_there_are_too_many() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let first = sessions.begin("first".to_owned(), now).expect("random");
        for later in 1..=MAX_SESSIONS {
            let at = now + Duration::from_millis(later as u64);
            sessions.begin("later".to_owned(), at).expect("random");
        }
        assert_eq!(sessions.name_of(&first, now), None);
        assert_eq!(sessions.lock().len(), MAX_SESSIONS);
    }

    #[test]
    fn what_is_no_sessions_name_is_refused() {
        for text in ["", "short", "ä", &"a".repeat(ID_CHARS + 1), &"/".repeat(ID_CHARS)] {
            assert_eq!(SessionId::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_sessions_name_is_never_printed() {
        let id = SessionId::new().expect("random");
        assert!(!format!("{id:?}").contains(id.as_str()));
    }
}
