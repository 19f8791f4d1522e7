//! What `retrain` and `detect` have in common: finding the files of a run and counting them.

use std::io::{self, Write};

use cabinwatch_shared::time::{UnixMillis, UnixSeconds};

use super::progress;
use crate::config::HistoryConfig;
use crate::history::{self, Aggregates, HistoryError, Listing, ReadOptions, ReadSummary, Selection};

/// Counts the files that `select` picks of the configured folder.
pub(super) fn read_history(
    config: &HistoryConfig,
    select: impl FnOnce(&Listing) -> Selection,
) -> Result<(Aggregates, Selection), HistoryError> {
    let options = ReadOptions::from_config(config)?;
    let history = history::open(&config.url, &config.prefix)?;
    let listing = history.list()?;
    for bad in &listing.bad_names {
        tracing::warn!("{bad}; the file is left out");
    }
    let selection = select(&listing);
    if selection.fell_back && !selection.files.is_empty() {
        tracing::warn!(files = selection.files.len(), "no file is recent; the newest are read instead");
    }
    let later = listing.files.len().saturating_sub(selection.files.len());
    tracing::info!(
        files = selection.files.len(),
        left_out = later,
        other = listing.other_files,
        "reading history"
    );
    let bar = progress::bar("Reading EDR files", selection.files.len() as u64);
    let counted = history::aggregate(&*history, &selection.files, &options, &|| bar.inc(1));
    bar.finish_and_clear();
    Ok((counted?, selection))
}

/// Says in a few lines what was read and what was not.
pub(super) fn print_read(summary: &ReadSummary, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "Read {} rows of {} files: {} FAIL, {} SUCCESS, {} of other states, {} rejected.",
        summary.rows,
        summary.files,
        summary.fail,
        summary.success,
        summary.ignored(),
        summary.rejected_rows()
    )?;
    for (reason, rows) in &summary.rejected {
        writeln!(out, "  rejected {rows}: {reason}")?;
    }
    for row in &summary.rejected_first {
        writeln!(out, "  {row}")?;
    }
    for aside in &summary.set_aside {
        writeln!(out, "  {aside}")?;
    }
    Ok(())
}

/// The instant of `--now`.
pub(super) fn parse_now(text: &str) -> Result<UnixSeconds, String> {
    UnixMillis::parse(text).map(UnixMillis::seconds).map_err(|error| error.to_string())
}

/// The system's clock.
pub(super) fn system_now() -> UnixSeconds {
    UnixSeconds(jiff::Timestamp::now().as_second())
}
