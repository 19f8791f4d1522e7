//! The queue, and the thread that empties it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::line::{self, Anomaly};
use super::sink::{AuditError, Sink};
use crate::api::monitor::Monitor;
use crate::config::ApiConfig;

/// Anomalies that wait.
const MAX_WAITING: usize = 8192;
/// Bytes of those that wait, as they came.
const MAX_WAITING_BYTES: usize = 8 << 20;
/// Lines are written together up to here.
const GROUP_BYTES: usize = 64 << 10;
/// How often a log that is not being written complains, and tells the log what it lost.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);
/// How long the end of the server waits for what is still to be written.
const END_LIMIT: Duration = Duration::from_secs(5);

/// The way in. Clones lead to the same log.
#[derive(Clone, Debug)]
pub(in crate::api) struct Audit {
    queue: SyncSender<Entry>,
    shared: Arc<Shared>,
    monitor: Monitor,
}

#[derive(Debug, Default)]
struct Shared {
    waiting_bytes: AtomicUsize,
    /// What found no room since that was last said.
    lost: AtomicU64,
    /// Once the queue is empty, the log is at its end.
    ending: AtomicBool,
}

#[derive(Debug)]
enum Entry {
    Anomaly(Box<Anomaly>),
    /// Nothing to write: there is news.
    Wake,
}

/// The log. Dropping it writes what waits, and ends it.
#[derive(Debug)]
pub(in crate::api) struct AuditLog {
    audit: Audit,
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Audit {
    /// Has an anomaly written, or counts it as lost. Never waits.
    pub(in crate::api) fn write(&self, anomaly: Anomaly) {
        let bytes = anomaly.weight();
        let waiting = self.shared.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = waiting.saturating_add(bytes) <= MAX_WAITING_BYTES;
        if !fits || self.queue.try_send(Entry::Anomaly(Box::new(anomaly))).is_err() {
            self.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            // At once: the thread may be stuck in a write that nobody takes.
            self.monitor.audit_lost(1);
        }
    }
}

impl AuditLog {
    /// Begins the log that is configured.
    pub(in crate::api) fn open(config: &ApiConfig, monitor: &Monitor) -> Result<Self, AuditError> {
        let failed = |source| AuditError { path: config.audit_file.clone(), source };
        Self::with_sink(Sink::open(config).map_err(failed)?, monitor).map_err(failed)
    }

    pub(super) fn with_sink(sink: Sink, monitor: &Monitor) -> io::Result<Self> {
        let (queue, entries) = sync_channel(MAX_WAITING);
        let (end, ended) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let writer = Writer {
            entries,
            shared: Arc::clone(&shared),
            sink,
            monitor: monitor.clone(),
            lines: Vec::new(),
            anomalies: 0,
            unsaid: 0,
            complained: None,
        };
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || {
            writer.run();
            // Whoever waits for it may have gone.
            let _ = end.send(());
        })?;
        let audit = Audit { queue, shared, monitor: monitor.clone() };
        Ok(Self { audit, ended, thread: Some(thread) })
    }

    /// A way in.
    pub(in crate::api) fn handle(&self) -> Audit {
        self.audit.clone()
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.audit.shared.ending.store(true, Ordering::Release);
        // Where there is no room for it, the thread is awake.
        let _ = self.audit.queue.try_send(Entry::Wake);
        if self.ended.recv_timeout(END_LIMIT).is_err() {
            // Standard output that nobody reads would keep the process for ever.
            tracing::error!("the audit log cannot be written to its end; what waited is missing from it");
            return;
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's side.
struct Writer {
    entries: Receiver<Entry>,
    shared: Arc<Shared>,
    sink: Sink,
    monitor: Monitor,
    /// What is written next, as a whole.
    lines: Vec<u8>,
    /// How many anomalies that is.
    anomalies: u64,
    /// Losses that the log does not tell of yet.
    unsaid: u64,
    complained: Option<Instant>,
}

impl Writer {
    fn run(mut self) {
        loop {
            match self.entries.recv_timeout(COMPLAIN_EVERY) {
                Ok(entry) => self.gather(entry),
                // A loss may be told of now.
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.write(),
            }
            let mut is_empty = false;
            while self.lines.len() < GROUP_BYTES && !is_empty {
                match self.entries.try_recv() {
                    Ok(entry) => self.gather(entry),
                    Err(_) => is_empty = true,
                }
            }
            self.write();
            if is_empty && self.shared.ending.load(Ordering::Acquire) {
                return;
            }
        }
    }

    fn gather(&mut self, entry: Entry) {
        let Entry::Anomaly(anomaly) = entry else { return };
        self.shared.waiting_bytes.fetch_sub(anomaly.weight(), Ordering::Relaxed);
        anomaly.write(&mut self.lines);
        self.anomalies += 1;
    }

    fn write(&mut self) {
        self.unsaid = self.unsaid.saturating_add(self.shared.lost.swap(0, Ordering::Relaxed));
        if self.unsaid > 0 {
            line::write_loss(self.unsaid, &mut self.lines);
        }
        if self.lines.is_empty() {
            return;
        }
        match self.sink.write(&self.lines) {
            Ok(()) => {
                self.monitor.audited(self.anomalies);
                self.complain(self.unsaid, "the log could not keep up");
                self.unsaid = 0;
            }
            Err(error) => {
                self.unsaid = self.unsaid.saturating_add(self.anomalies);
                self.monitor.audit_lost(self.anomalies);
                self.complain(self.unsaid, &error.to_string());
            }
        }
        self.lines.clear();
        self.anomalies = 0;
    }

    /// A log that fails for every anomaly does not fill the other log.
    fn complain(&mut self, lost: u64, why: &str) {
        let recently = self.complained.is_some_and(|last| last.elapsed() < COMPLAIN_EVERY);
        if lost > 0 && !recently {
            self.complained = Some(Instant::now());
            tracing::error!(lost, why, "anomalies are missing from the audit log");
        }
    }
}
