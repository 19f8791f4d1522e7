//! The mail report.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

/// The mail report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailConfig {
    /// Where mail goes: `smtp://host:587`, `smtps://host:465`, or `file:///dir`, which takes `.eml` files.
    pub url: String,
    /// Language of the report.
    pub language: Language,
    /// Address under which readers reach the dashboard, e.g. `https://cabinwatch.example:8000`; empty for no links.
    pub dashboard_url: String,
    /// Sender.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
    /// Copies.
    pub cc: Vec<String>,
    /// Blind copies.
    pub bcc: Vec<String>,
    /// How the line to `smtp://` is encrypted; `smtps://` always is.
    pub starttls: StartTls,
    /// Name to log in with; empty for none.
    pub user: String,
    /// File that holds the password.
    pub password_file: PathBuf,
    /// PEM file with the authority that signed the mail server's certificate; empty for the system's.
    pub ca_file: PathBuf,
    /// Longest wait for a connection and for each of the server's answers, in seconds.
    pub timeout_seconds: u32,
    /// Longest wait for the answer to a whole mail, in seconds.
    pub accept_seconds: u32,
    /// Folder of the mails that wait; empty for `mail-spool` beside the SQLite tables, else in the model folder.
    pub spool: PathBuf,
    /// Most mails that wait.
    pub spool_mails: u32,
    /// For how many days a mail may wait.
    pub spool_days: u32,
    /// Shortest wait after a failed attempt, in seconds; it doubles up to 16 times that.
    pub retry_seconds: u32,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            language: Language::En,
            dashboard_url: String::new(),
            from: "cabinwatch@localhost".to_owned(),
            to: vec!["operations@localhost".to_owned()],
            cc: Vec::new(),
            bcc: Vec::new(),
            starttls: StartTls::Required,
            user: String::new(),
            password_file: PathBuf::new(),
            ca_file: PathBuf::new(),
            timeout_seconds: 30,
            accept_seconds: 120,
            spool: PathBuf::new(),
            spool_mails: 200,
            spool_days: 7,
            retry_seconds: 60,
        }
    }
}

impl MailConfig {
    /// Whether `dashboard_url` is one that pages can be named under.
    pub(super) fn has_good_dashboard_url(&self) -> bool {
        let is_base = |url: &Url| {
            let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
            let has_login = !url.username().is_empty() || url.password().is_some();
            is_web && !has_login && url.query().is_none() && url.fragment().is_none()
        };
        self.dashboard_url.is_empty() || Url::parse(&self.dashboard_url).is_ok_and(|url| is_base(&url))
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

/// When a line to `smtp://` turns into an encrypted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartTls {
    /// Always; a server that does not offer it gets no mail.
    Required,
    /// Where the server offers it. A password is never sent without it.
    Opportunistic,
    /// Never: for a relay on this machine, or on a network that is trusted.
    None,
}
