//! The bundle that support asks for: one `.tar.gz` that tells how an agent is doing and on what, and nothing of any
//! person.
//!
//! Constraints, in order: no personal data and no secret leaves the gateway; it works best where something is broken, so
//! what can't be found out is a line in `problems.txt` and never the end; it changes nothing, and the agent runs on
//! beside it; it is small.
//!
//! Every text goes through [`Bundle`], which has the [`Scrubber`] look at it. What no search could clean, free text of
//! events, is covered before ([`texts`]); a raw event, a line of a log, or a frame is in no bundle.

mod archive;
mod database;
mod journal;
mod page;
mod scrub;
mod secrets;
mod settings;
mod system;
mod texts;
mod tools;

use std::path::{Path, PathBuf};

use cabinwatch_settings::Setting;
use cabinwatch_shared::time::UnixSeconds;
use serde::Serialize;

use self::archive::File;
use self::page::Page;
pub use self::scrub::Scrubber;
use self::texts::KnownTexts;
pub use self::tools::Tools;
use crate::commands::{CommandError, Snapshot, model, status, windows};
use crate::config::{Config, LoadError};
use crate::model::check_stored;
use crate::pipeline::Settings;
use crate::rules::RuleSet;
use crate::service::LiveFacts;
use crate::store::{Counter, Slot, StoreError};

/// No file of a bundle is longer. There are sixteen at most, so a bundle is smaller than 4 MiB.
const MAX_FILE_BYTES: usize = 250 << 10;
/// Closed windows in a bundle: two hours at the usual length.
const WINDOWS: usize = 24;
const UNIT: &str = "cabinwatch-agent";
/// What became of models so far.
const OF_MODELS: [Counter; 5] = [
    Counter::ModelsActivated,
    Counter::ModelsRefused,
    Counter::ModelTrialsPassed,
    Counter::ModelsRolledBack,
    Counter::KeysHandedOver,
];

const README: &str = "\
A support bundle of cabinwatch-agent, written by `cabinwatch-agent diag`. problems.txt says what could not be found out.

Not in it: passwords, keys, user names, addresses and names of machines and people. Marks like [mac], [ip], [host],
[user], [hidden] stand in their place, [text] in that of quoted text. [text 1], [text 2], ... stand for texts of events
that come neither with the agent's rules nor with its model; the ground has them in full, in the same window.
";

/// Where facts are looked for.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What `/proc`, `/sys` and `/etc` are found in: `/`.
    pub root: PathBuf,
    /// Other programs.
    pub tools: Tools,
    /// The names that the environment gives to whoever runs this.
    pub users: Vec<String>,
    /// The wall clock.
    pub now: UnixSeconds,
}

impl Machine {
    fn file(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

/// The configuration, or what there is without one.
#[derive(Debug)]
pub struct Known<'a> {
    /// The file that was asked for.
    pub file: &'a Path,
    /// What it holds, and where from.
    pub loaded: &'a Result<(Config, Vec<Setting>), LoadError>,
}

/// A bundle in the making.
#[derive(Debug)]
pub struct Bundle {
    /// The folder within the archive; also a good name for the archive.
    pub name: String,
    files: Vec<File>,
    problems: Vec<String>,
    scrubber: Scrubber,
    at: UnixSeconds,
}

impl Bundle {
    /// Gathers all there is.
    #[must_use]
    pub fn gather(known: &Known<'_>, machine: &Machine) -> Self {
        // The tail has no default, and the database is worth a look without it.
        let defaults = Config { tail: "UNKNOWN".to_owned(), ..Config::default() };
        let config = known.loaded.as_ref().map_or(&defaults, |(config, _)| config);
        let mut bundle = Self::new(known, config, machine);
        bundle.settings(known, config);
        bundle.rules(config);
        bundle.store(config);
        bundle.database(config);
        bundle.live(config);
        bundle.journal(machine);
        bundle.system(config, machine);
        bundle.finish();
        bundle
    }

    fn new(known: &Known<'_>, config: &Config, machine: &Machine) -> Self {
        let at = machine.now;
        let stamp: String = at.to_string().chars().filter(|char| !matches!(char, '-' | ':')).collect();
        // A tail that was checked has no character that a path could not have.
        let name = format!("cabinwatch-diag-{}-{stamp}", config.tail);
        let mut bundle =
            Self { name, files: Vec::new(), problems: Vec::new(), scrubber: Scrubber::default(), at };
        bundle.problems.extend(secrets::learn(&mut bundle.scrubber, config, machine));
        if known.loaded.is_err() {
            secrets::learn_from_broken(&mut bundle.scrubber, known.file);
        }
        bundle
    }

    /// The archive.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        archive::pack(&self.files, self.at)
    }

