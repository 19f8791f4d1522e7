//! Where a setting came from.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use toml::{Table, Value};

/// The layer a value came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Built in.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag on the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "${name}"),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

/// One setting in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// Its dotted key.
    pub key: String,
    /// Its value, as TOML writes it.
    pub value: String,
    /// Where the value came from.
    pub origin: Origin,
}

/// All settings, sorted as the defaults list them.
pub(crate) fn list(values: &Table, origins: &[(String, Origin)]) -> Vec<Setting> {
    let mut settings = Vec::new();
    walk("", values, origins, &mut settings);
    settings
}

fn walk(parent: &str, table: &Table, origins: &[(String, Origin)], out: &mut Vec<Setting>) {
    for (name, value) in table {
        let key = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
        let origin = origins.iter().find(|(known, _)| *known == key).map(|(_, origin)| origin.clone());
        match (value, origin) {
            (Value::Table(inner), None) if !inner.is_empty() => walk(&key, inner, origins, out),
            (value, origin) => {
                out.push(Setting {
                    key,
                    value: value.to_string(),
                    origin: origin.unwrap_or(Origin::Default),
                });
            }
        }
    }
}
