//! `cabinwatch-ground report`: the mail report from the tables alone.

use std::io::{self, Write};

use cabinwatch_shared::time::UnixSeconds;

use super::read_history::{parse_now, system_now};
use crate::config::Config;
use crate::report::{self, ReportError, Run, Sent};
use crate::tables::{self, TablesError};

/// Flags of `report`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ReportArgs {
    /// The tables to report from, e.g. sqlite:///data/tables.db
    #[arg(long, value_name = "URL")]
    pub tables: Option<String>,
    /// Where the mail goes, e.g. file:///data/mail
    #[arg(long, value_name = "URL")]
    pub mail: Option<String>,
    /// First instant of the period; default: the tables' first row
    #[arg(long, value_name = "RFC3339", value_parser = parse_now)]
    pub since: Option<UnixSeconds>,
    /// First instant after the period; default: the end of the tables' last row
    #[arg(long, value_name = "RFC3339", value_parser = parse_now)]
    pub until: Option<UnixSeconds>,
    /// Language of the mail: en or tr
    #[arg(long, value_name = "CODE")]
    pub language: Option<String>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportCommandError {
    /// Opening the tables.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// The report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Output.
    #[error("cannot write the summary: {0}")]
    Output(#[from] io::Error),
}

impl ReportArgs {
    /// The settings the flags set: flag, key, value.
    #[must_use]
    pub fn flags(&self) -> Vec<(&'static str, &'static str, Option<String>)> {
        vec![
            ("--tables", "tables.url", self.tables.clone()),
            ("--mail", "mail.url", self.mail.clone()),
            ("--language", "mail.language", self.language.clone()),
        ]
    }
}

impl ReportCommandError {
    /// Whether it is the call that is wrong, not the data.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Tables(error) => error.is_usage(),
            Self::Report(error) => error.is_usage(),
            Self::Output(_) => false,
        }
    }
}

/// Reports the period to the configured folder.
///
/// # Errors
/// When the tables can't be read, or the mail can't be written.
pub fn run(config: &Config, args: &ReportArgs, out: &mut dyn Write) -> Result<Sent, ReportCommandError> {
    let tables = tables::open_to_read(&config.tables.url, &config.tables)?;
    let run = Run::of_tables(&*tables, args.since, args.until, system_now())?;
    let sent = report::send(&config.mail, &run, &*tables)?;
    writeln!(out, "{}", sent.subject)?;
    writeln!(out, "Written to {}", sent.path.display())?;
    Ok(sent)
}
