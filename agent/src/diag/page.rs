//! A page of facts: a name, and what there is to say.

use std::fmt::Display;

/// Facts, one a line, and what could not be found out.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    facts: Vec<(String, String)>,
    pub(super) problems: Vec<String>,
}

impl Page {
    pub(super) fn fact(&mut self, name: impl Display, value: impl Display) {
        self.facts.push((name.to_string(), value.to_string()));
    }

    /// The facts as text, the values in one column.
    pub(super) fn text(&self) -> String {
        let width = self.facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        self.facts.iter().map(|(name, value)| format!("{name:<width$}  {value}\n")).collect()
    }
}
