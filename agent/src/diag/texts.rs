//! Texts of events. Whoever sends events to the agent may write what he likes into them, a passenger's name among it,
//! and no search finds that. So the bundle has only texts that are known beforehand: those of the rules that come with
//! the agent, and those in the catalogue of the model in use, which every aircraft of the cohort has. Others get a
//! number; the ground has them in full, in the same window.

use std::collections::{BTreeSet, HashMap};

use crate::pipeline::closing::ClosedWindow;
use crate::rules::RuleSet;

use super::scrub::Scrubber;

/// The texts that may be shown, and the numbers of the others.
#[derive(Debug, Default)]
pub(super) struct KnownTexts {
    known: BTreeSet<String>,
    numbers: HashMap<String, usize>,
}

impl KnownTexts {
    /// The texts of the rules that come with the agent, and more; of those, only what the scrubber finds nothing in.
    pub(super) fn new<'a>(more: impl Iterator<Item = &'a str>, scrubber: &Scrubber) -> Self {
        let mut known: BTreeSet<String> = more.map(str::to_owned).collect();
        known.retain(|text| scrubber.text(text) == *text);
        if let Ok(rules) = RuleSet::shipped() {
            known.extend(
                rules.texts().flat_map(|(point, description)| [point.to_owned(), description.to_owned()]),
            );
        }
        known.extend(["OTHER".to_owned(), String::new()]);
        Self { known, numbers: HashMap::new() }
    }

    /// Puts numbers in place of the texts of a window that are not known.
    pub(super) fn cover(&mut self, window: &mut ClosedWindow) {
        for row in &mut window.rows {
            row.edr_point = self.covered(&row.edr_point);
            row.description = self.covered(&row.description);
        }
        for (point, _) in &mut window.points {
            *point = self.covered(point);
        }
    }

    fn covered(&mut self, text: &str) -> String {
        if self.known.contains(text) {
            return text.to_owned();
        }
        let next = self.numbers.len() + 1;
        let number = *self.numbers.entry(text.to_owned()).or_insert(next);
        format!("[text {number}]")
    }
}
