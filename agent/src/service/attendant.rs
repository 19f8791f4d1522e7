//! The thread that looks after the others.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Heartbeat, LiveFile, Notifier};

/// How often the attendant looks around.
const ROUND: Duration = Duration::from_secs(5);
/// How long it waits for the sources to listen before it calls the agent ready all the same.
const BEGIN_PATIENCE: Duration = Duration::from_secs(10);
const BEGIN_ROUND: Duration = Duration::from_millis(5);
/// A process that has come this far did not fail at its start.
const LASTING: Duration = Duration::from_secs(600);
/// How long a thread may be missing where no watchdog says it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A thread that must not hang.
#[derive(Clone, Debug)]
pub struct Watched {
    /// As the log calls it.
    pub name: String,
    /// Its sign of life.
    pub heartbeat: Heartbeat,
}

/// The running attendant; it leaves when this is dropped.
#[derive(Debug)]
pub struct Attendant {
    leave: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Attendant {
    /// Says that the agent is ready once all have begun, and feeds the watchdog from then on, while none is missing.
    /// Keeps the live file, if there is one.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(notifier: Notifier, watched: Vec<Watched>, live: Option<LiveFile>) -> io::Result<Self> {
        let (leave, left) = sync_channel(0);
        let rounds = Rounds::new(notifier, watched, live);
        let thread =
            std::thread::Builder::new().name("attendant".to_owned()).spawn(move || rounds.go(&left))?;
        Ok(Self { leave: Some(leave), thread: Some(thread) })
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        drop(self.leave.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the attendant's thread has failed");
        }
    }
}

struct Rounds {
    notifier: Notifier,
    watched: Vec<Watched>,
    live: Option<LiveFile>,
    started: Instant,
    /// Half the watchdog's time: the other half is for the attendant's own rounds.
    patience: Duration,
    every: Duration,
    /// The names that the log has been told of.
    told: Vec<String>,
    lasting: bool,
}

impl Rounds {
    fn new(notifier: Notifier, watched: Vec<Watched>, live: Option<LiveFile>) -> Self {
        let patience = notifier.watchdog().map_or(PATIENCE, |watchdog| watchdog / 2);
        let every = (patience / 2).min(ROUND);
        let (started, told) = (Instant::now(), Vec::new());
        Self { notifier, watched, live, started, patience, every, told, lasting: false }
    }

    fn go(mut self, left: &Receiver<()>) {
        while !self.all_have_begun() && self.started.elapsed() < BEGIN_PATIENCE {
            if left.recv_timeout(BEGIN_ROUND) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
        self.notifier.ready();
        self.look();
        while left.recv_timeout(self.every) == Err(RecvTimeoutError::Timeout) {
            self.look();
        }
    }

    fn all_have_begun(&self) -> bool {
        self.watched.iter().all(|watched| watched.heartbeat.has_begun())
    }

    fn look(&mut self) {
        let missing = missing(&self.watched, self.patience);
        if missing.is_empty() {
            self.notifier.feed_watchdog();
        }
        if let Some(live) = &self.live {
            live.write(&missing);
        }
        if missing != self.told {
            self.tell(&missing);
            self.told = missing;
        }
        if !self.lasting && self.started.elapsed() >= LASTING {
            self.notifier.forget_starts();
            self.lasting = true;
        }
    }

    fn tell(&self, missing: &[String]) {
        if missing.is_empty() {
            tracing::warn!("all threads are back at work");
            return self.notifier.status("the agent counts");
        }
        let names = missing.join(", ");
        tracing::error!("no sign of life for {:?}: {names}; the watchdog is not fed", self.patience);
        self.notifier.status(&format!("hangs: {names}"));
    }
}

/// The names of those that have been missing for longer than that.
fn missing(watched: &[Watched], patience: Duration) -> Vec<String> {
    let gone = watched.iter().filter(|watched| watched.heartbeat.missing_for() > patience);
    gone.map(|watched| watched.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::notify::tests::Manager;
    use super::*;

    /// In microseconds: short, so that the tests see it fed, and a thread be missing, soon.
    const WATCHDOG: Option<&str> = Some("200000");

    fn watched(name: &str) -> Watched {
        Watched { name: name.to_owned(), heartbeat: Heartbeat::default() }
    }

    #[test]
    fn the_agent_is_ready_once_all_have_begun_and_not_before() {
        let manager = Manager::start();
        let (engine, source) = (watched("engine"), watched("source"));
        let rounds = Rounds::new(manager.notifier(None), vec![engine.clone(), source.clone()], None);
        engine.heartbeat.beat();
        assert!(!rounds.all_have_begun());
        source.heartbeat.excuse();
        let (leave, left) = sync_channel(0);
        drop(leave);
        rounds.go(&left);
        assert!(manager.hears().starts_with("READY=1"));
    }

    #[test]
    fn the_watchdog_is_fed_while_nobody_is_missing() {
        let manager = Manager::start();
        let link = watched("link");
        link.heartbeat.excuse();
        let _attendant = Attendant::start(manager.notifier(WATCHDOG), vec![link], None).expect("started");
        assert!(manager.hears().starts_with("READY=1"));
        assert_eq!([manager.hears(), manager.hears()], ["WATCHDOG=1", "WATCHDOG=1"]);
    }

    #[test]
    fn a_thread_that_is_missing_stops_the_food_and_its_return_brings_it_back() {
        let manager = Manager::start();
        let engine = watched("engine");
        let mut rounds = Rounds::new(manager.notifier(WATCHDOG), vec![engine.clone()], None);
        while engine.heartbeat.missing_for() <= rounds.patience {
            std::thread::sleep(rounds.every);
        }
        rounds.look();
        assert_eq!(manager.hears(), "STATUS=hangs: engine");
        engine.heartbeat.excuse();
        rounds.look();
        assert_eq!(manager.hears(), "WATCHDOG=1");
        assert_eq!(manager.hears(), "STATUS=the agent counts");
    }

    #[test]
    fn after_a_while_the_start_counts_as_one_that_lasted() {
        let manager = Manager::start();
        let mut rounds = Rounds::new(manager.notifier(None), Vec::new(), None);
        rounds.started = Instant::now().checked_sub(LASTING).expect("the machine is up for longer");
        rounds.look();
        assert_eq!(manager.hears(), "WATCHDOG=1");
        assert_eq!(manager.hears(), "FDSTOREREMOVE=1\nFDNAME=start");
    }
}
