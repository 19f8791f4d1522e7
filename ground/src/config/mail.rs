//! The mail report.

use serde::{Deserialize, Serialize};

/// The mail report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailConfig {
    /// Where mail goes: `file:///dir` writes `.eml` files.
    pub url: String,
    /// Language of the report.
    pub language: Language,
    /// Sender.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
    /// Copies.
    pub cc: Vec<String>,
    /// Blind copies.
    pub bcc: Vec<String>,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            language: Language::En,
            from: "cabinwatch@localhost".to_owned(),
            to: vec!["operations@localhost".to_owned()],
            cc: Vec::new(),
            bcc: Vec::new(),
        }
    }
}

/// Languages of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    En,
    /// Turkish.
    Tr,
}