    /// Names and sizes of its files.
    pub fn files(&self) -> impl Iterator<Item = (&str, usize)> {
        let prefix = self.name.len() + 1;
        self.files.iter().map(move |file| (file.name.get(prefix..).unwrap_or_default(), file.content.len()))
    }

    /// What could not be found out.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    fn problem(&mut self, text: impl AsRef<str>) {
        self.problems.push(self.scrubber.text(text.as_ref()).replace('\n', " "));
    }

    /// Adds a text, its lines cut from the end where it is too long.
    fn text(&mut self, name: &str, text: &str) {
        let content = self.scrubber.text(text);
        self.add(name, content);
    }

    fn page(&mut self, name: &str, heads: &[(&str, &Page)]) {
        let text: Vec<_> = heads.iter().map(|(head, page)| format!("{head}\n{}", page.text())).collect();
        heads.iter().flat_map(|(_, page)| &page.problems).for_each(|problem| self.problem(problem));
        self.text(name, &text.join("\n"));
    }

    fn json(&mut self, name: &str, value: &impl Serialize) {
        match serde_json::to_value(value) {
            Ok(mut value) => {
                self.scrubber.json(&mut value);
                self.add(name, format!("{value:#}\n"));
            }
            Err(error) => self.problem(format!("{name} can't be written: {error}")),
        }
    }

    fn add(&mut self, name: &str, mut content: String) {
        if content.len() > MAX_FILE_BYTES {
            let end = content.floor_char_boundary(MAX_FILE_BYTES);
            content
                .truncate(content.get(..end).and_then(|text| text.rfind('\n')).map_or(end, |line| line + 1));
            self.problem(format!("{name} was too long, and is cut"));
        }
        self.files.push(File { name: format!("{}/{name}", self.name), content: content.into_bytes() });
    }

    fn settings(&mut self, known: &Known<'_>, config: &Config) {
        match known.loaded {
            Ok((_, settings)) => {
                let mut page = Page::default();
                for setting in settings {
                    let value = settings::shown(setting, config);
                    page.fact(&setting.key, format!("{value}  ({})", setting.origin));
                }
                self.page("settings.txt", &[("settings in force, and where they come from", &page)]);
            }
            Err(error) => {
                self.problem(settings::problem(error));
                self.problem(format!(
                    "no configuration could be read from {}: what follows was looked for where the defaults say",
                    known.file.display()
                ));
            }
        }
    }

    /// Rule files in place of the built-in ones: whether they can be used. Their texts are the engineer's own.
    fn rules(&mut self, config: &Config) {
        if config.sources.rules.is_empty() {
            return;
        }
        let mut page = Page::default();
        for path in &config.sources.rules {
            let said = match RuleSet::load(std::slice::from_ref(path)) {
                Ok(rules) => format!("{} texts of events", rules.texts().count()),
                Err(_) => "can't be used: `cabinwatch-agent rules test` says why".to_owned(),
            };
            page.fact(path.display(), said);
        }
        self.page("rules.txt", &[("rule files in place of the built-in rules", &page)]);
    }

    /// What the commands show of the database.
    fn store(&mut self, config: &Config) {
        let settings = match Settings::from_config(config) {
            Ok(settings) => settings,
            Err(error) => return self.problem(format!("setting {} makes no sense", error.key)),
        };
        let snapshot = match Snapshot::take(config, &settings) {
            Ok(snapshot) => snapshot,
            Err(error) => return self.problem(format!("no status, windows and model: {error}")),
        };
        if let Err(error) = self.shown(config, &settings, &snapshot) {
            self.problem(error.to_string());
        }
    }

    fn shown(
        &mut self,
        config: &Config,
        settings: &Settings,
        snapshot: &Snapshot,
    ) -> Result<(), CommandError> {
        let failed = |source: StoreError| CommandError::store(&config.store.path, source);
        let status = status::of(config, snapshot).map_err(failed)?;
        self.scrubber.keep(&status.stream);
        self.json("status.json", &status);
        let mut text = Vec::new();
        status::print(&status, false, &mut text)?;
        self.text("status.txt", &String::from_utf8_lossy(&text));

        let mut known = self.known_texts(settings, snapshot);
        let mut views = windows::of(settings, snapshot, WINDOWS).map_err(failed)?;
        views.iter_mut().for_each(|view| known.cover(&mut view.window));
        for (name, json) in [("windows.txt", false), ("windows.jsonl", true)] {
            let mut out = Vec::new();
            windows::print(&views, json, &mut out)?;
            // Nothing is left in it to look for, and a search would take rates for addresses and JSON's quotes for others.
            self.add(name, String::from_utf8_lossy(&out).into_owned());
        }
        self.model(config, settings, snapshot)
    }

    fn known_texts(&self, settings: &Settings, Snapshot { reader, .. }: &Snapshot) -> KnownTexts {
        // What can't be read has no texts; what is wrong with it, the model's own file says.
        let (stored, memory) = (reader.model(Slot::Active), reader.model_memory());
        let (Ok(Some(stored)), Ok(memory)) = (stored, memory) else {
            return KnownTexts::new(std::iter::empty(), &self.scrubber);
        };
        let checked = check_stored(&stored.bundle, &settings.demands, &memory).ok();
        let model = checked.as_ref().and_then(|checked| checked.view());
        let texts = model.iter().flat_map(|model| model.catalogue().entries());
        KnownTexts::new(texts.flat_map(|entry| [entry.key.edr_point, entry.key.description]), &self.scrubber)
    }

    /// Slots, trial, and what became of the models so far.
    fn model(
        &mut self,
        config: &Config,
        settings: &Settings,
        snapshot: &Snapshot,
    ) -> Result<(), CommandError> {
        let reader = &snapshot.reader;
        let failed = |source: StoreError| CommandError::store(&config.store.path, source);
        let mut page = Page::default();
        let memory = reader.model_memory().map_err(failed)?;
        for (name, slot) in [("slot 1, in use", Slot::Active), ("slot 2, before it", Slot::Previous)] {
            let stored = reader.model(slot).map_err(failed)?;
            let said = stored.map_or_else(
                || "empty".to_owned(),
                |model| {
                    let bytes = model.bundle.len();
                    format!("version {}, {bytes} bytes, since {}", model.version.0, model.activated)
                },
            );
            page.fact(name, said);
        }
        page.fact("highest version ever in use", memory.highest.0);
        for counter in OF_MODELS {
            page.fact(counter, snapshot.state.counts.get(counter));
        }
        let mut text = Vec::new();
        match model::of(reader, config, settings) {
            Ok(mut described) => {
                let in_use = described.as_mut().and_then(|model| model.in_use.as_mut());
                if let Some(in_use) = in_use {
                    in_use.believed_keys.iter_mut().for_each(|key| *key = settings::short_key(key));
                }
                model::print(described.as_ref(), false, &mut text)?;
            }
            Err(error) => self.problem(error.to_string()),
        }
        let text = format!("{}\n{}", page.text(), String::from_utf8_lossy(&text));
        self.text("model.txt", &text);
        Ok(())
    }

    fn database(&mut self, config: &Config) {
        let page = database::describe(&config.store.path);
        self.page("database.txt", &[("the database", &page)]);
    }

    /// The file as it lies there, also one that a dead agent has left.
    fn live(&mut self, config: &Config) {
        let path = &config.service.live_file;
        if path.as_os_str().is_empty() {
            return;
        }
        match LiveFacts::of_any_process(path) {
            Some(facts) => self.json("live.json", &facts),
            None => self.problem(format!("the agent has left nothing in {}", path.display())),
        }
    }

    fn journal(&mut self, machine: &Machine) {
        match journal::read(&machine.tools) {
            Ok(lines) if lines.is_empty() => {
                self.problem(format!("the journal has no line of {UNIT}, or none that this user may read"));
            }
            Ok(lines) => {
                let lines: Vec<_> = lines.iter().map(|line| self.scrubber.text(line)).collect();
                // What does not fit is the oldest.
                let mut room = MAX_FILE_BYTES;
                let fit = lines.iter().rev().take_while(|line| {
                    let fits = room > line.len();
                    room = room.saturating_sub(line.len() + 1);
                    fits
                });
                let fit = fit.count();
                let text: String =
                    lines.iter().skip(lines.len() - fit).flat_map(|line| [line.as_str(), "\n"]).collect();
                self.add("journal.txt", text);
            }
            Err(error) => self.problem(format!("no journal: {error}")),
        }
    }

    fn system(&mut self, config: &Config, machine: &Machine) {
        let pages = [
            ("the machine", system::machine(machine)),
            ("its clocks", system::clocks(machine, config)),
            ("the database's file system", system::file_system(machine, config)),
        ];
        let mut pages: Vec<_> = pages.into();
        if let status::Daemon::Runs { pid, .. } = status::Daemon::of(config) {
            pages.push(("the agent's process", system::process(machine, pid)));
        }
        let heads: Vec<_> = pages.iter().map(|(head, page)| (*head, page)).collect();
        self.page("system.txt", &heads);
        match system::unit(&machine.tools) {
            Ok(page) => self.page("unit.txt", &[("the unit", &page)]),
            Err(error) => self.problem(format!("no facts of the unit: {error}")),
        }
    }

    fn finish(&mut self) {
        let text = if self.problems.is_empty() {
            "none: all was found out\n".to_owned()
        } else {
            self.problems.iter().flat_map(|problem| [problem.as_str(), "\n"]).collect()
        };
        self.add("problems.txt", text);
        self.add("README.txt", README.to_owned());
        self.files.sort_by(|one, other| one.name.cmp(&other.name));
    }
}

#[cfg(test)]
mod tests;
