//! `cabinwatch-ground archive`: care for the window archive.

use std::io::Write;

use cabinwatch_archive::StorageError;
use cabinwatch_archive::windows::{Compacted, Day, WindowArchive};
use serde::Serialize;

use super::progress;
use super::read_history::system_now;
use crate::config::{Config, Flag};

/// Flags of `archive`.
#[derive(Clone, Debug, clap::Args)]
pub struct ArchiveArgs {
    #[command(subcommand)]
    command: ArchiveCommand,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum ArchiveCommand {
    /// Make one file of each day's many; safe to kill, and to run while ingest writes
    Compact(CompactArgs),
}

/// Flags of `archive compact`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CompactArgs {
    /// Folder of the window archive, e.g. hdfs://namenode:8020/archive
    #[arg(long, value_name = "URL")]
    pub archive: Option<String>,
    /// Compact the days before this one [default: today in UTC, so only days that are over]
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub before: Option<Day>,
    /// One JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Why compaction failed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveCommandError {
    /// No archive given.
    #[error(
        "no window archive given: set ingest.archive or pass --archive, e.g. --archive hdfs://namenode:8020/archive"
    )]
    NoUrl,
    /// The archive.
    #[error("the window archive: {0}")]
    Storage(#[from] StorageError),
    /// One day; those before it are done.
    #[error("cannot compact {day}: {source}; nothing is lost, and days that are listed above are done")]
    Day {
        /// The day.
        day: Day,
        /// Why.
        source: StorageError,
    },
    /// Output.
    #[error("cannot write the summary: {0}")]
    Output(#[from] std::io::Error),
}

impl ArchiveCommandError {
    /// Whether it is the call that is wrong.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::NoUrl | Self::Storage(StorageError::Url { .. }))
    }
}

impl ArchiveArgs {
    /// The settings the flags set.
    #[must_use]
    pub fn flags(&self) -> Vec<Flag> {
        let ArchiveCommand::Compact(args) = &self.command;
        vec![("--archive", "ingest.archive", args.archive.clone())]
    }
}

/// What compaction came to, day by day.
#[derive(Debug, Serialize)]
struct Summary {
    archive: String,
    /// Days before this one.
    before: String,
    days: Vec<DaySummary>,
}

#[derive(Debug, Serialize)]
struct DaySummary {
    day: String,
    files_before: u64,
    files_after: u64,
    bytes_before: u64,
    bytes_after: u64,
    /// Rows of a day that was rewritten; 0 where nothing had to be done.
    rows: u64,
    /// Rows that were there twice, or had been replaced.
    duplicates: u64,
    /// Files removed that a killed process left unfinished.
    leftovers: u64,
}

/// Compacts the configured archive.
///
/// # Errors
/// When a day cannot be compacted; no row is lost then.
pub fn run(config: &Config, args: &ArchiveArgs, out: &mut dyn Write) -> Result<(), ArchiveCommandError> {
    let ArchiveCommand::Compact(args) = &args.command;
    if config.ingest.archive.is_empty() {
        return Err(ArchiveCommandError::NoUrl);
    }
    let archive = WindowArchive::open(&config.ingest.archive, config.history.timeout())?;
    let now = system_now();
    let before = args.before.unwrap_or(Day::of(now));
    let days: Vec<Day> = archive.days()?.into_iter().filter(|day| *day < before).collect();
    let mut summary =
        Summary { archive: archive.url().to_owned(), before: before.to_string(), days: Vec::new() };
    let bar = progress::bar("Compacting days", days.len() as u64);
    let mut failed = None;
    for day in days {
        match archive.compact(day, now) {
            Ok(compacted) => summary.days.push(day_summary(day, &compacted)),
            Err(source) => {
                failed = Some(ArchiveCommandError::Day { day, source });
                break;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    print(&summary, args.json, out)?;
    failed.map_or(Ok(()), Err)
}

fn day_summary(day: Day, compacted: &Compacted) -> DaySummary {
    let Compacted { files_before, files_after, bytes_before, bytes_after, leftovers, .. } = *compacted;
    DaySummary {
        day: day.to_string(),
        files_before,
        files_after,
        bytes_before,
        bytes_after,
        rows: compacted.rows_after,
        duplicates: compacted.rows_before.saturating_sub(compacted.rows_after),
        leftovers,
    }
}

fn print(summary: &Summary, json: bool, out: &mut dyn Write) -> std::io::Result<()> {
    if json {
        serde_json::to_writer_pretty(&mut *out, summary)?;
        return writeln!(out);
    }
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["day", "files", "bytes", "rows", "duplicates"]);
    for day in summary.days.iter().filter(|day| day.files_before != day.files_after || day.leftovers > 0) {
        table.add_row([
            day.day.clone(),
            format!("{} -> {}", day.files_before, day.files_after),
            format!("{} -> {}", day.bytes_before, day.bytes_after),
            day.rows.to_string(),
            day.duplicates.to_string(),
        ]);
    }
    if !table.is_empty() {
        writeln!(out, "{table}")?;
    }
    writeln!(out, "{} days before {} are one file each.", summary.days.len(), summary.before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compact(args: CompactArgs) -> ArchiveArgs {
        ArchiveArgs { command: ArchiveCommand::Compact(args) }
    }

    fn config(url: &str) -> Config {
        let mut config = Config::default();
        config.ingest.archive = url.to_owned();
        config
    }

    #[test]
    fn an_archive_that_is_not_named_or_cannot_be_opened_is_a_wrong_call() {
        for (url, says) in [("", "--archive"), ("s3://bucket/archive", "`s3` is not supported")] {
            let args = compact(CompactArgs::default());
            let error = run(&config(url), &args, &mut Vec::new()).expect_err("refused");
            assert!(error.is_usage() && error.to_string().contains(says), "{error}");
        }
        let error =
            run(&config("file:///no/such/archive"), &compact(CompactArgs::default()), &mut Vec::new());
        let error = error.expect_err("refused");
        assert!(!error.is_usage() && error.to_string().contains("/no/such/archive"), "{error}");
    }

    #[test]
    fn an_archive_without_days_before_the_given_one_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("day=2026-11-21")).expect("a folder");
        let config = config(&format!("file://{}", folder.path().display()));
        let before = Some("2026-11-21".parse().expect("a day"));
        let mut out = Vec::new();
        run(&config, &compact(CompactArgs { before, json: true, ..CompactArgs::default() }), &mut out)
            .expect("nothing to do");
        let summary: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!((&summary["before"], &summary["days"]), (&"2026-11-21".into(), &serde_json::json!([])));
    }
}
