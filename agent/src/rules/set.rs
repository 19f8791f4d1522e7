//! The rules of all daemons, and which of them a line belongs to.

use std::path::{Path, PathBuf};

use super::file::{self, DaemonRules, Found, Rule, RuleError};
use super::line::{Hints, LogLine, program_and_pid};

/// The rules that come with the agent.
const SHIPPED: [(&str, &str); 3] = [
    ("hostapd.toml", include_str!("../../rules/hostapd.toml")),
    ("dnsmasq.toml", include_str!("../../rules/dnsmasq.toml")),
    ("radiusd.toml", include_str!("../../rules/radiusd.toml")),
];

/// Rules for any number of daemons.
pub struct RuleSet {
    daemons: Vec<DaemonRules>,
}

/// One rule's place in a [`RuleSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RuleId {
    pub(super) daemon: u16,
    pub(super) rule: u16,
}

impl RuleSet {
    /// The rules that come with the agent: hostapd, dnsmasq and radiusd.
    ///
    /// # Errors
    /// [`RuleError`] if the built-in files are broken, which the tests rule out.
    pub fn shipped() -> Result<Self, RuleError> {
        let mut set = Self { daemons: Vec::new() };
        for (name, text) in SHIPPED {
            set.add(Path::new(name), text)?;
        }
        Ok(set)
    }

    /// The rules of these files; of none, the shipped ones.
    ///
    /// # Errors
    /// [`RuleError`] names the file, the rule and the key.
    pub fn load(paths: &[PathBuf]) -> Result<Self, RuleError> {
        if paths.is_empty() {
            return Self::shipped();
        }
        let mut set = Self { daemons: Vec::new() };
        for path in paths {
            let text = std::fs::read_to_string(path)
                .map_err(|error| RuleError::Read { file: path.clone(), error })?;
            set.add(path, &text)?;
        }
        Ok(set)
    }

    /// The names of the daemons it has rules for.
    pub fn daemons(&self) -> impl Iterator<Item = &str> {
        self.daemons.iter().map(|daemon| daemon.daemon.as_str())
    }

    /// Every point and description that its events may have.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let rules = self.daemons.iter().flat_map(|daemon| &daemon.rules);
        rules.flat_map(|rule| {
            let event = rule.event.as_ref();
            let own = event.map(|event| (event.edr_point.as_str(), event.description.as_str()));
            let reasons =
                rule.descriptions().filter_map(move |reason| Some((event?.edr_point.as_str(), reason)));
            own.into_iter().chain(reasons)
        })
    }

    fn add(&mut self, file: &Path, text: &str) -> Result<(), RuleError> {
        let rules = file::compile(file, text)?;
        if let Some(program) = rules.programs.iter().find(|name| self.by_program(name).is_some()) {
            return Err(RuleError::Twice { file: file.to_owned(), program: program.clone() });
        }
        self.daemons.push(rules);
        Ok(())
    }

    fn by_program(&self, program: &str) -> Option<usize> {
        self.daemons.iter().position(|daemon| daemon.programs.iter().any(|name| name == program))
    }

    /// Which daemon wrote the line. A line without a header may begin with its program's name, as on standard
    /// error; else its form tells, else the hint. Such a line may lose its first word to the header.
    pub(super) fn identify<'a>(&self, line: LogLine<'a>, hints: &Hints) -> Identified<'a> {
        if let Some(program) = line.program {
            return match self.by_program(program) {
                Some(daemon) => Identified::Daemon(daemon, line),
                None => Identified::OtherProgram,
            };
        }
        if let Some((tag, message)) = line.message.split_once(": ") {
            let (program, pid) = program_and_pid(tag);
            if let Some(daemon) = self.by_program(program) {
                return Identified::Daemon(daemon, LogLine { program: Some(program), pid, message, ..line });
            }
        }
        let hinted = hints.daemon.as_ref().and_then(|hint| self.by_name(hint.as_str()));
        let by_form = || {
            self.daemons
                .iter()
                .position(|daemon| daemon.headerless.iter().any(|form| form.is_match(line.message)))
        };
        match hinted.or_else(by_form) {
            Some(daemon) => Identified::Daemon(daemon, line),
            None => Identified::Unrecognised,
        }
    }

    fn by_name(&self, name: &str) -> Option<usize> {
        self.daemons.iter().position(|daemon| daemon.daemon == name).or_else(|| self.by_program(name))
    }

    /// The first rule of the daemon that fits.
    pub(super) fn find<'a>(&self, daemon: usize, message: &'a str) -> Option<(RuleId, &Rule, Found<'a>)> {
        let rules = &self.daemons.get(daemon)?.rules;
        rules.iter().enumerate().find_map(|(index, rule)| {
            let found = rule.find(message)?;
            Some((RuleId { daemon: daemon as u16, rule: index as u16 }, rule, found))
        })
    }

    pub(super) fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.daemons.get(usize::from(id.daemon))?.rules.get(usize::from(id.rule))
    }
}

/// Whose line it is.
pub(super) enum Identified<'a> {
    /// A daemon that has rules, by its place in the set.
    Daemon(usize, LogLine<'a>),
    /// A program without rules.
    OtherProgram,
    /// No header, and no form that is known.
    Unrecognised,
}
