//! The connections: each takes the next event, waits until it is due, sends it, and counts what came of it.

use std::num::NonZeroU16;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Answer, Client, Failure, FailureKind};
use super::source::{Job, Source};
use super::{StreamError, Tally};

/// Between two looks at whether to stop, while waiting.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Between two calls of `show`.
const SHOW_EVERY: Duration = Duration::from_millis(200);
/// Waits while the server is away: the first, and the longest that doubling leads to.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A server that has never answered by then is not away: there is none.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// What the connections share.
pub(super) struct Sender<'a> {
    client: &'a Client<'a>,
    source: Mutex<Source>,
    tally: Mutex<Tally>,
    /// The server wants nothing before.
    hold: Mutex<Instant>,
    stop: &'a AtomicBool,
    /// It makes no sense to go on.
    is_over: AtomicBool,
    started: Instant,
    end: Instant,
}

/// What one attempt leads to.
enum Next {
    /// It has its answer.
    Event,
    /// The server named a time to come back.
    HeldBack,
    /// There was no answer, but there may be one later.
    Later,
    /// There will be none.
    Nothing,
}

impl<'a> Sender<'a> {
    pub fn new(
        client: &'a Client<'a>,
        source: Source,
        stop: &'a AtomicBool,
        started: Instant,
        duration: Duration,
    ) -> Self {
        Self {
            client,
            source: Mutex::new(source),
            tally: Mutex::default(),
            hold: Mutex::new(started),
            stop,
            is_over: AtomicBool::new(false),
            started,
            end: started + duration,
        }
    }

    /// Sends until the end. A connection that fails for good stops the others.
    pub fn run(&self, connections: NonZeroU16, mut show: impl FnMut(&Tally)) -> Result<(), StreamError> {
        let result = thread::scope(|scope| {
            let connections: Vec<_> =
                (0..connections.get()).map(|_| scope.spawn(|| self.send_events())).collect();
            while connections.iter().any(|connection| !connection.is_finished()) {
                thread::sleep(SHOW_EVERY);
                show(&self.count());
            }
            connections
                .into_iter()
                .try_for_each(|connection| connection.join().unwrap_or(Err(StreamError::Broken)))
        });
        // Whoever stops it wants nothing more, so nothing is left out from then on.
        let is_stopped = self.stop.load(Ordering::Relaxed);
        let end = if is_stopped { self.started } else { self.end.min(Instant::now()) };
        let (passes, left_out) = lock(&self.source).ended(end);
        let mut tally = self.count();
        tally.passes = passes;
        tally.left_out += left_out;
        result
    }

    pub fn into_tally(self) -> Tally {
        self.tally.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> MutexGuard<'_, Tally> {
        lock(&self.tally)
    }

    fn send_events(&self) -> Result<(), StreamError> {
        let mut body = Vec::new();
        while self.goes_on() {
            let next = lock(&self.source).next(self.end, &mut body);
            let job = match next {
                Ok(Some(job)) => job,
                Ok(None) => break,
                Err(error) => {
                    self.is_over.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            };
            if !self.wait_until(job.due) {
                if job.due <= Instant::now() {
                    self.leave_out();
                }
                break;
            }
            self.send(job, &body);
        }
        Ok(())
    }

    /// Counts an event that was due and never tried. Whoever stops it wants nothing more, so nothing is left out then.
    fn leave_out(&self) {
        if !self.stop.load(Ordering::Relaxed) {
            self.count().left_out += 1;
        }
    }

    /// Sends one event, again and again while there is hope.
    fn send(&self, job: Job, body: &[u8]) {
        if !self.wait_until(self.held_until()) {
            return self.leave_out();
        }
        let mut pause = FIRST_PAUSE;
        let mut is_last = false;
        loop {
            match self.attempt(job, body) {
                Next::Event => return,
                Next::HeldBack if !is_last && self.wait_until(self.held_until()) => {}
                Next::Later if !is_last => {
                    // Where it ends while the event waits, the server may be back by now: one more try.
                    is_last = !self.wait_until(self.held_until().max(Instant::now() + pause));
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Next::HeldBack | Next::Later | Next::Nothing => break,
            }
        }
        self.count().unanswered += 1;
    }

    fn held_until(&self) -> Instant {
        *lock(&self.hold)
    }

    fn attempt(&self, job: Job, body: &[u8]) -> Next {
        let asked = Instant::now();
        match self.client.send(body) {
            Ok(Answer::Verdict { is_anomaly }) => {
                self.count().judged(job.is_unexpected, is_anomaly, asked.elapsed());
                Next::Event
            }
            Ok(Answer::Refused(refusal)) => {
                let mut tally = self.count();
                tally.refused(&refusal, asked.elapsed());
                if refusal.is_final() {
                    tally.gave_up.get_or_insert_with(|| format!("the server refuses every event: {refusal}"));
                    self.is_over.store(true, Ordering::Relaxed);
                }
                Next::Event
            }
            Ok(Answer::Hold(hold)) => {
                self.count().attempts.held_back += 1;
                let until = Instant::now() + hold;
                let mut latest = lock(&self.hold);
                *latest = until.max(*latest);
                Next::HeldBack
            }
            Err(failure) => self.after(&failure),
        }
    }

    fn after(&self, failure: &Failure) -> Next {
        let mut tally = self.count();
        tally.failed(failure);
        let why = if failure.kind.passes() {
            let nobody_is_there = !tally.knows_the_server() && self.started.elapsed() >= FIRST_ANSWER;
            nobody_is_there.then(|| format!("there was no answer in the first {FIRST_ANSWER:?}: {failure}"))
        } else if tally.has_verdicts() && failure.kind == FailureKind::NotUnderstood {
            return Next::Nothing;
        } else {
            Some(failure.to_string())
        };
        if let Some(why) = why {
            tally.gave_up.get_or_insert(why);
            self.is_over.store(true, Ordering::Relaxed);
            return Next::Nothing;
        }
        Next::Later
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed) && !self.is_over.load(Ordering::Relaxed)
    }

    /// Waits; false when it is time to stop instead.
    fn wait_until(&self, at: Instant) -> bool {
        loop {
            if !self.goes_on() || Instant::now() >= self.end {
                return false;
            }
            let left = at.min(self.end).saturating_duration_since(Instant::now());
            if left.is_zero() {
                return at < self.end;
            }
            thread::sleep(left.min(LOOK_EVERY));
        }
    }
}

/// What another thread left behind when it broke off is still whole: each change is one statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
