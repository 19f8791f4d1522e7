//! Lines in, events out: the rules and what must be remembered between lines.

use std::sync::Arc;

use cabinwatch_shared::event::Event;
use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::time::UnixMillis;

use super::file::{Family, Found, Step};
use super::line::{Hints, LogLine, MAX_LINE_BYTES};
use super::request::{AnswerChain, Counted, FailedStarts, InnerLogins, Process};
use super::set::{Identified, RuleId, RuleSet};
use super::station::{Report, Stations};

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineOutcome {
    /// So many events.
    Events(u32),
    /// A known line that is rightly no event, or a further report of an event already given.
    NoEvent,
    /// A line of a daemon that has rules, but none fits: something to write a rule for.
    Unknown,
    /// A line of a program without rules.
    OtherProgram,
    /// No log line: too long, or of no form that is known.
    Malformed,
}

/// A [`RuleSet`] with the memory that some rules need; bounded, and gone with the process.
///
/// hostapd reports by two channels. Where they reach the agent by two sources, both sources must share one
/// interpreter (`Arc<Mutex<Interpreter>>`), or each event of a station is given twice.
pub struct Interpreter {
    rules: Arc<RuleSet>,
    hints: Hints,
    stations: Stations,
    logins: Counted,
    queries: Counted,
    inner_logins: InnerLogins<Told>,
    answers: AnswerChain,
    starts: FailedStarts,
}

/// An event, by its place in the rules.
#[derive(Clone, Copy)]
struct Told {
    rule: RuleId,
    reason: Option<u16>,
}

impl Interpreter {
    /// An interpreter that has seen nothing yet.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>, hints: Hints) -> Self {
        Self {
            rules,
            hints,
            stations: Stations::new(),
            logins: Counted::new(),
            queries: Counted::new(),
            inner_logins: InnerLogins::new(),
            answers: AnswerChain::new(),
            starts: FailedStarts::new(),
        }
    }

    /// Takes one line, without its end of line. An event bears the line's own time, else `arrival`.
    pub fn interpret(
        &mut self,
        line: &str,
        arrival: UnixMillis,
        out: &mut dyn FnMut(Event<'_>),
    ) -> LineOutcome {
        if line.len() > MAX_LINE_BYTES {
            return LineOutcome::Malformed;
        }
        let line = LogLine::parse(line, arrival, &self.hints);
        if line.message.is_empty() && line.program.is_none() {
            return LineOutcome::NoEvent;
        }
        let rules = Arc::clone(&self.rules);
        let (daemon, line) = match rules.identify(line, &self.hints) {
            Identified::Daemon(daemon, line) => (daemon, line),
            Identified::OtherProgram => return LineOutcome::OtherProgram,
            Identified::Unrecognised => return LineOutcome::Malformed,
        };
        let found = rules.find(daemon, line.message);
        let step = found.as_ref().and_then(|(_, rule, _)| rule.step);
        if step != Some(Step::Answer) {
            self.answers.end(daemon as u16);
        }
        let Some((id, rule, found)) = found else { return LineOutcome::Unknown };
        let told = match step {
            None => rule.event.as_ref().map(|_| Told { rule: id, reason: found.reason }),
            Some(step) => self.step(step, id, &line, &found, arrival),
        };
        let at = line.at.unwrap_or(arrival);
        match told.and_then(|told| event(&rules, told, at)) {
            Some(event) => {
                out(event);
                LineOutcome::Events(1)
            }
            None => LineOutcome::NoEvent,
        }
    }

    fn step(
        &mut self,
        step: Step,
        id: RuleId,
        line: &LogLine<'_>,
        found: &Found<'_>,
        arrival: UnixMillis,
    ) -> Option<Told> {
        let at = line.at.unwrap_or(arrival);
        let process = Process { daemon: id.daemon, pid: line.pid };
        let told = Told { rule: id, reason: found.reason };
        let is_event = match step.family() {
            Family::Station => self.stations.report(&Report {
                station: found.station.unwrap_or_default(),
                interface: found.interface,
                step,
                form: id.rule,
                at,
                dated: line.at.is_some(),
                message: line.message,
            }),
            Family::Interface => {
                self.stations.clear(found.interface);
                false
            }
            Family::Login => return self.login(step, process, told, found, at),
            Family::Answer => self.answer(process, found),
            Family::Process if step == Step::StartFailed => self.starts.first(process, at),
            Family::Process => {
                self.logins.restart(id.daemon);
                self.queries.restart(id.daemon);
                self.inner_logins.restart(id.daemon);
                self.starts.restart(id.daemon);
                if found.interface.is_some() {
                    self.stations.clear(found.interface);
                }
                false
            }
        };
        is_event.then_some(told)
    }

    fn login(
        &mut self,
        step: Step,
        process: Process,
        told: Told,
        found: &Found<'_>,
        at: UnixMillis,
    ) -> Option<Told> {
        // Servers older than FreeRADIUS 3 write no number: then every line stands for itself.
        let Some(number) = found.request.and_then(|digits| digits.parse().ok()) else {
            return (step != Step::LoginInner).then_some(told);
        };
        if step == Step::LoginInner {
            self.inner_logins.add(process, number, found.name, at, told);
            return None;
        }
        if !self.logins.first(process, number) {
            return None;
        }
        let inner = match step {
            Step::LoginOuter => self.inner_logins.take(process, number, found.name, at),
            _ => None,
        };
        Some(inner.unwrap_or(told))
    }

    fn answer(&mut self, process: Process, found: &Found<'_>) -> bool {
        match (found.request.and_then(|digits| digits.parse().ok()), found.name) {
            (Some(number), _) => self.queries.first(process, number),
            (None, Some(name)) => self.answers.begins(process, name, found.answer),
            (None, None) => true,
        }
    }
}

fn event(rules: &RuleSet, told: Told, at: UnixMillis) -> Option<Event<'_>> {
    let rule = rules.rule(told.rule)?;
    let event = rule.event.as_ref()?;
    let description = told.reason.and_then(|reason| rule.reason(reason)).unwrap_or(&event.description);
    Some(Event { at, key: FaultKey { edr_point: &event.edr_point, description }, state: event.state })
}
