//! `windows`: what the last windows held, and what the open ones hold so far.

use std::io::Write;

use cabinwatch_shared::time::UnixSeconds;
use serde::Serialize;

use super::table::{Align, write_table};
use super::{CommandError, Snapshot};
use crate::config::Config;
use crate::model::{self, CheckedModel};
use crate::pipeline::Settings;
use crate::pipeline::closing::{ClosedWindow, ScoredRow};
use crate::store::{Slot, StoreError};

/// A window and whether it still counts.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowView {
    /// Whether it is open: its numbers are those of now.
    pub open: bool,
    /// What it holds.
    pub window: ClosedWindow,
}

/// Gathers the last closed windows and the open ones, oldest first. Open ones are scored as if they closed now.
///
/// # Errors
/// When the database can't be read.
pub fn gather(config: &Config, settings: &Settings, last: usize) -> Result<Vec<WindowView>, CommandError> {
    let snapshot = Snapshot::take(config, settings)?;
    of(settings, &snapshot, last).map_err(|source| CommandError::store(&config.store.path, source))
}

/// The windows as a snapshot has them.
pub(crate) fn of(
    settings: &Settings,
    snapshot: &Snapshot,
    last: usize,
) -> Result<Vec<WindowView>, StoreError> {
    let Snapshot { reader, state, .. } = snapshot;
    let mut views = Vec::new();
    for body in reader.closed_windows(last)?.iter().rev() {
        let window = ClosedWindow::from_record(body)
            .map_err(|error| StoreError::Corrupt(format!("a closed window does not decode: {error}")))?;
        views.push(WindowView { open: false, window });
    }
    let (stored, memory) = (reader.model(Slot::Active)?, reader.model_memory()?);
    let checked =
        stored.and_then(|stored| model::check_stored(&stored.bundle, &settings.demands, &memory).ok());
    let model = checked.as_ref().and_then(CheckedModel::view);
    views.extend(state.windows.iter().map(|(start, window)| WindowView {
        open: true,
        window: ClosedWindow::score(start, window, |key| reader.key_in_memory(key), model.as_ref()),
    }));
    Ok(views)
}

/// One row of one window, as JSON has it.
#[derive(Serialize)]
struct Row<'a> {
    start_time: String,
    end_time: String,
    open: bool,
    model: u32,
    fault_key: String,
    edr_point: &'a str,
    description: &'a str,
    fail: u64,
    success: u64,
    total: u64,
    fail_rate: Option<f64>,
    z_score: Option<f64>,
    z_status: &'static str,
    forest_score: Option<f64>,
    anomaly_z: bool,
    anomaly_iforest: bool,
    anomaly_combined: bool,
}

impl<'a> Row<'a> {
    fn new(view: &WindowView, row: &'a ScoredRow) -> Self {
        let window = &view.window;
        let end = UnixSeconds(window.start.0.saturating_add(i64::from(window.seconds)));
        Self {
            start_time: window.start.to_string(),
            end_time: end.to_string(),
            open: view.open,
            model: window.model.0,
            fault_key: row.key().to_string(),
            edr_point: &row.edr_point,
            description: &row.description,
            fail: row.counts.fail,
            success: row.counts.success,
            total: row.counts.total(),
            fail_rate: row.counts.rate().map(|rate| rate.percent()),
            z_score: row.z_score,
            z_status: row.z_status.as_str(),
            forest_score: row.forest_score,
            anomaly_z: row.alarms.z,
            anomaly_iforest: row.alarms.forest,
            anomaly_combined: row.alarms.any(),
        }
    }
}

/// Prints the windows: one JSON object a row and line, or a table for each window.
///
/// # Errors
/// When the output can't be written.
pub fn print(views: &[WindowView], json: bool, out: &mut impl Write) -> Result<(), CommandError> {
    for view in views {
        if json {
            for row in &view.window.rows {
                serde_json::to_writer(&mut *out, &Row::new(view, row))?;
                writeln!(out)?;
            }
        } else {
            print_window(view, out)?;
        }
    }
    if views.is_empty() && !json {
        writeln!(out, "no window yet: no event has come")?;
    }
    Ok(())
}

const COLUMNS: [(&str, Align); 8] = [
    ("point", Align::Left),
    ("description", Align::Left),
    ("fail", Align::Right),
    ("success", Align::Right),
    ("rate %", Align::Right),
    ("z", Align::Right),
    ("forest", Align::Right),
    ("alarm", Align::Left),
];

fn print_window(WindowView { open, window }: &WindowView, out: &mut impl Write) -> Result<(), CommandError> {
    let mark = if *open { ", still open" } else { "" };
    let model = match window.model.0 {
        0 => "no model".to_owned(),
        version => format!("model {version}"),
    };
    writeln!(out, "{} for {} s, {model}{mark}", window.start, window.seconds)?;
    if window.rows.is_empty() {
        let successes: u64 = window.points.iter().map(|(_, success)| success).sum();
        writeln!(out, "no failure; {successes} successes\n")?;
        return Ok(());
    }
    let rows: Vec<_> = window.rows.iter().map(cells).collect();
    write_table(out, &COLUMNS, &rows)?;
    writeln!(out)?;
    Ok(())
}

fn cells(row: &ScoredRow) -> Vec<String> {
    let score =
        |score: Option<f64>, instead: &str| score.map_or(instead.to_owned(), |score| format!("{score:.3}"));
    let alarm = match (row.alarms.z, row.alarms.forest) {
        (true, true) => "confirmed",
        (true, false) => "z",
        (false, true) => "forest",
        (false, false) => "",
    };
    vec![
        row.edr_point.clone(),
        row.description.clone(),
        row.counts.fail.to_string(),
        row.counts.success.to_string(),
        row.counts.rate().map_or(String::new(), |rate| rate.to_string()),
        score(row.z_score, row.z_status.as_str()),
        score(row.forest_score, "-"),
        alarm.to_owned(),
    ]
}
