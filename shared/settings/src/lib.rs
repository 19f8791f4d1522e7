//! Layered settings.
//!
//! A program's settings are one plain structure with defaults. Four layers fill it, each over the one before:
//! the defaults, one TOML file, environment variables, and flags. A key that no layer may have is an error that
//! names it, and every value remembers where it came from, so that `check-config` can say so.
#![forbid(unsafe_code)]

mod origin;

use std::path::{Path, PathBuf};

pub use origin::{Origin, Setting};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Why settings could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file can't be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{}: {source}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line.
        source: Box<toml::de::Error>,
    },
    /// A key that does not exist.
    #[error("unknown setting `{key}` in {origin}; `check-config` lists all settings")]
    UnknownKey {
        /// The dotted key.
        key: String,
        /// Where it stands.
        origin: Origin,
    },
    /// A value of the wrong type, or out of range.
    #[error("setting `{key}` from {origin}: {message}")]
    Value {
        /// The dotted key.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// What is wrong.
        message: String,
    },
    /// The defaults themselves are broken.
    #[error("the built-in defaults do not form a table: {0}")]
    Defaults(String),
}

/// Collects layers over the defaults of `T`.
#[derive(Clone, Debug)]
pub struct Layers {
    values: Table,
    origins: Vec<(String, Origin)>,
    /// Keys whose values the user shapes (`"auto"` or a number, a list of sources): their own types check them.
    open: Vec<&'static str>,
}

impl Layers {
    /// Starts from the defaults.
    ///
    /// # Errors
    /// When the defaults do not serialize to a table, which is a mistake in the program.
    pub fn over<T: Serialize>(defaults: &T) -> Result<Self, SettingsError> {
        let values = Table::try_from(defaults).map_err(|error| SettingsError::Defaults(error.to_string()))?;
        Ok(Self { values, origins: Vec::new(), open: Vec::new() })
    }

    /// Declares a dotted key whose value the user shapes freely; its own type checks what is inside.
    #[must_use]
    pub fn with_open(mut self, key: &'static str) -> Self {
        self.open.push(key);
        self
    }

    /// Lays a TOML file over what there is.
    ///
    /// # Errors
    /// When it can't be read, is no TOML, or holds an unknown key.
    pub fn file(mut self, path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        let table: Table = text
            .parse()
            .map_err(|source| SettingsError::Syntax { path: path.to_owned(), source: Box::new(source) })?;
        self.lay("", table, &Origin::File(path.to_owned()))?;
        Ok(self)
    }

    /// Lays environment variables over what there is: `PREFIX__STORE__MAX_BYTES` sets `store.max_bytes`.
    ///
    /// # Errors
    /// When a variable with the prefix names no setting, or its value has the wrong type.
    pub fn environment(
        mut self,
        prefix: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let start = format!("{prefix}__");
        let mut found: Vec<_> = variables.into_iter().filter(|(name, _)| name.starts_with(&start)).collect();
        found.sort();
        for (name, text) in found {
            let key = name[start.len()..].to_ascii_lowercase().replace("__", ".");
            self.set(&key, &text, &Origin::Environment(name))?;
        }
        Ok(self)
    }

    /// Lays one flag over what there is; a flag that was not given changes nothing.
    ///
    /// # Errors
    /// When the value does not fit the setting.
    pub fn flag(mut self, flag: &'static str, key: &str, value: Option<&str>) -> Result<Self, SettingsError> {
        if let Some(text) = value {
            self.set(key, text, &Origin::Flag(flag))?;
        }
        Ok(self)
    }

    /// The settings, and for each where it came from.
    ///
    /// # Errors
    /// When a value does not fit its setting.
    pub fn load<T: DeserializeOwned + Serialize>(self) -> Result<(T, Vec<Setting>), SettingsError> {
        let settings = origin::list(&self.values, &self.origins);
        let loaded = self.values.clone().try_into::<T>();
        loaded.map(|value| (value, settings)).map_err(|error| self.blame(&error))
    }

    /// Finds the layer a bad value came from: the last one that, alone over the defaults, holds the key in question.
    fn blame(&self, error: &toml::de::Error) -> SettingsError {
        let message = error.to_string();
        let trimmed = message.trim().to_owned();
        let path =
            trimmed.rsplit_once("in `").and_then(|(_, tail)| tail.strip_suffix('`')).map(str::to_owned);
        let culprit = path.and_then(|key| {
            self.origins
                .iter()
                .rev()
                .find(|(known, _)| *known == key || key.starts_with(&format!("{known}.")))
        });
        match culprit.or(self.origins.last()) {
            Some((key, origin)) => {
                SettingsError::Value { key: key.clone(), origin: origin.clone(), message: trimmed }
            }
            None => SettingsError::Defaults(trimmed),
        }
    }

    fn lay(&mut self, parent: &str, table: Table, origin: &Origin) -> Result<(), SettingsError> {
        for (name, value) in table {
            let key = if parent.is_empty() { name } else { format!("{parent}.{name}") };
            let open = self.open.contains(&key.as_str());
            match (self.find(&key), value) {
                (Some(Value::Table(_)), Value::Table(inner)) if !open => self.lay(&key, inner, origin)?,
                (Some(_), value) => self.put(&key, value, origin.clone())?,
                (None, value) if open => self.put(&key, value, origin.clone())?,
                (None, _) => return Err(SettingsError::UnknownKey { key, origin: origin.clone() }),
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, text: &str, origin: &Origin) -> Result<(), SettingsError> {
        let Some(known) = self.find(key) else {
            return Err(SettingsError::UnknownKey { key: key.to_owned(), origin: origin.clone() });
        };
        let value = match known {
            Value::String(_) if !self.open.contains(&key) => Value::String(text.to_owned()),
            _ => format!("value = {text}")
                .parse::<Table>()
                .ok()
                .and_then(|mut table| table.remove("value"))
                .unwrap_or_else(|| Value::String(text.to_owned())),
        };
        self.put(key, value, origin.clone())
    }

    fn put(&mut self, key: &str, value: Value, origin: Origin) -> Result<(), SettingsError> {
        if let Some(known) = self.find(key).filter(|_| !self.open.contains(&key)) {
            let fits =
                known.same_type(&value) || matches!((known, &value), (Value::Float(_), Value::Integer(_)));
            if !fits {
                let message = format!("expected {}, found {}", with_article(known), with_article(&value));
                return Err(SettingsError::Value { key: key.to_owned(), origin, message });
            }
        }
        let value = match (self.find(key), value) {
            (Some(Value::Float(_)), Value::Integer(whole)) => Value::Float(whole as f64),
            (_, value) => value,
        };
        let mut table = &mut self.values;
        let mut names = key.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                table.insert(name.to_owned(), value);
                break;
            }
            let unknown = || SettingsError::UnknownKey { key: key.to_owned(), origin: origin.clone() };
            table = table.get_mut(name).and_then(Value::as_table_mut).ok_or_else(unknown)?;
        }
        self.origins.retain(|(known, _)| known != key);
        self.origins.push((key.to_owned(), origin));
        Ok(())
    }

    fn find(&self, key: &str) -> Option<&Value> {
        let mut names = key.split('.');
        let first = self.values.get(names.next()?)?;
        names.try_fold(first, |value, name| value.as_table()?.get(name))
    }
}

fn with_article(value: &Value) -> String {
    let kind = value.type_str();
    let article = if kind.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {kind}")
}

#[cfg(test)]
mod tests;
