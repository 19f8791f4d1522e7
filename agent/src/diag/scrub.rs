//! Takes out of a text what tells of a person or opens a door.
//!
//! Passes over each line, the surest first: mail addresses; what this machine knows to be a secret or a name; what stands in quotes,
//! which is where messages put what came from outside; what stands behind a label such as `user=`; and what has the
//! shape of an address or of a name of a machine. It rather takes too much: `[text]` in a support bundle costs a question,
//! an address in it cannot be called back.
//!
//! A bare word that is somebody's name looks like any other word. So free text, like an event's description, is not
//! handed to it: see [`super::texts`].

mod labels;
mod quotes;
mod shapes;

use std::collections::BTreeSet;

use serde_json::Value;

/// What stands in place of a secret.
const SECRET: &str = "[secret]";

/// What is known of this machine, besides what every text is searched for.
#[derive(Clone, Debug, Default)]
pub struct Scrubber {
    /// Longest first, with what stands in their place.
    known: Vec<Known>,
    /// Words that are no name of a machine, and may stand in quotes: the tail, the stream, and settings' names.
    plain: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct Known {
    /// In lower-case letters, as far as they are ASCII.
    text: String,
    mark: &'static str,
    /// Whether it is replaced only where it is a word of its own.
    whole: bool,
}

impl Scrubber {
    /// Something nobody may learn: a password, or a line of a key.
    pub fn secret(&mut self, text: &str) {
        // Within a word, a short one would be found everywhere, and betray itself.
        self.know(text, SECRET, text.len() < 6);
    }

    /// A name, of somebody or of a machine; `mark` stands in its place. What is shorter than three letters, or a word
    /// of our own, would only make the text unreadable.
    pub fn name(&mut self, text: &str, mark: &'static str) {
        if text.chars().count() > 2 && !OWN_WORDS.contains(&text.to_ascii_lowercase().as_str()) {
            self.know(text, mark, true);
        }
    }

    /// A word that may stay.
    pub fn keep(&mut self, word: &str) {
        if !word.is_empty() {
            self.plain.insert(word.to_owned());
        }
    }

    fn know(&mut self, text: &str, mark: &'static str, whole: bool) {
        let text = text.trim().to_ascii_lowercase();
        if text.is_empty() || self.plain.contains(&text) || self.plain.contains(&text.to_ascii_uppercase()) {
            return;
        }
        self.known.push(Known { text, mark, whole });
        self.known.sort_by_key(|known| std::cmp::Reverse(known.text.len()));
    }

    /// The text without them, line by line.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for (number, line) in text.split('\n').enumerate() {
            if number > 0 {
                out.push('\n');
            }
            out.push_str(&self.line(line));
        }
        out
    }

    fn line(&self, line: &str) -> String {
        let line: String = line.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
        // Before a part of one is taken for a name.
        let line = shapes::hide_mail(&line);
        let line = self.without_known(&line);
        let line = quotes::hide(&line, |inside| self.may_stand_in_quotes(inside));
        let line = labels::hide(&line);
        shapes::hide(&line, &self.plain)
    }

    /// Texts in a JSON value; its numbers and names of fields are ours.
    pub fn json(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.json(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.json(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn without_known(&self, line: &str) -> String {
        self.known.iter().fold(line.to_owned(), |line, known| known.replace_in(&line))
    }

    fn may_stand_in_quotes(&self, inside: &str) -> bool {
        let number = || inside.bytes().all(|byte| byte.is_ascii_digit());
        // A path is looked at by its parts later.
        let path = || inside.starts_with('/') && !inside.contains(' ');
        let mark = || inside.starts_with('[') && inside.ends_with(']');
        let command = || {
            let plain = |char: char| char.is_ascii_lowercase() || matches!(char, ' ' | '-');
            COMMANDS.iter().any(|command| inside.starts_with(command)) && inside.chars().all(plain)
        };
        self.plain.contains(inside)
            || SYSTEMD_WORDS.contains(&inside)
            || number()
            || path()
            || mark()
            || command()
    }
}

impl Known {
    fn replace_in(&self, line: &str) -> String {
        let lower = line.to_ascii_lowercase();
        let mut out = String::with_capacity(line.len());
        let mut done = 0;
        let mut from = 0;
        while let Some(start) = lower.get(from..).and_then(|rest| rest.find(&self.text)).map(|at| at + from) {
            let end = start + self.text.len();
            let before = line.get(..start).and_then(|text| text.chars().next_back());
            let after = line.get(end..).and_then(|text| text.chars().next());
            let alone = !before.is_some_and(is_of_a_word) && !after.is_some_and(is_of_a_word);
            if self.whole && !alone {
                from = end;
                continue;
            }
            out.push_str(line.get(done..start).unwrap_or_default());
            out.push_str(self.mark);
            (done, from) = (end, end);
        }
        out.push_str(line.get(done..).unwrap_or_default());
        out
    }
}

fn is_of_a_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// What our messages tell to type.
const COMMANDS: &[&str] = &["cabinwatch-agent ", "journalctl ", "systemctl "];

/// What systemd puts in quotes.
const SYSTEMD_WORDS: &[&str] = &[
    "cabinwatch-agent",
    "cabinwatch-agent.service",
    "core-dump",
    "exit-code",
    "oom-kill",
    "protocol",
    "resources",
    "signal",
    "start-limit-hit",
    "timeout",
    "watchdog",
];

/// Words that our own texts and paths are made of; an account or a machine of that name is no secret.
const OWN_WORDS: &[&str] = &[
    "admin",
    "agent",
    "aircraft",
    "cabinwatch",
    "cabinwatch-agent",
    "clock",
    "database",
    "daemon",
    "debian",
    "gateway",
    "ground",
    "link",
    "localhost",
    "log",
    "model",
    "nobody",
    "root",
    "service",
    "store",
    "system",
    "systemd",
    "test",
    "tmp",
    "user",
];

#[cfg(test)]
mod tests;
