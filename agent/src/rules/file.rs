//! The rule file's format, and its check and compilation into rules that can be matched.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use cabinwatch_shared::event::State;
use cabinwatch_shared::fault_key::{MAX_DESCRIPTION_BYTES, MAX_POINT_BYTES};
use memchr::memmem::Finder;
use regex_lite::Regex;
use serde::Deserialize;

/// The name of a daemon that rules are written for, e.g. `hostapd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon(String);

impl Daemon {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Daemon {
    type Err = Infallible;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(Self(name.trim().to_owned()))
    }
}

/// Why a rule file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// The file cannot be read.
    #[error("cannot read the rule file {file}: {error}; check that it exists and is readable")]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is no TOML, or holds a key that rules do not have.
    #[error("the rule file {file} is not valid: {error}")]
    Syntax {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        error: Box<toml::de::Error>,
    },
    /// A rule cannot be used.
    #[error("rule \"{rule}\" of {file}: {key}: {problem}")]
    Rule {
        /// The file.
        file: PathBuf,
        /// The rule's name.
        rule: String,
        /// The key at fault.
        key: &'static str,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// Two files are for the same program, so that a line would have two meanings.
    #[error(
        "{file}: programs: \"{program}\" already has rules in another file; give each program to one file"
    )]
    Twice {
        /// The second file.
        file: PathBuf,
        /// The program.
        program: String,
    },
}

/// What a line means for the state that the interpreter keeps. `docs/rules.md` describes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Step {
    Associated,
    Completed,
    Mismatch,
    EapSucceeded,
    EapFailed,
    Deauthenticated,
    Left,
    Station,
    Cleared,
    Login,
    LoginInner,
    LoginOuter,
    Answer,
    StartFailed,
    Restarted,
}

/// Which named group a step reads to know what a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Station,
    Interface,
    Login,
    Answer,
    Process,
}

impl Step {
    pub(super) const fn family(self) -> Family {
        match self {
            Self::Associated
            | Self::Completed
            | Self::Mismatch
            | Self::EapSucceeded
            | Self::EapFailed
            | Self::Deauthenticated
            | Self::Left
            | Self::Station => Family::Station,
            Self::Cleared => Family::Interface,
            Self::Login | Self::LoginInner | Self::LoginOuter => Family::Login,
            Self::Answer => Family::Answer,
            Self::StartFailed | Self::Restarted => Family::Process,
        }
    }

