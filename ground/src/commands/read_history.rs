//! What `retrain` and `detect` have in common: finding the files of a run and counting them.

use std::io::{self, Write};

use cabinwatch_shared::time::{UnixMillis, UnixSeconds};

use cabinwatch_archive::windows::WindowArchive;

use super::progress;
use crate::config::{Config, HistoryConfig};
use crate::history::{
    self, Aggregates, ArchiveSelection, ArchiveSummary, History, HistoryError, Listing, ReadOptions,
    ReadSummary, Selection, Tally,
};

/// Counts the recent files of the configured folder.
pub(super) fn read_recent(
    config: &HistoryConfig,
    now: UnixSeconds,
) -> Result<(Aggregates, Selection), HistoryError> {
    let options = ReadOptions::from_config(config)?;
    let history = history::open(&config.url, &config.prefix, config.timeout())?;
    let newest = config.newest_files as usize;
    let selection = select_files(&*history, |listing| history::recent(listing, now, options.window, newest))?;
    let mut tally = Tally::new(options.window);
    add_files(&mut tally, &*history, &selection, &options)?;
    Ok((tally.finish()?, selection))
}

/// A source of training rows and what of it is read.
type Chosen<S, C> = Option<(S, C)>;

/// Counts what training is configured to read: EDR files, the window archive, or both added up. Where one of two has
/// nothing recent it gives nothing; its old days would outweigh the other's new ones.
pub(super) fn read_training(config: &Config, now: UnixSeconds) -> Result<Aggregates, HistoryError> {
    let options = ReadOptions::from_config(&config.history)?;
    if config.history.url.is_empty() && config.retrain.archive.is_empty() {
        return Err(HistoryError::NoSource);
    }
    let mut files = choose_files(config, now)?;
    let mut archive = choose_days(config, now)?;
    if let (Some((_, of_files)), Some((_, of_archive))) = (&files, &archive) {
        match (of_files.fell_back, of_archive.fell_back) {
            (true, false) => {
                tracing::warn!("no EDR file is recent; training is on the window archive alone");
                files = None;
            }
            (false, true) => {
                tracing::warn!("the window archive has nothing recent; training is on EDR files alone");
                archive = None;
            }
            _ => {}
        }
    }
    let mut tally = Tally::new(options.window);
    if let Some((folder, selection)) = &files {
        add_files(&mut tally, &**folder, selection, &options)?;
    }
    if let Some((archive, selection)) = &archive {
        add_archive(&mut tally, archive, selection)?;
    }
    tally.finish()
}

fn choose_files(
    config: &Config,
    now: UnixSeconds,
) -> Result<Chosen<Box<dyn History>, Selection>, HistoryError> {
    let HistoryConfig { url, prefix, .. } = &config.history;
    if url.is_empty() {
        return Ok(None);
    }
    let folder = history::open(url, prefix, config.history.timeout())?;
    let selection = select_files(&*folder, |listing| history::training(listing, now, config.retrain.days))?;
    Ok(Some((folder, selection)))
}

fn choose_days(
    config: &Config,
    now: UnixSeconds,
) -> Result<Chosen<WindowArchive, ArchiveSelection>, HistoryError> {
    let url = &config.retrain.archive;
    if url.is_empty() {
        return Ok(None);
    }
    let archive = WindowArchive::open(url, config.history.timeout())?;
    let selection = history::select_archive(&archive, now, config.retrain.days)?;
    Ok(Some((archive, selection)))
}

/// Finds the files of a run.
fn select_files(
    history: &dyn History,
    select: impl FnOnce(&Listing) -> Selection,
) -> Result<Selection, HistoryError> {
    let listing = history.list()?;
    for bad in &listing.bad_names {
        tracing::warn!("{bad}; the file is left out");
    }
    let selection = select(&listing);
    tracing::info!(
        files = selection.files.len(),
        left_out = listing.files.len().saturating_sub(selection.files.len()),
        other = listing.other_files,
        "reading EDR files"
    );
    Ok(selection)
}

fn add_files(
    tally: &mut Tally,
    history: &dyn History,
    selection: &Selection,
    options: &ReadOptions,
) -> Result<(), HistoryError> {
    if selection.fell_back && !selection.files.is_empty() {
        tracing::warn!(files = selection.files.len(), "no EDR file is recent; the newest are read instead");
    }
    let bar = progress::bar("Reading EDR files", selection.files.len() as u64);
    let added = tally.add_files(history, &selection.files, options, &|| bar.inc(1));
    bar.finish_and_clear();
    added
}

fn add_archive(
    tally: &mut Tally,
    archive: &WindowArchive,
    selection: &ArchiveSelection,
) -> Result<(), HistoryError> {
    if selection.fell_back {
        tracing::warn!(
            days = selection.days.len(),
            "the archive has no recent window; its newest are read instead"
        );
    }
    let bar = progress::bar("Reading the window archive", selection.days.len() as u64);
    let added = tally.add_archive(archive, selection, &|| bar.inc(1));
    bar.finish_and_clear();
    added
}

/// Says in a few lines what training read.
pub(super) fn print_training(aggregates: &Aggregates, out: &mut dyn Write) -> io::Result<()> {
    if aggregates.archive.is_none() || aggregates.summary.files > 0 {
        print_read(&aggregates.summary, out)?;
    }
    let Some(ArchiveSummary { days, files, rows, fail, success, other_length, .. }) = &aggregates.archive
    else {
        return Ok(());
    };
    writeln!(
        out,
        "Read {rows} rows of {days} days of the window archive ({files} files): {fail} FAIL, {success} SUCCESS."
    )?;
    if *other_length > 0 {
        writeln!(
            out,
            "  left out {other_length}: their windows are no even parts of history.window_seconds"
        )?;
    }
    Ok(())
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

/// The instant of a flag.
pub(super) fn parse_instant(text: &str) -> Result<UnixSeconds, String> {
    UnixMillis::parse(text).map(UnixMillis::seconds).map_err(|error| error.to_string())
}

/// The system's clock.
pub(super) fn system_now() -> UnixSeconds {
    UnixSeconds(jiff::Timestamp::now().as_second())
}
