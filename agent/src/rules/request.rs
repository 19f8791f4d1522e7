//! What must be counted once although several lines tell of it: logins, DNS queries, failed starts.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};

use cabinwatch_shared::time::UnixMillis;
use foldhash::fast::FixedState;
use hashbrown::HashSet;

/// Requests and queries remembered of each kind; the oldest is forgotten.
const MAX_REQUESTS: usize = 4096;
/// Inner logins that wait for their outer one.
const MAX_INNER: usize = 256;
/// An inner login that has waited this long will see no outer one.
const INNER_MILLIS: u64 = 30_000;
/// Lines of one start that failed come within this time.
const START_MILLIS: u64 = 2_000;

/// One run of one daemon, as far as lines show it: numbers are only unique within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) daemon: u16,
    pub(super) pid: Option<u32>,
}

/// Numbers that have had their event.
pub(super) struct Counted {
    known: HashSet<(Process, u64), FixedState>,
    order: VecDeque<(Process, u64)>,
}

impl Counted {
    pub(super) fn new() -> Self {
        Self { known: HashSet::with_hasher(FixedState::default()), order: VecDeque::new() }
    }

    /// True the first time.
    pub(super) fn first(&mut self, process: Process, number: u64) -> bool {
        if !self.known.insert((process, number)) {
            return false;
        }
        self.order.push_back((process, number));
        if self.order.len() > MAX_REQUESTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// The daemon started anew and counts from zero.
    pub(super) fn restart(&mut self, daemon: u16) {
        self.known.retain(|(process, _)| process.daemon != daemon);
        self.order.retain(|(process, _)| process.daemon != daemon);
    }
}

/// A login that failed inside a TLS tunnel.
struct Inner<W> {
    process: Process,
    number: u64,
    user: u64,
    at: UnixMillis,
    why: W,
}

/// Logins that failed inside a TLS tunnel, until the outer login tells that they did; `W` is why.
pub(super) struct InnerLogins<W> {
    waiting: VecDeque<Inner<W>>,
}

impl<W> InnerLogins<W> {
    pub(super) const fn new() -> Self {
        Self { waiting: VecDeque::new() }
    }

    pub(super) fn add(&mut self, process: Process, number: u64, user: Option<&str>, at: UnixMillis, why: W) {
        if self.waiting.iter().any(|inner| inner.process == process && inner.number == number) {
            return;
        }
        if self.waiting.len() >= MAX_INNER {
            self.waiting.pop_front();
        }
        self.waiting.push_back(Inner { process, number, user: hash(user), at, why });
    }

    /// The reason that belongs to this outer login. The outer packet has the inner one's number or the next, but on
    /// a busy server others come between; then the user decides, and with an anonymous outer name the order.
    pub(super) fn take(
        &mut self,
        process: Process,
        number: u64,
        user: Option<&str>,
        at: UnixMillis,
    ) -> Option<W> {
        self.waiting.retain(|inner| inner.at.0.abs_diff(at.0) <= INNER_MILLIS);
        let mine = |inner: &Inner<W>| inner.process == process && inner.number <= number;
        let user = hash(user);
        let place = |fits: &dyn Fn(&Inner<W>) -> bool| {
            self.waiting.iter().position(|inner| mine(inner) && fits(inner))
        };
        let index = place(&|inner| number - inner.number <= 1)
            .or_else(|| place(&|inner| inner.user == user))
            .or_else(|| place(&|_| true))?;
        self.waiting.remove(index).map(|inner| inner.why)
    }

    pub(super) fn restart(&mut self, daemon: u16) {
        self.waiting.retain(|inner| inner.process.daemon != daemon);
    }
}

/// Answers without a query's number, as dnsmasq logs them without `--log-queries=extra`.
pub(super) struct AnswerChain {
    last: Option<(Process, u64, Kind)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Alias,
    Ipv6,
    Other,
}

impl AnswerChain {
    pub(super) const fn new() -> Self {
        Self { last: None }
    }

    /// Whether this answer begins a new one. The lines of one answer follow each other: aliases lead from name to
    /// name, and several addresses of one family share theirs.
    pub(super) fn begins(&mut self, process: Process, name: &str, answer: Option<&str>) -> bool {
        let kind = match answer {
            Some("<CNAME>") => Kind::Alias,
            Some(answer) if answer.contains(':') || answer.starts_with("NODATA-IPv6") => Kind::Ipv6,
            _ => Kind::Other,
        };
        let name = hash(Some(name));
        let continues = self.last.is_some_and(|(last, last_name, last_kind)| {
            last == process && (last_kind == Kind::Alias || (last_name == name && last_kind == kind))
        });
        self.last = Some((process, name, kind));
        !continues
    }

    /// Any other line of the daemon ends an answer.
    pub(super) fn end(&mut self, daemon: u16) {
        if self.last.is_some_and(|(process, ..)| process.daemon == daemon) {
            self.last = None;
        }
    }
}

/// Starts that failed: their lines are one failure.
pub(super) struct FailedStarts {
    last: Option<(Process, UnixMillis)>,
}

impl FailedStarts {
    pub(super) const fn new() -> Self {
        Self { last: None }
    }

    /// True for the first line of a failed start.
    pub(super) fn first(&mut self, process: Process, at: UnixMillis) -> bool {
        let known =
            self.last.is_some_and(|(last, seen)| last == process && at.0.abs_diff(seen.0) <= START_MILLIS);
        self.last = Some((process, at));
        !known
    }

    pub(super) fn restart(&mut self, daemon: u16) {
        if self.last.is_some_and(|(process, _)| process.daemon == daemon) {
            self.last = None;
        }
    }
}

fn hash(text: Option<&str>) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(text.unwrap_or_default().as_bytes());
    hasher.finish()
}