    const fn has_event(self) -> bool {
        !matches!(self, Self::Cleared | Self::Restarted)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    daemon: String,
    programs: Vec<String>,
    #[serde(default)]
    headerless: Vec<String>,
    #[serde(default)]
    reasons: BTreeMap<String, Vec<Reason>>,
    rule: Vec<RuleEntry>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    contains: String,
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleEntry {
    name: String,
    #[serde(default)]
    starts_with: Vec<String>,
    #[serde(default)]
    contains: Vec<String>,
    pattern: Option<String>,
    reasons: Option<String>,
    step: Option<Step>,
    event: Option<EventEntry>,
    #[serde(default)]
    ignore: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventEntry {
    edr_point: String,
    description: String,
    state: State,
}

/// All rules of one daemon.
pub(super) struct DaemonRules {
    pub(super) daemon: String,
    pub(super) programs: Vec<String>,
    pub(super) headerless: Vec<Regex>,
    pub(super) rules: Vec<Rule>,
}

/// One rule, ready to be matched.
pub(super) struct Rule {
    starts_with: Vec<String>,
    contains: Vec<Finder<'static>>,
    pattern: Option<Regex>,
    groups: Groups,
    reasons: Vec<(Finder<'static>, String)>,
    pub(super) step: Option<Step>,
    pub(super) event: Option<RuleEvent>,
}

/// The event of a rule.
pub(super) struct RuleEvent {
    pub(super) edr_point: String,
    pub(super) description: String,
    pub(super) state: State,
}

/// Where a pattern's named groups are.
#[derive(Clone, Copy, Default)]
struct Groups {
    station: Option<usize>,
    interface: Option<usize>,
    request: Option<usize>,
    name: Option<usize>,
    answer: Option<usize>,
    reason: Option<usize>,
}

/// What a rule read from a message.
#[derive(Clone, Copy, Default)]
pub(super) struct Found<'a> {
    pub(super) station: Option<&'a str>,
    pub(super) interface: Option<&'a str>,
    pub(super) request: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) answer: Option<&'a str>,
    /// Which entry of the rule's reasons fits.
    pub(super) reason: Option<u16>,
}

impl Rule {
    /// Whether the rule fits the message, and what it reads from it.
    pub(super) fn find<'a>(&self, message: &'a str) -> Option<Found<'a>> {
        let starts =
            self.starts_with.is_empty() || self.starts_with.iter().any(|text| message.starts_with(text));
        let contains = || {
            self.contains.is_empty()
                || self.contains.iter().any(|text| text.find(message.as_bytes()).is_some())
        };
        if !starts || !contains() {
            return None;
        }
        let Some(pattern) = &self.pattern else { return Some(Found::default()) };
        if !self.groups.any() {
            return pattern.is_match(message).then(Found::default);
        }
        let mut locations = pattern.capture_locations();
        pattern.captures_read(&mut locations, message)?;
        let read =
            |group: Option<usize>| locations.get(group?).and_then(|(start, end)| message.get(start..end));
        let reason = read(self.groups.reason).and_then(|text| {
            let index = self.reasons.iter().position(|(finder, _)| finder.find(text.as_bytes()).is_some())?;
            u16::try_from(index).ok()
        });
        Some(Found {
            station: read(self.groups.station),
            interface: read(self.groups.interface),
            request: read(self.groups.request),
            name: read(self.groups.name),
            answer: read(self.groups.answer),
            reason,
        })
    }

    /// The descriptions of all the rule's reasons.
    pub(super) fn descriptions(&self) -> impl Iterator<Item = &str> {
        self.reasons.iter().map(|(_, description)| description.as_str())
    }

    /// The description of an entry of the rule's reasons.
    pub(super) fn reason(&self, index: u16) -> Option<&str> {
        self.reasons.get(usize::from(index)).map(|(_, description)| description.as_str())
    }
}

impl Groups {
    fn of(pattern: &Regex) -> Result<Self, String> {
        let mut groups = Self::default();
        for (index, name) in pattern.capture_names().enumerate() {
            let slot = match name {
                None => continue,
                Some("station") => &mut groups.station,
                Some("interface") => &mut groups.interface,
                Some("request") => &mut groups.request,
                Some("name") => &mut groups.name,
                Some("answer") => &mut groups.answer,
                Some("reason") => &mut groups.reason,
                Some(other) => {
                    return Err(format!(
                        "there is no group \"{other}\"; use station, interface, request, name, answer or reason"
                    ));
                }
            };
            *slot = Some(index);
        }
        Ok(groups)
    }

    const fn any(self) -> bool {
        self.station.is_some()
            || self.interface.is_some()
            || self.request.is_some()
            || self.name.is_some()
            || self.answer.is_some()
            || self.reason.is_some()
    }
}

/// Reads and checks one file's text; `file` is its name in messages.
pub(super) fn compile(file: &std::path::Path, text: &str) -> Result<DaemonRules, RuleError> {
    let parsed: RuleFile = toml::from_str(text)
        .map_err(|error| RuleError::Syntax { file: file.to_owned(), error: Box::new(error) })?;
    let fail = |rule: &str, (key, problem): (&'static str, String)| RuleError::Rule {
        file: file.to_owned(),
        rule: rule.to_owned(),
        key,
        problem,
    };
    let mut names = std::collections::BTreeSet::new();
    for entry in &parsed.rule {
        if !names.insert(entry.name.as_str()) {
            return Err(fail(
                &entry.name,
                ("name", "another rule has this name; names must differ".to_owned()),
            ));
        }
    }
    let headerless = parsed
        .headerless
        .iter()
        .map(|pattern| regex(pattern).map_err(|problem| fail("(file)", ("headerless", problem))))
        .collect::<Result<_, _>>()?;
    let rules = parsed
        .rule
        .iter()
        .map(|entry| entry.compile(&parsed.reasons).map_err(|problem| fail(&entry.name, problem)))
        .collect::<Result<_, _>>()?;
    Ok(DaemonRules { daemon: parsed.daemon, programs: parsed.programs, headerless, rules })
}

fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| format!("not a regular expression: {error}"))
}

impl RuleEntry {
    fn compile(&self, tables: &BTreeMap<String, Vec<Reason>>) -> Result<Rule, (&'static str, String)> {
        let pattern =
            self.pattern.as_deref().map(regex).transpose().map_err(|problem| ("pattern", problem))?;
        let groups = pattern.as_ref().map_or(Ok(Groups::default()), Groups::of);
        let groups = groups.map_err(|problem| ("pattern", problem))?;
        if self.starts_with.is_empty() && self.contains.is_empty() && pattern.is_none() {
            return Err(("starts_with", "the rule fits every line; give it a text or a pattern".to_owned()));
        }
        self.check_outcome()?;
        self.check_groups(groups)?;
        let reasons = self.reasons.as_ref().map_or(Ok(&[][..]), |name| {
            let table = tables.get(name).map(Vec::as_slice);
            table.ok_or(("reasons", format!("there is no table \"{name}\" under [reasons]")))
        })?;
        for reason in reasons {
            bounded("reasons", &reason.description, MAX_DESCRIPTION_BYTES)?;
        }
        Ok(Rule {
            starts_with: self.starts_with.clone(),
            contains: self.contains.iter().map(|text| Finder::new(text).into_owned()).collect(),
            pattern,
            groups,
            reasons: reasons
                .iter()
                .map(|reason| (Finder::new(&reason.contains).into_owned(), reason.description.clone()))
                .collect(),
            step: self.step,
            event: self.event.as_ref().map(|event| RuleEvent {
                edr_point: event.edr_point.clone(),
                description: event.description.clone(),
                state: event.state,
            }),
        })
    }

    fn check_outcome(&self) -> Result<(), (&'static str, String)> {
        match (&self.event, self.step, self.ignore) {
            (None, None, true) => Ok(()),
            (_, _, true) => Err(("ignore", "an ignored line has neither event nor step".to_owned())),
            (None, None, false) => {
                Err(("event", "say what the line means: event, step, or ignore = true".to_owned()))
            }
            (None, Some(step), false) if step.has_event() => {
                Err(("event", "this step needs the event that it may give".to_owned()))
            }
            (Some(_), Some(step), false) if !step.has_event() => {
                Err(("event", "this step never gives an event".to_owned()))
            }
            (None, Some(_), false) => Ok(()),
            (Some(event), _, false) => {
                bounded("edr_point", &event.edr_point, MAX_POINT_BYTES)?;
                bounded("description", &event.description, MAX_DESCRIPTION_BYTES)
            }
        }
    }

    fn check_groups(&self, groups: Groups) -> Result<(), (&'static str, String)> {
        let missing = |group| Err(("pattern", format!("the step needs the group (?P<{group}>...)")));
        match self.step.map(Step::family) {
            Some(Family::Station) if groups.station.is_none() => missing("station"),
            Some(Family::Login) if groups.request.is_none() => missing("request"),
            Some(Family::Answer) if groups.request.is_none() => missing("request"),
            _ if self.reasons.is_some() && groups.reason.is_none() => {
                Err(("pattern", "reasons need the group (?P<reason>...)".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

fn bounded(key: &'static str, text: &str, limit: usize) -> Result<(), (&'static str, String)> {
    match text.len() {
        0 => Err((key, "must not be empty".to_owned())),
        length if length > limit => Err((key, format!("has {length} bytes; at most {limit} are allowed"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
