//! `/live`: browsers learn that something changed, and ask for their page again.
//!
//! One watcher looks at the fleet for all of them, and only while there are any. It tells which aircraft changed; what
//! changed, each browser finds in its page.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use futures::stream::{self, Stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio::time::Instant;

use super::desk::Desk;
use super::facts::{Answer, FleetFacts, Question};
use super::parameters::Votes;
use super::period::{Period, Span};

/// Browsers that may listen at a time.
const MAX_LISTENERS: usize = 256;
/// How often the watcher looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A comment so often, so that proxies keep the line, and so that a browser that is gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// After so long a browser must come again, and show again that it may.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// How long a browser waits before it comes again, in milliseconds.
const RETRY_MILLIS: u64 = 3000;
/// Changes kept for browsers that read slowly; one that is farther behind is told that everything changed.
const CHANGES: usize = 16;
/// Aircraft named in one change; where there are more, everything changed.
const MAX_NAMED: usize = 40;
/// What the watcher looks at: short, so that it costs little; whatever comes in shows in it.
const LOOKED_AT: Question = Question::Fleet { period: Period::Last(Span::Day), votes: Votes::Confirmed };

/// Those who listen, and what they are told.
#[derive(Clone)]
pub(super) struct Live {
    changes: broadcast::Sender<Change>,
    /// When the last change was seen, for who comes after it was told.
    last: Arc<AtomicI64>,
    room: Arc<Semaphore>,
    stopped: watch::Receiver<bool>,
}

/// Something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    /// When it was seen.
    at: UnixSeconds,
    /// The aircraft that changed; none for too many to name.
    tails: Option<Vec<Tail>>,
}

impl Live {
    /// Starts the watcher, which ends when the process stops or nobody can listen any more.
    pub fn start(desk: Desk, stopped: watch::Receiver<bool>) -> Self {
        let (changes, _) = broadcast::channel(CHANGES);
        let room = Arc::new(Semaphore::new(MAX_LISTENERS));
        let live = Self { changes, last: Arc::default(), room, stopped };
        let watching = live.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = watch_tables(desk, &watching) => {}
                () = has_stopped(watching.stopped.clone()) => {}
            }
        });
        live
    }

    /// Lets a browser listen.
    pub fn listen(&self) -> Response {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            let later = [(header::RETRY_AFTER, "30")];
            return (StatusCode::SERVICE_UNAVAILABLE, later, "too many listen already").into_response();
        };
        let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
        Sse::new(self.events(permit)).keep_alive(keep_alive).into_response()
    }

    fn events(&self, permit: OwnedSemaphorePermit) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
        let listener = Listener {
            changes: self.changes.subscribe(),
            last: Arc::clone(&self.last),
            stopped: self.stopped.clone(),
            until: Instant::now() + LONGEST,
            greeted: false,
            _permit: permit,
        };
        stream::unfold(listener, |mut listener| async move {
            let event = listener.next().await?;
            Some((Ok(event), listener))
        })
    }
}

struct Listener {
    changes: broadcast::Receiver<Change>,
    last: Arc<AtomicI64>,
    stopped: watch::Receiver<bool>,
    until: Instant,
    greeted: bool,
    _permit: OwnedSemaphorePermit,
}

impl Listener {
    /// What to tell next; none when it is over.
    async fn next(&mut self) -> Option<Event> {
        if !self.greeted {
            self.greeted = true;
            let hello = Event::default().event("hello").retry(Duration::from_millis(RETRY_MILLIS));
            // A page may be older than the last change, of which nobody told this browser.
            let last = self.last.load(Ordering::Acquire);
            return Some(hello.data(serde_json::json!({ "at": last }).to_string()));
        }
        tokio::select! {
            change = self.changes.recv() => match change {
                Ok(change) => Some(change.event()),
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    Some(everything(UnixSeconds(self.last.load(Ordering::Acquire))))
                }
                Err(broadcast::error::RecvError::Closed) => None,
            },
            () = has_stopped(self.stopped.clone()) => None,
            () = tokio::time::sleep_until(self.until) => None,
        }
    }
}

impl Change {
    fn event(&self) -> Event {
        match &self.tails {
            Some(tails) => {
                let tails: Vec<&str> = tails.iter().map(Tail::as_str).collect();
                let data = serde_json::json!({ "at": self.at.0, "tails": tails });
                Event::default().event("change").data(data.to_string())
            }
            None => everything(self.at),
        }
    }
}

fn everything(at: UnixSeconds) -> Event {
    let data = serde_json::json!({ "at": at.0, "tails": "*" });
    Event::default().event("change").data(data.to_string())
}

async fn has_stopped(mut stopped: watch::Receiver<bool>) {
    // Whoever could say so is gone: that is a stop too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn watch_tables(desk: Desk, live: &Live) {
    let mut seen: Option<HashMap<Tail, u64>> = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if live.changes.receiver_count() == 0 {
            continue;
        }
        let Ok(sheet) = desk.ask(&LOOKED_AT).await else { continue };
        let Answer::Fleet(facts) = &*sheet.answer else { continue };
        let now = fingerprints(facts);
        // What changed while nobody listened counts too: it may be newer than the page of whoever listens now.
        let tails = match &seen {
            Some(before) if *before == now => continue,
            Some(before) => changed(before, &now),
            None => None,
        };
        live.last.store(facts.read.0, Ordering::Release);
        // Nobody listening is no error.
        let _ = live.changes.send(Change { at: facts.read, tails });
        seen = Some(now);
    }
}

fn changed(before: &HashMap<Tail, u64>, now: &HashMap<Tail, u64>) -> Option<Vec<Tail>> {
    let gone = before.keys().filter(|tail| !now.contains_key(*tail));
    let other = now.iter().filter(|(tail, print)| before.get(*tail) != Some(*print)).map(|(tail, _)| tail);
    let mut tails: Vec<Tail> = gone.chain(other).cloned().collect();
    tails.sort_unstable();
    (tails.len() <= MAX_NAMED).then_some(tails)
}

/// A number for each aircraft that is another when anything of it is.
fn fingerprints(facts: &FleetFacts) -> HashMap<Tail, u64> {
    let prints = facts.members.iter().map(|member| {
        let mut hasher = DefaultHasher::new();
        let record = &member.record;
        (record.last_contact, record.online, record.next_contact, record.model, record.stream)
            .hash(&mut hasher);
        (member.committed, member.waiting.frames, &member.lost).hash(&mut hasher);
        for episode in facts.episodes_of(&record.tail) {
            (episode.begin, episode.end, episode.windows, episode.counts.fail, episode.standing)
                .hash(&mut hasher);
        }
        (record.tail.clone(), hasher.finish())
    });
    prints.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prints(of: &[(&str, u64)]) -> HashMap<Tail, u64> {
        of.iter().map(|(tail, print)| (tail.parse().expect("a tail"), *print)).collect()
    }

    #[test]
    fn those_that_changed_came_or_went_are_named() {
        let before = prints(&[("A", 1), ("B", 2), ("C", 3)]);
        let now = prints(&[("A", 1), ("B", 9), ("D", 4)]);
        let named = changed(&before, &now).expect("few");
        assert_eq!(named.iter().map(Tail::as_str).collect::<Vec<_>>(), ["B", "C", "D"]);
    }

    #[test]
    fn too_many_to_name_are_everything() {
        let many: HashMap<Tail, u64> =
            (0..=MAX_NAMED).map(|number| (format!("T{number}").parse().expect("a tail"), 1)).collect();
        assert_eq!(changed(&HashMap::new(), &many), None);
    }
}
