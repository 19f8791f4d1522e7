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
/// Answers on the shelf.
const MAX_ANSWERS: usize = 48;
/// What they take together, about: a fleet with all its alarms may be tens of megabytes. The newest answer stays,
/// whatever it takes.
const MAX_BYTES: usize = 64 << 20;

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
    /// What its answer takes, about.
    bytes: usize,
}

struct Shelf {
    slots: HashMap<Question, Slot>,
    max_bytes: usize,
}

impl Desk {
    /// Starts the reader. It ends when the last clone is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(open: OpenTables, clock: Clock) -> std::io::Result<Self> {
        let (questions, waiting) = mpsc::sync_channel(MAX_WAITING);
        let shelf = Arc::new(Mutex::new(Shelf::new(MAX_BYTES)));
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
    fn new(max_bytes: usize) -> Self {
        Self { slots: HashMap::new(), max_bytes }
    }

    fn slot(&mut self, question: &Question) -> &mut Slot {
        if !self.slots.contains_key(question) && self.slots.len() >= MAX_ANSWERS {
            self.remove_oldest(question);
        }
        self.slots.entry(question.clone()).or_insert_with(|| Slot {
            place: watch::Sender::new(Place::default()),
            is_waiting: false,
            asked: Instant::now(),
            bytes: 0,
        })
    }

    /// Takes away what nobody has asked for the longest, but not this one; false where there is nothing to take.
    fn remove_oldest(&mut self, but: &Question) -> bool {
        // A question that waits keeps its place: the reader is about to put the answer there.
        let idle = self.slots.iter().filter(|(question, slot)| !slot.is_waiting && *question != but);
        let oldest = idle.min_by_key(|(_, slot)| slot.asked).map(|(question, _)| question.clone());
        oldest.is_some_and(|oldest| self.slots.remove(&oldest).is_some())
    }

    fn bytes(&self) -> usize {
        self.slots.values().map(|slot| slot.bytes).sum()
    }

    fn put(&mut self, question: &Question, result: Option<Sheet>) {
        let Some(slot) = self.slots.get_mut(question) else { return };
        slot.is_waiting = false;
        if let Some(sheet) = &result {
            slot.bytes = sheet.answer.bytes();
        }
        slot.place.send_modify(|place| {
            place.attempts += 1;
            place.has_failed = result.is_none();
            if result.is_some() {
                place.sheet = result;
            }
        });
        while self.bytes() > self.max_bytes && self.remove_oldest(question) {}
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

#[cfg(test)]
mod tests {
    use cabinwatch_shared::rate::Counts;
    use cabinwatch_shared::verdict::Alarms;

    use super::*;
    use crate::dashboard::episode::episodes;
    use crate::dashboard::facts::FleetFacts;
    use crate::dashboard::parameters::Votes;
    use crate::dashboard::period::Period;
    use crate::tables::TableRow;
    use crate::tables::examples::{row, window};

    const NOW: UnixSeconds = UnixSeconds(1_795_248_600);

    /// A fleet with so many anomalies.
    fn fleet(anomalies: i64) -> Sheet {
        let alarms = Alarms { z: true, forest: true };
        let rows = (0..anomalies).map(|number| {
            let counts = Counts { fail: 60, success: 40 };
            let scored = row("DHCP", "no address", counts, alarms);
            TableRow::of(&window("TC-JJA", number * 86_400), &scored).expect("attempts")
        });
        let facts = FleetFacts {
            read: NOW,
            members: Vec::new(),
            episodes: episodes(rows, UnixSeconds(0)),
            is_cut: false,
            newest: None,
        };
        assert_eq!(facts.episodes.len() as i64, anomalies);
        Sheet {
            answer: Arc::new(Answer::Fleet(facts)),
            read: NOW,
            is_failing: false,
            finished: Instant::now(),
            took: Duration::ZERO,
        }
    }

    fn question(day: i64) -> Question {
        let (since, until) = (UnixSeconds(day * 86_400), UnixSeconds((day + 1) * 86_400));
        Question::Fleet { period: Period::Between(since, until), votes: Votes::Any }
    }

    fn put(shelf: &mut Shelf, day: i64, anomalies: i64) {
        shelf.slot(&question(day));
        shelf.put(&question(day), Some(fleet(anomalies)));
    }

    fn days(shelf: &Shelf) -> Vec<i64> {
        (0..10).filter(|day| shelf.slots.contains_key(&question(*day))).collect()
    }

    #[test]
    fn an_answer_takes_at_least_what_its_anomalies_do() {
        let bytes = |anomalies| fleet(anomalies).answer.bytes();
        let text = "DHCP".len() + "no address".len();
        let each = size_of::<crate::dashboard::episode::Episode>() + text;
        assert_eq!(bytes(1000) - bytes(0), 1000 * each);
    }

    #[test]
    fn answers_make_room_for_each_other_the_one_asked_for_the_longest_ago_first() {
        let mut shelf = Shelf::new(3 * fleet(100).answer.bytes());
        (0..3).for_each(|day| put(&mut shelf, day, 100));
        assert_eq!(days(&shelf), [0, 1, 2]);
        shelf.slot(&question(0)).asked = Instant::now();
        put(&mut shelf, 3, 100);
        assert_eq!(days(&shelf), [0, 2, 3]);
        assert!(shelf.bytes() <= shelf.max_bytes);
    }

    #[test]
    fn one_answer_stays_however_large_and_a_question_that_waits_keeps_its_place() {
        let mut shelf = Shelf::new(3 * fleet(100).answer.bytes());
        put(&mut shelf, 0, 100);
        put(&mut shelf, 1, 100);
        shelf.slot(&question(1)).is_waiting = true;
        put(&mut shelf, 2, 10_000);
        assert_eq!(days(&shelf), [1, 2]);
    }

    #[test]
    fn there_are_never_more_answers_than_there_are_places() {
        let mut shelf = Shelf::new(MAX_BYTES);
        (0..100).for_each(|day| put(&mut shelf, day, 1));
        assert_eq!(shelf.slots.len(), MAX_ANSWERS);
    }
}
