//! One reader for many browsers.
//!
//! Tables block, and one connection serves one thread. So a single thread reads them, questions wait for it in a
//! bounded queue, and answers lie on a shelf where everybody who asks the same finds them. A page waits a moment for
//! a fresh answer; where the database is slow it gets the last one, and says how old that is.

use std::collections::HashMap;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use cabinwatch_shared::time::UnixSeconds;
use tokio::sync::watch;

use super::facts::{Answer, Question};
use super::{Clock, OpenTables};
use crate::tables::{Tables, TablesError};

/// An answer is as good as new for so long.
const FRESH: Duration = Duration::from_secs(2);
/// Reading takes at most one part in so many of the reader's time for one question: an answer that took long to read
/// stays good for longer.
const REST: u32 = 5;
/// How long a page waits for a better answer than the one there is.
const PATIENCE_WITH_ANSWER: Duration = Duration::from_millis(1500);
/// How long a page waits where there is none at all.
const PATIENCE: Duration = Duration::from_secs(10);
/// Questions that may wait for the reader.
const MAX_WAITING: usize = 64;
/// Answers on the shelf. The largest, a fleet with all its alarms, takes some ten megabytes.
const MAX_ANSWERS: usize = 48;

/// An answer with its age.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    /// What the tables said.
    pub answer: Arc<Answer>,
    /// When they said it, by the wall clock.
    pub read: UnixSeconds,
    /// Whether a later attempt to read failed.
    pub is_failing: bool,
    finished: Instant,
    took: Duration,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAnswer {
    /// They are being read, but it takes long.
    #[error("the tables have not answered yet")]
    Slow,
    /// They can't be read.
    #[error("the tables cannot be read")]
    Failed,
    /// Too many questions wait.
    #[error("too many questions wait for the tables")]
    Busy,
}

/// Where the pages ask. Clones share it.
#[derive(Clone)]
pub(super) struct Desk {
    shelf: Arc<Mutex<Shelf>>,
    questions: SyncSender<Question>,
}

/// What was said of a question so far.
#[derive(Clone, Debug, Default)]
struct Place {
    sheet: Option<Sheet>,
    /// Attempts that are finished.
    attempts: u64,
    has_failed: bool,
}

struct Slot {
    place: watch::Sender<Place>,
    is_waiting: bool,
    asked: Instant,
}

#[derive(Default)]
struct Shelf {
    slots: HashMap<Question, Slot>,
}

impl Desk {
    /// Starts the reader. It ends when the last clone is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(open: OpenTables, clock: Clock) -> std::io::Result<Self> {
        let (questions, waiting) = mpsc::sync_channel(MAX_WAITING);
        let shelf = Arc::new(Mutex::new(Shelf::default()));
        let reader = Reader { open, clock, tables: None, shelf: Arc::clone(&shelf), is_failing: false };
        thread::Builder::new().name("dashboard".to_owned()).spawn(move || reader.run(&waiting))?;
        Ok(Self { shelf, questions })
    }

    /// The answer to a question: a fresh one, or the last one where a fresh one takes long.
    pub async fn ask(&self, question: &Question) -> Result<Sheet, NoAnswer> {
        let (mut place, attempts) = {
            let mut shelf = lock(&self.shelf);
            let slot = shelf.slot(question);
            let place = slot.place.subscribe();
            let now = Instant::now();
            slot.asked = now;
            if let Some(sheet) = &place.borrow().sheet
                && sheet.is_fresh(now)
            {
                return Ok(sheet.clone());
            }
            if !slot.is_waiting {
                slot.is_waiting = self.questions.try_send(question.clone()).is_ok();
            }
            if !slot.is_waiting {
                return place.borrow().sheet.clone().ok_or(NoAnswer::Busy);
            }
            let attempts = place.borrow().attempts;
            (place, attempts)
        };
        let patience = if place.borrow().sheet.is_some() { PATIENCE_WITH_ANSWER } else { PATIENCE };
        // Times out, or the slot was cleared away: then what is there will do.
        let _ = tokio::time::timeout(patience, place.wait_for(|place| place.attempts > attempts)).await;
        let place = place.borrow();
        match (&place.sheet, place.has_failed) {
            (Some(sheet), is_failing) => Ok(Sheet { is_failing, ..sheet.clone() }),
            (None, true) => Err(NoAnswer::Failed),
            (None, false) => Err(NoAnswer::Slow),
        }
    }
}

impl Sheet {
    fn is_fresh(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.finished);
        age < FRESH.max(self.took.saturating_mul(REST))
    }
}

impl Shelf {
    fn slot(&mut self, question: &Question) -> &mut Slot {
        if !self.slots.contains_key(question) && self.slots.len() >= MAX_ANSWERS {
            // A question that waits keeps its place: the reader is about to put the answer there.
            let idle = self.slots.iter().filter(|(_, slot)| !slot.is_waiting);
            let oldest = idle.min_by_key(|(_, slot)| slot.asked).map(|(question, _)| question.clone());
            if let Some(oldest) = oldest {
                self.slots.remove(&oldest);
            }
        }
        self.slots.entry(question.clone()).or_insert_with(|| Slot {
            place: watch::Sender::new(Place::default()),
            is_waiting: false,
            asked: Instant::now(),
        })
    }

    fn put(&mut self, question: &Question, result: Option<Sheet>) {
        let Some(slot) = self.slots.get_mut(question) else { return };
        slot.is_waiting = false;
        slot.place.send_modify(|place| {
            place.attempts += 1;
            place.has_failed = result.is_none();
            if result.is_some() {
                place.sheet = result;
            }
        });
    }
}

fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    // Nothing that holds it can leave it half done.
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Reader {
    open: OpenTables,
    clock: Clock,
    tables: Option<Box<dyn Tables>>,
    shelf: Arc<Mutex<Shelf>>,
    is_failing: bool,
}

impl Reader {
    fn run(mut self, waiting: &Receiver<Question>) {
        while let Ok(question) = waiting.recv() {
            let started = Instant::now();
            let read = (self.clock)();
            let sheet = match self.ask(&question, read) {
                Ok(answer) => {
                    self.is_failing = false;
                    let finished = Instant::now();
                    let took = finished.saturating_duration_since(started);
                    Some(Sheet { answer: Arc::new(answer), read, is_failing: false, finished, took })
                }
                Err(error) => {
                    self.failed(&error);
                    None
                }
            };
            lock(&self.shelf).put(&question, sheet);
        }
    }

    fn ask(&mut self, question: &Question, now: UnixSeconds) -> Result<Answer, TablesError> {
        let tables = match self.tables.take() {
            Some(tables) => tables,
            None => (self.open)()?,
        };
        let answer = question.ask(&*tables, now)?;
        // Tables that failed are opened anew; these did not.
        self.tables = Some(tables);
        Ok(answer)
    }

    /// Said once, until it works again: pages are asked for every few seconds.
    fn failed(&mut self, error: &TablesError) {
        if !self.is_failing {
            tracing::warn!(%error, "the dashboard cannot read the tables; it shows what it read last");
        }
        self.is_failing = true;
    }
}
